# SPDX-License-Identifier: Apache-2.0
"""Floods of frames into the port: damaged ones, random names, a few sources that ask for the same, forged sources.

None of them may hurt those who ask beside it. A frame that the kernel took counts as sent.
"""
import random
import socket
import threading
import time

import dnswire
import frames
import responder
import test_frames

BATCH = 40


def is_kept(frame):
    """Whether the kernel keeps it: AF_PACKET with several queues has it put fragments of IPv4 together first, and the
    parts of these never make a whole."""
    at = 18 if frame[12:14] == b"\x81\x00" else 14
    if frame[at - 2:at] != b"\x08\x00" or len(frame) < at + 20 or frame[at] >> 4 != 4:
        return False
    head, size, place = 4 * (frame[at] & 15), int.from_bytes(frame[at + 2:at + 4], "big"), frame[at + 6:at + 8]
    return (head >= 20 and head <= size <= len(frame) - at and
            int.from_bytes(place, "big") & 0x3FFF != 0)


class Flooder(threading.Thread):
    def __init__(self, world, zones, seed, frames_per_s):
        super().__init__(daemon=True, name="flood")
        self.world, self.zones, self.rate = world, zones, frames_per_s
        self.rng = random.Random("%s flood" % seed)
        self.halted, self.faults = threading.Event(), []
        self.sent = {"damaged": 0, "random names": 0, "one question": 0, "forged": 0}
        self.refused = self.kept = 0
        self.known = [frame for frame, _ in test_frames.CASES.values()]
        # Of another length at each end, so that what is refused for its length is not too much of it.
        self.hot = dnswire.query("h001." + zones[0], "TXT")

    def run(self):
        try:
            self.world.node.client.call(self.work)
        except Exception as error:    # told in the balance
            self.faults.append("flood ended: %r" % error)

    def work(self):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((self.world.node.interface, 0))
            while not self.halted.is_set():
                begin, kind = time.monotonic(), self.rng.choice(list(self.sent))
                for _ in range(BATCH):
                    try:
                        frame = self.frame(kind)
                        sock.send(frame)
                        self.sent[kind] += 1
                        self.kept += is_kept(frame)
                    except OSError:
                        self.refused += 1    # the queue is full, or the kernel takes no such frame
                self.halted.wait(max(0, begin + BATCH / self.rate - time.monotonic()))

    def frame(self, kind):
        rng = self.rng
        if kind == "damaged":
            frame = bytearray(rng.choice(self.known))
            for _ in range(rng.choice((0, 0, 1, 4))):
                frame[rng.randrange(len(frame))] = rng.randrange(256)
            return bytes(frame) if len(frame) >= 14 else bytes(frame) + bytes(14)
        if kind == "random names":
            query = dnswire.query("%x.%s" % (rng.getrandbits(60), rng.choice(self.zones)), rng.choice(("A", "TXT")))
            return self.datagram(query, rng.getrandbits(16))
        if kind == "one question":
            return self.datagram(self.hot, 0xA00 | rng.getrandbits(4))
        source = rng.choice(("127.0.0.1", "224.0.0.1", "0.0.0.0", "255.255.255.255", responder.V4, "240.1.2.3"))
        return frames.ether(frames.ipv4(frames.udp(self.hot, source, responder.V4, rng.choice((0, 7, 53, 4000))),
                                        source, responder.V4), frames.IPV4)

    def datagram(self, query, host):
        """From one of 65,536 addresses of either family, which nobody has here."""
        port = 1024 + self.rng.getrandbits(15)
        if self.rng.random() < 0.5:
            source = "198.18.%d.%d" % (host >> 8, host & 0xFF)
            return frames.ether(frames.ipv4(frames.udp(query, source, responder.V4, port), source, responder.V4),
                                frames.IPV4)
        source = "2001:db8:%x::1" % host
        return frames.ether(frames.ipv6(frames.udp(query, source, responder.V6, port), source, responder.V6),
                            frames.IPV6)

    def halt(self):
        self.halted.set()
        self.join(30)
