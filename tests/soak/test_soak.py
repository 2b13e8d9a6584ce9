# SPDX-License-Identifier: Apache-2.0
"""Half a minute of the soak, and one in which losses were planted: it has to find each."""
import json
import os
import subprocess
import sys

import pytest

from conftest import need

SOAK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak.py")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("namespaces")]


def soak(path, *arguments):
    """(exit status, what it found, as JSON) in a process of its own, which enters a namespace."""
    need("knotd", "knotc")
    build = os.environ.get("STELE_BUILD_DIR") or os.path.join(os.path.dirname(SOAK), "../../build")
    done = subprocess.run([sys.executable, SOAK, "--build", build, "--json", str(path), *arguments],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    with open(path, encoding="utf-8") as file:
        return done.returncode, json.load(file)


def test_short(tmp_path):
    status, found = soak(tmp_path / "balance.json", "--seconds", "40", "--seed", "short")
    assert status == 0 and found["balances"]
    assert found["seed"] == "short" and found["figures"]["fault: responder"] >= 1


def test_planted_losses(tmp_path):
    status, found = soak(tmp_path / "balance.json", "--seconds", "15", "--no-faults", "--seed", "planted",
                         "--plant", "frame,change,file,log")
    assert status == 1 and not found["balances"]
    out = {line["name"] for line in found["lines"] if not line["fits"]}
    assert out >= {"frames that came to the port", "updated.test.: store, port, TCP, downstream", "wrong answers",
                   "files that are left over", "errors in the logs that nobody provoked"}
