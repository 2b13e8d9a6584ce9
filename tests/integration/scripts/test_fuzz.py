# SPDX-License-Identifier: Apache-2.0
"""scripts/fuzz: its ledger of what was fuzzed, so that hours add up across runs; its folders; one run a target."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = """#!/bin/sh
echo '#9 DONE cov: %(edges)d ft: 9'
echo 'stat::number_of_executed_units: %(runs)d'
for word; do case $word in -artifact_prefix=*) prefix=${word#*=} ;; esac; done
%(more)s
"""


@pytest.fixture
def tree(tmp_path):
    """The script in a repository of its own; targets are what write_target() makes of them."""
    if not shutil.which("git"):
        pytest.skip("no git")
    for folder in ("scripts", "bin", "build-fuzz/tests/fuzz", "tests/corpus/query", "tests/fuzz"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "scripts/fuzz", tmp_path / "scripts/fuzz")
    for path, text in (("scripts/install-deps", "#!/bin/sh\n"),
                       ("bin/ninja", "#!/bin/sh\necho 'tests/fuzz/fuzz_query: phony'\n")):
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    for path in ("build-fuzz/build.ninja", "build-fuzz/tests/fuzz/fuzz.stele", "tests/fuzz/fuzz_query.c"):
        (tmp_path / path).touch()
    (tmp_path / ".gitignore").write_text("build-fuzz\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def write_target(tree, runs, edges, more="", name="query"):
    path = tree / "build-fuzz/tests/fuzz/" / ("fuzz_" + name)
    path.write_text(TARGET % {"runs": runs, "edges": edges, "more": more})
    path.chmod(0o755)


def fuzz(tree, *arguments, status=0, cwd=None):
    path = "%s:%s" % (tree / "bin", os.environ["PATH"])
    done = subprocess.run([tree / "scripts/fuzz", *arguments], cwd=cwd or tree, env={**os.environ, "PATH": path},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == status, done
    return done.stdout


def rows(tree):
    return [line.split(",") for line in (tree / "tests/corpus/hours.csv").read_text().splitlines()]


def row_of(tree, target):
    return [line.split() for line in fuzz(tree, "--status").splitlines() if line.startswith(target + " ")]


def test_rows(tree):
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=tree, check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    write_target(tree, 100, 7)
    fuzz(tree, "--seconds", "1", "query")
    assert not (tree / "tests/corpus/hours.csv").exists()
    fuzz(tree, "--seconds", "1", "--ledger", "query")
    write_target(tree, 50, 9, "echo x >${prefix}crash-1; exit 1")
    fuzz(tree, "--seconds", "1", "--ledger", status=1)
    write_target(tree, 1, 8, "exit 1")
    (tree / "scripts/install-deps").write_text("#!/bin/sh\n:\n")
    fuzz(tree, "--seconds", "1", "--ledger", status=1)
    head, *others = rows(tree)
    assert head == ["target", "date", "commit", "seconds", "executions", "edges", "findings"]
    assert [[row[0], *row[4:]] for row in others] == [
        ["query", "100", "7", "0"], ["query", "50", "9", "1"], ["query", "1", "8", "1"]]
    # The last one is of a tree with changes that no commit has.
    assert [row[2] for row in others] == [commit, commit, commit + "+"]


def test_processor_time(tree):
    write_target(tree, 1, 1, "i=0; while [ $i -lt 1000000 ]; do i=$((i + 1)); done")
    fuzz(tree, "--seconds", "1", "--ledger")
    assert rows(tree)[1][3].isdigit()
    write_target(tree, 1, 1, "sleep 1.1")
    fuzz(tree, "--seconds", "1", "--ledger")
    assert rows(tree)[2][3] == "0"


def test_sums(tree):
    (tree / "tests/corpus/hours.csv").write_text("""target,date,commit,seconds,executions,edges,findings
query,2026-01-01,aaa,3600,1000,10,1
name,2026-01-01,aaa,1800,5,3,0
query,2026-01-02,bbb,1800,500,9,0
""")
    assert row_of(tree, "query") == [["query", "1.50", "1500", "10", "1", "aaa"]]
    assert row_of(tree, "name") == [["name", "0.50", "5", "3", "0", "aaa"]]
    fuzz(tree, "--changed", "query")
    assert rows(tree)[4][3] == "changed"
    since = rows(tree)[4][2]
    assert row_of(tree, "query") == [["query", "0.00", "0", "0", "0", since]]
    write_target(tree, 70, 11)
    fuzz(tree, "--seconds", "1", "--ledger", "query")
    assert row_of(tree, "query") == [["query", "0.00", "70", "11", "0", since]]
    assert row_of(tree, "name") == [["name", "0.50", "5", "3", "0", "aaa"]]


def test_folders_of_the_caller(tree):
    """They are where it was called, as everywhere; the default is in the repository."""
    write_target(tree, 1, 1)
    (tree / "build-fuzz").rename(tree / "elsewhere")
    (tree / "here").mkdir()
    fuzz(tree, "--seconds", "1", "--build-dir", "../elsewhere", "--out", "found", cwd=tree / "here")
    assert (tree / "here/found/query/log").exists() and not (tree / "found").exists()
    fuzz(tree, "--seconds", "1", "--build-dir", tree / "elsewhere", cwd=tree / "here")
    assert (tree / "elsewhere/found/query/log").exists()
    (tree / "elsewhere").rename(tree / "build-fuzz")
    fuzz(tree, "--seconds", "1", cwd=tree / "here")
    assert (tree / "build-fuzz/found/query/log").exists()


def test_a_merge_that_fails(tree):
    """The targets after it are run all the same, and it is said at the end."""
    (tree / "bin/ninja").write_text("#!/bin/sh\nfor name in name query; do echo tests/fuzz/fuzz_$name: phony; done\n")
    for name, runs in ("name", 5), ("query", 7):
        write_target(tree, runs, 1, 'case $1 in -merge*) echo "cannot merge"; exit 1 ;; esac', name)
    said = fuzz(tree, "--seconds", "1", "--minimize", "--ledger", status=1)
    assert [(row[0], row[4], row[6]) for row in rows(tree)[1:]] == [("name", "5", "0"), ("query", "7", "0")]
    for name in "name", "query":
        log = "build-fuzz/found/%s/log" % name
        assert "not merged: see %s" % log in said and "cannot merge" in (tree / log).read_text()


def test_two_runs_of_a_target(tree):
    """The second leaves that target to the first, says which process has it, and goes on with its others."""
    (tree / "bin/ninja").write_text("#!/bin/sh\nfor name in name query; do echo tests/fuzz/fuzz_$name: phony; done\n")
    write_target(tree, 5, 1, name="name")
    write_target(tree, 7, 1, "cd ${prefix%/*}/..; echo >begun; i=0; while [ ! -e go ] && [ $((i += 1)) -lt 600 ]; do "
                 "sleep 0.05; done")
    found = tree / "build-fuzz/found"
    path = "%s:%s" % (tree / "bin", os.environ["PATH"])
    first = subprocess.Popen([tree / "scripts/fuzz", "--seconds", "1", "--ledger", "query"],
                             env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True)
    try:
        while not (found / "begun").exists():
            assert first.poll() is None
            time.sleep(0.02)
        said = fuzz(tree, "--seconds", "1", "--ledger", "query", "name", status=1)
        assert "process %d has it" % first.pid in said
        assert [(row[0], row[4]) for row in rows(tree)[1:]] == [("name", "5")]
    finally:
        (found / "go").touch()
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert [(row[0], row[4], row[6]) for row in rows(tree)[1:]] == [("name", "5", "0"), ("query", "7", "0")]
    fuzz(tree, "--seconds", "1", "query")


def test_wrong_words(tree):
    fuzz(tree, "--status", status=1)
    fuzz(tree, "--changed", status=2)
    fuzz(tree, "--changed", "nothing", status=2)
    fuzz(tree, "--ledger", "nothing", status=2)
    for option in "--out", "--build-dir", "--seconds":
        assert fuzz(tree, option, status=1) == ""    # nothing is built or run without its value
    assert not (tree / "tests/corpus/hours.csv").exists()
