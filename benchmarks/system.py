# SPDX-License-Identifier: Apache-2.0
"""What measurements change about the machine, and how it is put back; programs that they start."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
BPF = pathlib.Path("/sys/fs/bpf")
END_S = 20


def end_on_signals():
    """Has signals that end a program go through its clean-up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


def need_root(program):
    if os.geteuid() != 0:
        sys.exit(f"{program}: needs root")


@contextlib.contextmanager
def huge_pages(mib):
    """Room for `mib` MiB in free 2 MB pages for the time of a `with`; whether there is."""
    number = HUGE / "nr_hugepages"
    need = -(-mib // 2)

    def free():
        return int((HUGE / "free_hugepages").read_text())

    if not number.exists():
        yield False
        return
    before = int(number.read_text())
    missing = need - free()
    try:
        if missing > 0 and os.access(number, os.W_OK):
            number.write_text(str(before + missing))
        yield free() >= need
    finally:
        if missing > 0:
            with contextlib.suppress(OSError):
                number.write_text(str(before))


@contextlib.contextmanager
def bpf_mounted():
    """The file system that libxdp keeps its programs in."""
    mounted = not os.path.ismount(BPF)
    if mounted:
        subprocess.run(["mount", "-t", "bpf", "bpf", BPF], check=True)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", BPF], stderr=subprocess.DEVNULL)


def on_processors(processors, command):
    return ["taskset", "-c", str(processors), *map(str, command)]


@contextlib.contextmanager
def running(command, log, stdin=subprocess.DEVNULL):
    """A program for the time of a `with`. `stdin=PIPE` is held open for so long."""
    with open(log, "ab") as output:
        child = subprocess.Popen([str(part) for part in command], stdin=stdin, stdout=output,
                                 stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if child.stdin:
            child.stdin.close()


def log_tail(log):
    return pathlib.Path(log).read_text(errors="replace")[-2000:]


def wait_until(condition, child, log, seconds=60):
    """Until `condition()`; ends the measurement if `child` ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if child.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{child.args[0]} does not get ready:\n{log_tail(log)}")
        time.sleep(0.05)
