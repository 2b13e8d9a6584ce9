# SPDX-License-Identifier: Apache-2.0
"""Minutes of queries, swaps, floods and damaged frames at once: nothing is lost from the count, no memory grows.

STELE_SOAK_S says how long (60 seconds), STELE_RESPONDER which responder, best one with AddressSanitizer. The whole
system is soaked by scripts/soak; here it is images of other kinds: damaged, rolled back, of changing sizes.
"""
import os
import random
import socket
import threading
import time

import pytest

import dnswire
import responder
import stele
import test_frames

SECONDS = int(os.environ.get("STELE_SOAK_S", 60))
QUERY = dnswire.query("www.example.", "A")
# What an allocator may still take after the first tenth of the run; a leak of one buffer a swap is far more.
GROWTH_KB = 16 << 10

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("namespaces")]


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


def resident_of(node):
    """Of a moment: the least of some, since a load takes memory that it gives back."""
    samples = []
    for _ in range(5):
        samples.append(resident_kb(node.process.pid))
        time.sleep(0.1)
    return min(samples)


def make_images(folder):
    """Versions of one zone that differ in size and content, and one that is damaged."""
    images = []
    for serial in range(4):
        zone = folder / ("zone%d" % serial)
        zone.write_text("$ORIGIN example.\n$TTL 60\n@ SOA ns h %d 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n"
                        "www A 192.0.2.80\n" % serial
                        + "".join("h%d A 192.0.2.%d\n" % (i, i % 250) for i in range(serial * 500)))
        stele.run("import", "--store", folder / "store", "--zone", "example.", zone)
        images.append(folder / ("image%d" % serial))
        stele.run("build", "--store", folder / "store", "-o", images[-1])
    # Cut: a shard that is damaged is not even read where the one with that digest is served.
    damaged = folder / "damaged"
    damaged.write_bytes(images[3].read_bytes()[:-100])
    return images, damaged


def swap(node, images, damaged, turn):
    """Another image; now and then the one before, the same again, a damaged one, or new settings."""
    assert node.load(images[turn % len(images)])["ok"]
    if turn % 5 == 0:
        assert not node.load(damaged)["ok"]
    if turn % 7 == 6:
        assert node.request("rollback")["ok"]
    if turn % 11 == 0:
        assert node.request("reload")["ok"]


def test_soak(tmp_path, monkeypatch):
    # What the sanitizer holds back of freed memory would look like a leak.
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
    images, damaged = make_images(tmp_path)

    def change(config):
        config["ports"][0]["mac"] = "02:00:5e:10:00:01"
        config["ports"][0]["exception"]["rate"] = 1000
        config["cookies"]["enabled"] = True

    with responder.Node(images[0], change=change) as node:
        with open("/proc/%d/maps" % node.process.pid, encoding="utf-8") as maps:
            print("with AddressSanitizer" if "libasan" in maps.read() else "without a sanitizer")
        stop = threading.Event()
        flooder = threading.Thread(target=node.client.call, args=(flood, node.interface, stop, 1))
        flooder.start()
        begin, settled, turns, asked, lost = time.monotonic(), None, 0, 0, 0
        try:
            while time.monotonic() < begin + SECONDS:
                swap(node, images, damaged, turns)
                turns += 1
                replies = node.ask([QUERY] * 500)
                asked += len(replies)
                lost += sum(reply is None for reply in replies)
                if settled is None and time.monotonic() > begin + SECONDS / 10:
                    settled = resident_of(node)
        finally:
            stop.set()
            flooder.join()
        grown = resident_of(node) - settled
        counters = node.counters()
        print("%d s: %d swaps, %d queries, %d frames; memory %d KB at first, %+d KB at the end"
              % (SECONDS, turns, asked, counters["rx_packets"], settled, grown))
        assert lost == 0 and turns > 2
        assert grown < GROWTH_KB
        assert counters["balance"] == 0
        # With a sanitizer, that is also: no leak.
        assert node.end() == 0, node.log_text()
        assert "Sanitizer" not in node.log_text()
