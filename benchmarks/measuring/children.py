# SPDX-License-Identifier: Apache-2.0
"""
Commands that are run one after the other, each with all that it starts. A command gets time to clean up after
itself; what is left of it then, processes, namespaces, huge pages, is removed here.
"""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time

from measuring.system import HUGE

PR_SET_CHILD_SUBREAPER = 36
CLEAN_UP_S = 60


def parents():
    """{pid: pid of its parent} of all processes."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                found[int(entry.name)] = int(fields[1])
    return found


def descendants(pid):
    below, known = [pid], parents()
    for each in below:
        below += [child for child, parent in known.items() if parent == each]
    return below[1:]


@contextlib.contextmanager
def kept_together():
    """What commands leave running becomes ours, instead of being lost; huge pages are as before at the end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    number = HUGE / "nr_hugepages"
    before = number.read_text() if number.exists() else None
    try:
        yield
    finally:
        if before is not None and number.read_text() != before:
            number.write_text(before)


def sweep(child):
    """What a command left behind that was ended before it could clean up."""
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.split()
    for name in listed:
        if name.startswith(("bench-s-", "bench-c-")) and name.split("-")[2] == str(child):
            subprocess.run(["ip", "netns", "del", name])


def end(child):
    """Asks a command to end, waits for its clean-up, then makes it."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(CLEAN_UP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def run(command, log, environment, limit_s):
    """Its exit status, or None if it took longer than `limit_s`. All that it prints goes to `log`."""
    with open(log, "wb") as output:
        child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + limit_s
        while child.poll() is None:
            if time.monotonic() > deadline:
                print(f"{command[0]} is ended after {limit_s:.0f} s", file=sys.stderr)
                return None
            time.sleep(0.2)
        return child.returncode
    finally:
        end(child)
        sweep(child.pid)
