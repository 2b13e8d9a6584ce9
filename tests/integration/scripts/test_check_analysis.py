# SPDX-License-Identifier: Apache-2.0
"""scripts/check-analysis remembers what it was told, and asks again as soon as anything differs."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = """#include "lib/number.h"
int *stele_number(int *p)
{
	*p = NUMBER;
	return p;
}
"""
FAULT = "#define NUMBER (__builtin_free(p), 1)\n"


@pytest.fixture
def tree(tmp_path):
    """One source and its header, in a repository of their own."""
    for tool in ("gcc", "git"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool}")
    for folder in ("scripts", "lib", "build"):
        (tmp_path / folder).mkdir()
    script = (ROOT / "scripts/check-analysis").read_text()
    # What the whole tree needs excused is not in this one.
    begin = script.index("GCC_OFF_IN = {")
    script = script[:begin] + "GCC_OFF_IN = set()\n" + script[script.index("}\n", begin) + 2:]
    (tmp_path / "scripts/check-analysis").write_text(script)
    (tmp_path / ".clang-tidy").write_text("Checks: '-*'\n")
    (tmp_path / "lib/number.c").write_text(SOURCE)
    (tmp_path / "lib/number.h").write_text("#define NUMBER 1\n")
    (tmp_path / "build/compile_commands.json").write_text(json.dumps([{
        "directory": str(tmp_path / "build"), "file": "../lib/number.c",
        "command": "ccache cc -I.. -O3 -Wall -MD -MF x.d -o x.o -c ../lib/number.c"}]))
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "lib"], check=True)
    return tmp_path


def analyse(tree, *arguments):
    run = subprocess.run(["python3", str(tree / "scripts/check-analysis"), "--only", "gcc", *arguments],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env={**os.environ, "LC_ALL": "C"})
    return run.returncode, run.stdout


def test_is_asked_once(tree):
    assert analyse(tree) == (0, "check-analysis: 1 files, gcc (0 answers known): no faults\n")
    assert analyse(tree) == (0, "check-analysis: 1 files, gcc (1 answers known): no faults\n")
    assert "(0 answers known)" in analyse(tree, "--again")[1]


def test_a_header_differs(tree):
    assert analyse(tree)[0] == 0
    (tree / "lib/number.h").write_text(FAULT)
    status, text = analyse(tree)
    assert status == 1 and "Wanalyzer-use-after-free" in text and "(0 answers known): 1 faults" in text


def test_a_fault_stays_one(tree):
    (tree / "lib/number.h").write_text(FAULT)
    first, second = analyse(tree), analyse(tree)
    assert first[0] == second[0] == 1
    assert "Wanalyzer-use-after-free" in second[1] and "(1 answers known)" in second[1]


def test_a_command_differs(tree):
    assert analyse(tree)[0] == 0
    commands = tree / "build/compile_commands.json"
    commands.write_text(commands.read_text().replace("-Wall", "-D__STELE_OTHER"))
    assert "(0 answers known)" in analyse(tree)[1]


def test_what_the_compiler_refuses_is_a_fault(tree):
    (tree / "lib/number.c").write_text("int stele_number(void) { return }\n")
    for _ in range(2):
        status, text = analyse(tree)
        assert status == 1 and "error:" in text and "1 faults" in text


def test_what_is_not_compiled_is_a_fault(tree):
    (tree / "lib/other.c").write_text(SOURCE)
    subprocess.run(["git", "-C", str(tree), "add", "lib"], check=True)
    status, text = analyse(tree)
    assert status == 1 and "lib/other.c: not analysed" in text


def test_what_cppcheck_finds_across_files_stays_found(tree):
    """Its exit status forgets that when it has seen the files before, and with several processes."""
    if not shutil.which("cppcheck"):
        pytest.skip("no cppcheck")
    shutil.copy(ROOT / "scripts/cppcheck-suppressions", tree / "scripts")
    (tree / "lib/number.h").write_text("void stele_set(int *p);\n")
    include = '#include "lib/number.h"\n'
    (tree / "lib/number.c").write_text(include + "void stele_set(int *p)\n{\n\t*p = 1;\n}\n")
    (tree / "lib/other.c").write_text(include + "void stele_other(void)\n{\n\tstele_set(NULL);\n}\n")
    commands = tree / "build/compile_commands.json"
    first = json.loads(commands.read_text())[0]
    other = {key: value.replace("number.c", "other.c") for key, value in first.items()}
    commands.write_text(json.dumps([first, other]))
    for jobs in ("-j1", "-j1", "-j2", "-j2"):
        status, text = analyse(tree, "--only", "cppcheck", jobs)
        assert status == 1 and "ctunullpointer" in text
