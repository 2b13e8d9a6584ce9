# SPDX-License-Identifier: Apache-2.0
"""What the soak knows of rings of AF_PACKET, asked of the kernel."""
import mmap
import os
import socket
import struct
import types

import pytest

import netns
import world
from ring import SOL_PACKET, Rings

PACKET_RX_RING, ETH_P_ALL, TP_STATUS_USER = 5, 3, 1
PAGE, FRAME, FRAMES = 4096, 2048, 64


def in_ring(ring):
    """Frames that nobody has taken out."""
    return sum(struct.unpack_from("=L", ring, at)[0] & TP_STATUS_USER for at in range(0, FRAME * FRAMES, FRAME))


def count_frames():
    """[(counted by the kernel, in the ring)] of frames that come before there is a ring, and of some after."""
    found = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        rings, ring = Rings(os.getpid()), None
        for cnt in 5, 3:
            for _ in range(cnt):
                sender.sendto(b"x", ("127.0.0.1", 9))
            rings.look()
            if not ring:
                sock.setsockopt(SOL_PACKET, PACKET_RX_RING, struct.pack("=IIII", PAGE, FRAME * FRAMES // PAGE, FRAME, FRAMES))
                ring = mmap.mmap(sock.fileno(), FRAME * FRAMES)
            found.append((rings.seen, in_ring(ring)))
        ring.close()
        rings.close()
    return found


def test_what_comes_before_there_is_a_ring_is_counted_and_gone(namespaces):
    """What `World._ringless` stands on. DPDK's driver makes its ring some calls after its socket."""
    namespace = netns.Namespace("r")
    try:
        (before, nothing), (seen, some) = namespace.call(count_frames)
    finally:
        namespace.remove()
    assert before >= 5 and nothing == 0
    assert some >= 3 and seen == before + some


@pytest.mark.parametrize("lacking, least", [([40, 23, 31, 23], 23), ([7, 0, 5], 0), ([3] * 4, 3)])
def test_the_least_that_is_lacking_is_what_came_before(lacking, least, monkeypatch):
    """What is lacking besides is in the ring and will be read."""
    monkeypatch.setattr(world, "LOOKS", len(lacking))
    looks = iter(lacking)
    rings = types.SimpleNamespace(seen=0, full=0)
    rings.look = lambda: setattr(rings, "seen", 1000 + next(looks))
    node = types.SimpleNamespace(counters_of=lambda path: {"rx_packets": 1000})
    assert world.World._ringless(types.SimpleNamespace(rings=rings, node=node, stats_path="")) == least
