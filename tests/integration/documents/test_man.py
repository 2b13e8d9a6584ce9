# SPDX-License-Identifier: Apache-2.0
"""Manual pages: nothing that a program says of itself is missing, and the typesetter has no complaint."""
import os
import re
import shutil
import subprocess

import pytest

import stele

BUILD = os.path.dirname(os.path.dirname(stele.binary()))
PAGES = [("stele-compile", "1", "zonecompiler"), ("stelectl", "1", "mgmt"),
         ("stele-responder", "8", "responder"), ("stele-mgmtd", "8", "mgmt"),
         ("stele-host-setup", "8", "scripts")]


def help_of(*command):
    return subprocess.run([*command, "--help"], check=True, text=True, stdout=subprocess.PIPE).stdout


@pytest.mark.parametrize("name,section,folder", PAGES)
def test_page(name, section, folder):
    path = os.path.join(BUILD, "docs/man/%s.%s" % (name, section))
    with open(path, encoding="utf-8") as file:
        page = file.read().replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
    program = os.path.join(BUILD, folder, name)
    texts = [help_of(program)]
    commands = re.findall(r"^  ([a-z]+) ", texts[0].partition("commands:")[2], re.M)
    assert bool(commands) == (section == "1")
    for command in commands:
        assert '.SS "%s"' % command in page
        texts.append(help_of(program, command))
    for text in texts:
        for option in re.findall(r"(?:--[a-z][a-z-]+|\+[a-z]+)", text):
            assert option in page, option
        for head, meaning in re.findall(r"^  (\+.*?)  +(\S.*)$", text, re.M):
            assert "\\fB%s\\fR\n%s\n" % (head, meaning) in page, head
        for line in text.splitlines():
            if not line.startswith(("usage: ", " ")) and line not in ("options:", "commands:", ""):
                assert line.strip().removeprefix("Exit status: ") in page, line


@pytest.mark.skipif(not shutil.which("groff"), reason="not installed: groff")
@pytest.mark.parametrize("name,section,folder", PAGES)
def test_typesetter(name, section, folder):
    path = os.path.join(BUILD, "docs/man/%s.%s" % (name, section))
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and done.stderr == "", done.stderr
