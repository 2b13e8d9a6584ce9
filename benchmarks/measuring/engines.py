# SPDX-License-Identifier: Apache-2.0
"""Runs of bench_engine over several images, which take turns."""
import sys

from measuring.images import run
from measuring.tables import number

LIMITS = ("loop without lookups", "random reads, same memory")
CLEAR_MIN_PERCENT = 5  # of the slices; with fewer, what the clear ones say is chance
REFERENCE_GHZ = 2.6    # that targets are meant for


def parse(text):
    """Rows of `bench_engine --csv`. A case may have a comma in its name."""
    header, *lines = text.splitlines()
    columns = header.split(",")
    return [dict(zip(columns, [case, *map(number, values)]))
            for line in lines for case, *values in [line.rsplit(",", len(columns) - 1)]]


def measure(build, images, rounds, queries, only="", inner=3, packet_cache=True):
    """Rows with `image` (a key of `images`), `round`, and what bench_engine says of each case."""
    command = [build / "benchmarks" / "bench_engine", "--csv", "--rounds", inner, "--queries", queries]
    if only:
        command += ["--only", only]
    if not packet_cache:
        command += ["--no-packet-cache"]
    rows = []
    for turn in range(1, rounds + 1):
        for key, image in images.items():
            output, _, _ = run(*command, image)
            rows += [{"image": key, "round": turn, **row} for row in parse(output.decode())]
        print(f"round {turn}/{rounds}", file=sys.stderr)
    return rows


def at_reference(row):
    """
    Nanoseconds of a query, of the clear slices where there are enough of them, as they would be at
    REFERENCE_GHZ: cycles are what is compared, but of a case that waits for memory they say too little.
    """
    clear = row["clear_percent"] >= CLEAR_MIN_PERCENT and row["clear_ns"] > 0
    ns = row["clear_ns"] if clear else row["ns"]
    return ns * (row["cycles"] / row["ns"]) / REFERENCE_GHZ


def ends(rows):
    """Of rows of one case: the nanoseconds of each round in the largest image, and those in the smallest."""
    sizes = [row["names"] for row in rows]
    return [[at_reference(row) for row in rows if row["names"] == size] for size in (max(sizes), min(sizes))]
