# SPDX-License-Identifier: Apache-2.0
"""bench_engine measures what it says, by the sizes of the replies. No times are looked at here."""
import csv
import os
import subprocess

import pytest

import stele

DELEGATIONS = """$TTL 300
@ SOA ns.%(serial)d hostmaster %(serial)d 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
$GENERATE 1-500 cut$ NS ns.cut$
$GENERATE 1-500 ns.cut$ A 192.0.2.1
"""


def bytes_of_replies(image):
    program = stele.built("benchmarks/bench_engine")
    if not os.access(program, os.X_OK):
        pytest.skip("bench_engine is not built")
    done = subprocess.run([program, "--csv", "--rounds", "1", "--queries", "1000", "--small-pages",
                           image], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return {row["case"]: float(row["reply_bytes"]) for row in csv.DictReader(done.stdout.splitlines())}


def test_the_loop_without_lookups_looks_nothing_up(tmp_path):
    """Also in an image that has no names for some cases, as one of delegations has."""
    image, = stele.images_of_serials(tmp_path, DELEGATIONS, (1,))
    found = bytes_of_replies(image)
    assert "random wildcard" not in found and "hot referral" in found
    # REFUSED has no records, so at least the address of the cut's server is missing.
    assert found["loop without lookups"] <= found["hot referral"] - 16, found
