# SPDX-License-Identifier: Apache-2.0
"""Threads of a responder that stand still, as a debugger has them do it."""
import contextlib
import ctypes
import os

import pytest

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000    # wait for threads of any kind
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def worker(pid, number=1):
    """The thread of a worker, counted from 1."""
    return named(pid, "worker-%d" % number)


def named(pid, name):
    """The thread that has this in its name."""
    for thread in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
             open("/proc/%d/task/%s/comm" % (pid, thread), encoding="ascii") as comm:
            if name in comm.read():
                return int(thread)
    raise AssertionError("no thread " + name)


def trace(request, thread):
    if LIBC.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def stopped(thread, ends=False):
    """One thread stands still for the time of a `with`. `ends`: it is gone afterwards."""
    try:
        trace(SEIZE, thread)
    except OSError as error:
        pytest.skip("a thread cannot be stopped here: %s" % error)
    trace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        if not ends:
            trace(DETACH, thread)
