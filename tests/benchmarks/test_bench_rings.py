# SPDX-License-Identifier: Apache-2.0
"""bench_rings runs, and finds nothing wrong: the responder's worker between rings, under load.

No times are looked at here. That it would find something is what tests/unit/loop/test_loop.c is about.
"""
import csv
import os
import subprocess
import time

import pytest

import stele

ZONE = """$TTL 300
@ SOA ns.%(serial)d hostmaster %(serial)d 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
$GENERATE 1-2000 host$ A 192.0.2.%(serial)d
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three images in which every address and the SOA differ."""
    return stele.images_of_serials(tmp_path_factory.mktemp("rings"), ZONE, (1, 2, 3))


def bench(*arguments):
    program = stele.built("benchmarks/bench_rings")
    if not os.access(program, os.X_OK):
        pytest.skip("bench_rings is not built")
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        pytest.skip("needs two processors")
    first, second = processors[:2]
    done = subprocess.run(
        [program, "--no-huge", "--cpus", "%d,%d,%d" % (first, first, second), "--rounds", "1",
         "--seconds", "0.5", "--warm", "0.1", "--queries", "1000", "--check-every", "1",
         *map(str, arguments)], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    for row in rows:
        assert row["wrong"] == row["lost"] == "0", (row, done.stderr)
        assert int(row["checked"]) > 0, row
    return rows


@pytest.mark.parametrize("family", ["4", "6", "both"])
def test_every_byte_is_right(images, family):
    rows = bench("--case", "random positive", "--case", "hot positive cookie", "--family", family,
                 images[0])
    assert [row["server"] for row in rows] == ["generator alone", "5tswap", "stele", "stele with limits",
                                               "stele", "stele with limits"]


@pytest.mark.parametrize("how", [[], ["--together"]])
def test_images_are_swapped_under_load(images, how):
    rows = bench(*how, "--case", "random positive", "--case", "random NXDOMAIN DO", "--swap", images[1],
                 "--swap", images[2], "--swap-every", "10", images[0])
    assert [row["swapping"] for row in rows] == ["no", "yes"] * 2
    assert all((int(row["swaps"]) > 0) == (row["swapping"] == "yes") for row in rows)


def test_what_is_killed_leaves_nothing(images):
    """As a benchmark does with it that is ended itself."""
    program, processors = stele.built("benchmarks/bench_rings"), sorted(os.sched_getaffinity(0))
    if not os.access(program, os.X_OK) or len(processors) < 2:
        pytest.skip("bench_rings is not built, or there is one processor")
    child = subprocess.Popen([program, "--no-huge", "--cpus", "%d,%d,%d" % (processors[0], *processors[:2]), "--rounds",
                              "1", "--seconds", "30", "--server", "stele", "--case", "random positive", images[0]],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while True:
        with open("/proc/%d/maps" % child.pid, encoding="ascii") as file:
            if "/bench-loop-%d." % child.pid in file.read():
                break
        assert child.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.2)
    child.kill()
    child.communicate()
    assert [name for name in os.listdir("/dev/shm") if name.startswith("bench-loop-%d." % child.pid)] == []
