# SPDX-License-Identifier: Apache-2.0
"""What measurements change about the machine, and how it is put back; programs that they start."""
import contextlib
import ctypes
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
END_S = 20
CLONE_NEWNET = 0x40000000


def end_on_signals():
    """Has the first signal that ends a program go through its clean-up, which others do not disturb."""
    numbers = signal.SIGTERM, signal.SIGHUP, signal.SIGINT

    def end(number, _):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in numbers:
        if signal.getsignal(number) != signal.SIG_IGN:    # as nohup has it
            signal.signal(number, end)


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


def two_processors(parser, chosen):
    """Generator and server: `chosen` as "0,1", or the first two."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        parser.error("needs two processors")
    try:
        pair = tuple(map(int, chosen.split(","))) if chosen else tuple(processors[:2])
    except ValueError:
        pair = ()
    if len(set(pair)) != 2 or not set(pair) <= set(processors):
        parser.error(f"--cpus {chosen}: expected two of {','.join(map(str, processors))}")
    return pair


@contextlib.contextmanager
def turn(child):
    """Lets a program that stands still (`stand_still`) run for the time of a `with`."""
    os.killpg(child.pid, signal.SIGCONT)
    try:
        yield
    finally:
        stand_still(child)


def stand_still(child):
    """So that several servers that poll can take turns on one processor."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGSTOP)


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
            os.killpg(child.pid, signal.SIGCONT)    # it may have been stopped to wait for its turn
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


class Cable:
    """Two namespaces, `server` and `client`, with a pair of interfaces between them; for a `with`."""

    SERVER4, CLIENT4 = "10.53.0.2", "10.53.0.1"
    numbers = itertools.count()

    def __init__(self):
        number = next(self.numbers)
        self.server, self.client = (f"bench-{end}-{os.getpid()}-{number}" for end in "sc")
        self.macs = {}

    @staticmethod
    def _run(*command, check=True):
        return subprocess.run([str(part) for part in command], check=check, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=None if check else subprocess.DEVNULL).stdout

    def inside(self, namespace, command):
        """The command line that runs `command` in one of the namespaces. There, libxdp finds the file
        system that it keeps programs in, which goes with the process."""
        script = "mount -t bpf bpf /sys/fs/bpf 2>/dev/null; exec \"$@\""
        return ["ip", "netns", "exec", namespace, "sh", "-c", script, "sh", *map(str, command)]

    def __enter__(self):
        try:
            for namespace in (self.server, self.client):
                self._run("ip", "netns", "add", namespace)
                self._run("ip", "-n", namespace, "link", "set", "lo", "up")
            self._run("ip", "-n", self.server, "link", "add", "s0", "type", "veth", "peer", "name",
                      "c0", "netns", self.client)
            # A kernel that leaves checksums to a card that is none would send wrong ones.
            self._run(*self.inside(self.client, ["ethtool", "-K", "c0", "tx", "off", "rx", "off"]))
            ends = ((self.server, "s0", self.SERVER4), (self.client, "c0", self.CLIENT4))
            for namespace, interface, address in ends:
                self._run(*self.inside(namespace, [
                    "sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=1"]))
                self._run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", interface)
                self._run("ip", "-n", namespace, "link", "set", interface, "up")
                show = self._run("ip", "-n", namespace, "-o", "link", "show", interface)
                self.macs[interface] = show.split("link/ether ")[1].split()[0]
            # Not every server replies to ARP.
            self._run("ip", "-n", self.server, "neigh", "replace", self.CLIENT4, "lladdr",
                      self.macs["c0"], "dev", "s0", "nud", "permanent")
            self._run("ip", "-n", self.client, "neigh", "replace", self.SERVER4, "lladdr",
                      self.macs["s0"], "dev", "c0", "nud", "permanent")
        except BaseException:
            self.__exit__()
            raise
        return self

    def client_socket(self, port=53):
        """A UDP socket at the client's end, connected to the server."""
        made = []

        def inside():
            with open(f"/run/netns/{self.client}", "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0:
                    made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        thread = threading.Thread(target=inside)    # the namespace is that of a thread
        thread.start()
        thread.join()
        if not made:
            sys.exit(f"the namespace {self.client} cannot be entered")
        made[0].connect((self.SERVER4, port))
        return made[0]

    def __exit__(self, *_):
        for namespace in (self.server, self.client):
            self._run("ip", "netns", "del", namespace, check=False)
