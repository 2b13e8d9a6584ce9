# SPDX-License-Identifier: Apache-2.0
"""Scripts take the paths that they are given from where they are called."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path):
    """Scripts in a repository of their own, and the folder `here` in it, to call them from."""
    for folder in "scripts", "bin", "tests/soak", "here/made":
        (tmp_path / folder).mkdir(parents=True)
    for name in "soak", "check-style", "check-analysis", "test":
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    return tmp_path


def write(path, text):
    path.write_text(text)
    path.chmod(0o755)


def called(tree, *command, status=0):
    done = subprocess.run(command, cwd=tree / "here", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "PATH": "%s:%s" % (tree / "bin", os.environ["PATH"])})
    assert done.returncode == status, done
    return done.stdout


def test_soak(tree):
    (tree / "tests/soak/soak.py").write_text("import os, sys\nprint(os.getcwd(), *sys.argv[1:])\n")
    for script in "../scripts/soak", tree / "scripts/soak":
        assert called(tree, script, "--json", "a b") == "%s --json a b\n" % (tree / "here")


def test_analysis(tree):
    subprocess.run(["git", "init", "-q", tree], check=True)
    (tree / "here/made/compile_commands.json").write_text(json.dumps([]))
    (tree / ".clang-tidy").write_text("Checks: '-*'\n")
    for folder in "made", tree / "here/made":
        assert "check-analysis: 0 files" in called(tree, "../scripts/check-analysis", "--only", "gcc", "-p", folder)
        assert "check-analysis: 0 files" in called(tree, "../scripts/check-style", "-p", folder)


def test_build_folder_of_the_tests(tree):
    """The rest of the script is nothing here: what counts is where it builds."""
    for name in "scripts/install-deps", "scripts/check-layers", "scripts/summarize-tests":
        write(tree / name, "#!/bin/sh\n")
    write(tree / "bin/meson", '#!/bin/sh\necho "meson $*"\n')
    (tree / "here/made/build.ninja").touch()
    for folder in "made", tree / "here/made":
        said = called(tree, "../scripts/test", "--only-unit", "--build-dir", folder)
        assert said.startswith("meson compile -C %s\n" % (tree / "here/made"))
    assert called(tree, "../scripts/test", "--only-unit").startswith("meson setup %s\n" % (tree / "build"))
