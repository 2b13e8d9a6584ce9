# SPDX-License-Identifier: Apache-2.0
"""Whether a server answers: SOA by UDP, until the reply is authoritative and has it."""
import select
import socket
import struct
import time

POLL_S = 0.01


def free_ports():
    """A port of the loopback address that is free for UDP and TCP, and another one that is for TCP."""
    while True:
        with socket.socket() as one, socket.socket() as two, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            try:
                udp.bind(one.getsockname())
            except OSError:
                continue
            return one.getsockname()[1], two.getsockname()[1]


def free_port():
    return free_ports()[0]


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")
                    if label) + b"\0"


def soa_query(apex, number=0x5354):
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + wire_name(apex) + struct.pack("!2H", 6, 1)


def has_soa(query, reply):
    """Whether it is the reply to this query: AA, no TC, NOERROR, one record of an answer."""
    if len(reply) < 12 or reply[:2] != query[:2]:
        return False
    flags, _, answers = struct.unpack("!3H", reply[2:8])
    return flags & 0x860F == 0x8400 and answers == 1


def answered(sock, apex):
    """Asks once, over a socket that is connected."""
    query = soa_query(apex)
    try:
        sock.send(query)
        end = time.monotonic() + POLL_S
        while (left := end - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            if has_soa(query, sock.recv(4096)):
                return True
    except OSError:     # nobody listens yet
        time.sleep(POLL_S / 2)
    return False


def wait_for_answers(sock, apexes, child, seconds=900):
    """Until each of these zones has been answered for; False if `child` ends or takes too long."""
    deadline = time.monotonic() + seconds
    for apex in apexes:
        while not answered(sock, apex):
            if child.poll() is not None or time.monotonic() > deadline:
                return False
    return True


def local_socket(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    return sock
