# SPDX-License-Identifier: Apache-2.0
"""The real root zone, when there is one.

STELE_ROOT_ZONE=FILE names a root zone file with one record a line, as IANA publishes it (gz allowed).
Every name of it is asked for. Without the variable the test is left out.
"""
import gzip
import os
import shutil

import pytest

import differ


def test_root_zone(tmp_path, peers_installed):
    source = os.environ.get("STELE_ROOT_ZONE")
    if not source:
        pytest.skip("STELE_ROOT_ZONE does not name a root zone file")
    path = str(tmp_path / "root.zone")
    opener = gzip.open if source.endswith(".gz") else open
    with opener(source, "rb") as file, open(path, "wb") as copy:
        shutil.copyfileobj(file, copy)
    differ.run([(".", path)], limit=60000, qtypes=["A", "NS", "DS", "SOA", "NSEC", "TXT"])
