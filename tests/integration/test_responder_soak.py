# SPDX-License-Identifier: Apache-2.0
"""Minutes of queries, swaps, floods and damaged frames at once: nothing is lost from the count, no memory grows.

STELE_SOAK_S says how long (600 seconds). Meant for a build with AddressSanitizer, which STELE_RESPONDER names.
"""
import os
import random
import socket
import threading
import time

import pytest

import dnswire
import frames
import netns
import responder
import stele
import test_frames

SECONDS = int(os.environ.get("STELE_SOAK_S", 600))
QUERY = dnswire.query("www.example.", "A")
# What an allocator may still take after the first tenth of the run; a leak of one buffer a swap is far more.
GROWTH_KB = 16 << 10

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not()))]


def resident_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def flood(interface, stop, seed):
    """Damaged frames, and sound ones with bytes changed at random."""
    rng = random.Random(seed)
    known = [frame for frame, _ in test_frames.CASES.values()]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        while not stop.is_set():
            frame = bytearray(rng.choice(known))
            for _ in range(rng.choice((0, 0, 1, 4))):
                frame[rng.randrange(len(frame))] = rng.randrange(256)
            try:
                sock.send(bytes(frame) if len(frame) >= 14 else bytes(frame) + bytes(14))
            except OSError:
                time.sleep(0.001)    # the queue is full, or the kernel takes no such frame


def test_soak(tmp_path, monkeypatch):
    # What the sanitizer holds back of freed memory would look like a leak.
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
    images = []
    for serial in range(4):
        zone = tmp_path / ("zone%d" % serial)
        zone.write_text("$ORIGIN example.\n$TTL 60\n@ SOA ns h %d 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n"
                        "www A 192.0.2.80\n" % serial
                        + "".join("h%d A 192.0.2.%d\n" % (i, i % 250) for i in range(serial * 500)))
        stele.run("import", "--store", tmp_path / "store", "--zone", "example.", zone)
        images.append(tmp_path / ("image%d" % serial))
        stele.run("build", "--store", tmp_path / "store", "-o", images[-1])

    def change(config):
        config["ports"][0]["mac"] = "02:00:5e:10:00:01"
        config["ports"][0]["exception"]["rate"] = 1000
        config["cookies"]["enabled"] = True

    with responder.Node(images[0], change=change) as node:
        stop = threading.Event()
        flooder = threading.Thread(target=node.client.call, args=(flood, node.interface, stop, 1))
        flooder.start()
        end, settled, swaps, lost = time.monotonic() + SECONDS, None, 0, 0
        try:
            while time.monotonic() < end:
                assert node.load(images[swaps % len(images)])["ok"]
                swaps += 1
                lost += sum(reply is None for reply in node.ask([QUERY] * 500))
                if settled is None and time.monotonic() > end - SECONDS * 9 / 10:
                    settled = resident_kb(node.process.pid)
        finally:
            stop.set()
            flooder.join()
        assert lost == 0 and swaps > 2
        assert resident_kb(node.process.pid) < settled + GROWTH_KB
        assert node.counters()["balance"] == 0
        assert node.end() == 0, node.log_text()
