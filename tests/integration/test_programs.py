# SPDX-License-Identifier: Apache-2.0
"""What is the same of all programs: what they print is written, or they fail."""
import os
import subprocess

import pytest

import mgmtd
import responder
import stele

SYSTEM = 3
EXAMPLES = os.path.join(stele.ROOT, "config")
PROGRAMS = {
    "stele-compile": (stele.binary, ()),
    "stelectl": (lambda: mgmtd.program("stelectl", "STELECTL"), ()),
    "stele-mgmtd": (lambda: mgmtd.program("stele-mgmtd", "STELE_MGMTD"),
                    ("-c", os.path.join(EXAMPLES, "mgmtd.example.yaml"), "--check")),
    "stele-responder": (responder.binary, ("-c", os.path.join(EXAMPLES, "responder.example.yaml"), "--check")),
}
CALLS = [(name, words) for name, (_, check) in PROGRAMS.items() for words in (("--help",), ("--version",), check) if words]


@pytest.mark.parametrize("name, words", CALLS, ids=lambda value: value if isinstance(value, str) else value[-1])
def test_full_disk_behind_standard_output(name, words):
    """Nobody has read it: a script that goes on, or a check before a start, must not take it for done."""
    find, _ = PROGRAMS[name]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([find(), *words], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (SYSTEM, name + ": standard output: No space left on device\n")
