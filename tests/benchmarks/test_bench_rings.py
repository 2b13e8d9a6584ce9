# SPDX-License-Identifier: Apache-2.0
"""bench_rings runs, and finds nothing wrong: the responder's worker between rings, under load.

No times are looked at here. That it would find something is what tests/unit/loop/test_loop.c is about.
"""
import csv
import os
import subprocess

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
