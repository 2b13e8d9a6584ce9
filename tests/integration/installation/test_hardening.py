# SPDX-License-Identifier: Apache-2.0
"""What the linker and the compiler were asked for stands in the programs that are installed."""
import json
import os
import re
import subprocess

import pytest

import stele

BUILD = os.path.dirname(os.path.dirname(stele.binary()))
PROGRAMS = ["zonecompiler/stele-compile", "responder/stele-responder", "mgmt/stele-mgmtd", "mgmt/stelectl"]


@pytest.fixture(scope="module")
def options():
    with open(os.path.join(BUILD, "meson-info/intro-buildoptions.json"), encoding="utf-8") as file:
        return {option["name"]: option["value"] for option in json.load(file)}


def readelf(what, program):
    return subprocess.run(["readelf", "--wide", what, os.path.join(BUILD, program)], check=True,
                          text=True, stdout=subprocess.PIPE).stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_any_address(program):
    """Position independent: ASLR moves all of it."""
    assert re.search(r"Type:\s+DYN", readelf("--file-header", program))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf("--dynamic", program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_tables_are_read_only(program):
    """All symbols are bound before main() begins, and what they were bound with is read-only then."""
    dynamic = readelf("--dynamic", program)
    assert "BIND_NOW" in dynamic and re.search(r"FLAGS_1.*\bNOW\b", dynamic)
    assert re.search(r"^\s+GNU_RELRO\s", readelf("--segments", program), re.M)
    assert "TEXTREL" not in dynamic and "RPATH" not in dynamic


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_written_and_run(program):
    stacks = 0
    for line in readelf("--segments", program).splitlines():
        fields = line.split()
        if fields[:1] in (["LOAD"], ["GNU_STACK"]):
            flags = "".join(fields[6:-1])
            assert flags in ("R", "RE", "RW"), line
            stacks += fields[0] == "GNU_STACK"
    assert stacks == 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_stack_and_copies_are_checked(program, options):
    symbols = set(re.findall(r"\s(__\w+)@", readelf("--dyn-syms", program)))
    assert "__stack_chk_fail" in symbols
    if options["b_sanitize"] != "none" or options["optimization"] in ("0", "g"):
        pytest.skip("not a release: copies are not checked by libc")
    assert "__snprintf_chk" in symbols
