# SPDX-License-Identifier: Apache-2.0
"""tests/README.md says which test holds what. Each that it names exists, and is run."""
import os
import re
import subprocess
import sys

import pytest

import documents
import inventory

PAGE = "tests/README.md"
SHORT = {
    "M[": "hostile/test_hostile.py::test_message[",
    "F[": "hostile/test_frames.py::test_alone[",
    "T::": "hostile/test_transfers_in.py::",
    "R[": "integration/compiler/test_import.py::test_refused[",
    "W[": "integration/compiler/test_import.py::test_warned[",
}


def rows():
    """[(what, [test, ...])] of the tables below "Hostile input"."""
    text = documents.text(PAGE).partition("### Hostile input")[2]
    found = re.findall(r"^\| (.+?) \| (.*?) \|$", text, re.M)
    return [(what, re.findall(r"`([^`]+)`", tests)) for what, tests in found if what.strip("-| ")]


def full(name):
    for begin, instead in SHORT.items():
        if name.startswith(begin):
            return instead + name.removeprefix(begin)
    return name


@pytest.fixture(scope="module", name="collected")
def are_collected():
    """Every test that pytest finds, with and without its parameters, relative to tests/."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q",
                           "tests"], cwd=documents.ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    names = {line.removeprefix("tests/") for line in done.stdout.splitlines() if "::" in line}
    return names | {name.partition("[")[0] for name in names}


def test_there_is_one_for_each():
    found = rows()
    assert len(found) > 90
    assert [what for what, tests in found if not tests] == []


def test_each_exists(collected):
    missing = []
    for what, tests in rows():
        for name in map(full, tests):
            if name.startswith("fuzz:"):
                there = inventory.has(name)
            elif ".c::" in name:
                there = inventory.has("tests/" + name)
            else:
                there = name in collected
            if not there:
                missing.append("%s: %s" % (what, name))
    assert missing == []


def test_short_names_are_explained():
    text = documents.text(PAGE).partition("### Hostile input")[0]
    for begin, instead in SHORT.items():
        assert "`%s…" % begin in text and "`%s…" % instead in text, begin


def test_every_fuzz_target_is_named():
    named = {name for _, tests in rows() for name in tests if name.startswith("fuzz:")}
    assert named == {"fuzz:" + name for name in inventory.fuzz_targets()}


def test_corpora():
    """Each target has inputs, and no folder of inputs is without a target; beside them is the ledger of hours."""
    folder = os.path.join(documents.ROOT, "tests/corpus")
    corpora = sorted(set(os.listdir(folder)) - {"hours.csv"})
    assert corpora == sorted(inventory.fuzz_targets().values())
    for corpus in corpora:
        assert len(os.listdir(os.path.join(folder, corpus))) > 4, corpus
