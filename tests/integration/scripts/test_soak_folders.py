# SPDX-License-Identifier: Apache-2.0
"""scripts/soak takes the paths that it is given from where it is called. What it does is tested in tests/soak."""
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_folder_of_the_caller(tmp_path):
    for folder in "scripts", "tests/soak", "here":
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "scripts/soak", tmp_path / "scripts")
    (tmp_path / "tests/soak/soak.py").write_text("import os, sys\nprint(os.getcwd(), *sys.argv[1:])\n")
    for script in "../scripts/soak", tmp_path / "scripts/soak":
        done = subprocess.run([script, "--json", "a b"], cwd=tmp_path / "here", check=True, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert done.stdout == "%s --json a b\n" % (tmp_path / "here")
