# SPDX-License-Identifier: Apache-2.0
"""Files, folders, functions and types that documents speak of are there: a walk through the code ends nowhere else."""
import functools
import os
import re
import subprocess

import pytest

import documents

PAGES = ["docs/architecture.md", "docs/image-format.md", "docs/control-protocol.md", "docs/conformance.md",
         "README.md"]
SOURCE = re.compile(r"[\w./-]+\.(?:c|h|def)")
PLACE = re.compile(r"(?:lib|mgmt|responder|zonecompiler|tests|benchmarks|config|docs|scripts)(?:/[\w.-]+)+/?")
OURS = re.compile(r"(?:struct )?(stele_\w+|STELE_[A-Z0-9_]+|WORK_[A-Z]+)")


@functools.lru_cache(None)
def files():
    if not os.path.isdir(os.path.join(documents.ROOT, ".git")) and \
            not os.path.isfile(os.path.join(documents.ROOT, ".git")):
        pytest.skip("no git here to list the files")
    return subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=documents.ROOT,
                          check=True, text=True, stdout=subprocess.PIPE).stdout.split("\n")


@functools.lru_cache(None)
def code():
    return "\n".join(documents.text(name) for name in files()
                     if name.endswith((".c", ".h", ".def", ".inc")) and os.path.exists(
                         os.path.join(documents.ROOT, name)))


@pytest.mark.parametrize("page", PAGES)
def test_names(page):
    names = {os.path.basename(name) for name in files()}
    missing = []
    for piece in documents.spoken(page):
        function = re.fullmatch(r"([a-z]\w+)\(\)", piece)
        if SOURCE.fullmatch(piece):
            there = piece in files() if "/" in piece else piece in names
            there = there or any(name.endswith("/" + piece) for name in files())
        elif PLACE.fullmatch(piece):
            there = os.path.exists(os.path.join(documents.ROOT, piece)) or "build/" in piece or \
                os.path.basename(piece).startswith("bench_")    # a program, not its source
        elif function:
            there = re.search(r"\b%s\(" % function[1], code())
        elif OURS.fullmatch(piece):
            there = re.search(r"\b%s\b" % OURS.fullmatch(piece)[1], code())
        else:
            continue
        if not there:
            missing.append(piece)
    assert missing == []
