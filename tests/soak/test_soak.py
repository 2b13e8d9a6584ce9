# SPDX-License-Identifier: Apache-2.0
"""Half a minute of the soak, one in which losses were planted: it has to find each, and one that is ended."""
import glob
import json
import os
import signal
import subprocess
import sys
import time

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


def left_by(pid):
    """Namespaces, small disks and stores that a soak has not taken away."""
    namespaces = subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True).stdout.split()
    with open("/proc/mounts", encoding="ascii") as file:
        mounts = [line.split()[1] for line in file if "/stele-soak-" in line]
    return [name for name in namespaces if name[:2] == "st" and name[3:].split("-")[0] == str(pid)], mounts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_ends_it_leaves_nothing(number):
    need("knotd", "knotc")
    build = os.environ.get("STELE_BUILD_DIR") or os.path.join(os.path.dirname(SOAK), "../../build")
    before = set(left_by(0)[1]), set(glob.glob("/tmp/stele-soak-*"))
    soak = subprocess.Popen([sys.executable, SOAK, "--build", build, "--seconds", "60"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))    # whatever the tests run in
    end = time.monotonic() + 120
    while not (left_by(soak.pid)[0] and set(left_by(0)[1]) - before[0]):
        assert soak.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    time.sleep(3)    # servers are there, and it is under way
    soak.send_signal(number)
    said = soak.communicate(timeout=120)[1]
    assert soak.returncode == 128 + number and "Traceback" not in said
    assert left_by(soak.pid)[0] == []
    assert (set(left_by(0)[1]), set(glob.glob("/tmp/stele-soak-*"))) == before
