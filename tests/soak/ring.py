# SPDX-License-Identifier: Apache-2.0
"""What the kernel counted at the packet sockets of another process, which DPDK's driver does not tell: how many frames
it had for them, and how many of these found their ring full.

The sockets are duplicates (pidfd_getfd), so they can still be asked when their process is dead.
"""
import contextlib
import ctypes
import os
import socket
import struct

SYS_PIDFD_GETFD = 438
SOL_PACKET, PACKET_STATISTICS = 263, 6
LIBC = ctypes.CDLL(None, use_errno=True)


def duplicate(pid_fd, number):
    fd = LIBC.syscall(SYS_PIDFD_GETFD, pid_fd, number, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return fd


class Rings:
    """Of the process `pid`."""

    def __init__(self, pid):
        self.sockets, self.seen, self.full = [], 0, 0
        pid_fd = os.pidfd_open(pid)
        try:
            for number in os.listdir("/proc/%d/fd" % pid):
                with contextlib.suppress(OSError):
                    if os.readlink("/proc/%d/fd/%s" % (pid, number)).startswith("socket:"):
                        self._keep(duplicate(pid_fd, int(number)))
        finally:
            os.close(pid_fd)

    def _keep(self, fd):
        sock = socket.socket(fileno=fd)
        if sock.family == socket.AF_PACKET:
            self.sockets.append(sock)
        else:
            sock.close()

    def look(self):
        """Adds what came since the last look: the kernel begins anew with each."""
        for sock in self.sockets:
            seen, full = struct.unpack("=II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            self.seen += seen
            self.full += full

    def close(self):
        self.look()
        for sock in self.sockets:
            sock.close()
        self.sockets = []
