# SPDX-License-Identifier: Apache-2.0
"""Network namespaces of a test's own: made, entered, removed."""
import ctypes
import itertools
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
COUNTER = itertools.count()
LIBC = ctypes.CDLL(None, use_errno=True)


def unique(kind):
    """A name that no other test run uses at the same time; short enough for an interface."""
    return "st%s%d-%d" % (kind, os.getpid(), next(COUNTER))


def why_not():
    """The reason why namespaces cannot be made here, or None."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "there is no /dev/net/tun"
    name = unique("probe")
    done = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return "network namespaces cannot be made: " + done.stderr.strip()
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


class Namespace:
    """A namespace with its loopback up."""

    def __init__(self, kind):
        self.name = unique(kind)
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        run("ip", "-n", self.name, *words)

    def command(self, *words):
        """The command line that runs these words inside."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def call(self, function, *arguments, **named):
        """Call a function in a thread that is inside; sockets that it makes stay there."""
        result = []

        def inside():
            try:
                fd = os.open("/run/netns/" + self.name, os.O_RDONLY)
                if LIBC.setns(fd, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                os.close(fd)
                result.append((True, function(*arguments, **named)))
            except BaseException as error:    # handed on to the caller
                result.append((False, error))

        thread = threading.Thread(target=inside, daemon=True)
        thread.start()
        thread.join()
        fine, value = result[0]
        if not fine:
            raise value
        return value

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], stderr=subprocess.DEVNULL)
