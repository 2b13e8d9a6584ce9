# SPDX-License-Identifier: Apache-2.0
"""That rivals are not held back by how they are set up, and that the machine is as before when it is over."""
import argparse
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from measuring import rivals, system


def place(folder, **more):
    zone = folder / "zone"
    zone.write_text("@\tSOA\tns host 1 3600 600 86400 300\n")
    return rivals.Place(folder, [("example.", zone)], **more)


def words(command):
    return [str(word) for word in command]


def test_bind_loads_with_as_many_threads_as_the_others(tmp_path):
    """Its threads that answer are those that load."""
    command = words(rivals.bind(place(tmp_path, loaders=4)))
    assert command[command.index("-n") + 1] == "4"
    command = words(rivals.bind(place(tmp_path, loaders=1)))
    assert command[command.index("-n") + 1] == "1"


def test_caches_live_longer_than_the_turns_of_the_others(tmp_path):
    """A server stands still meanwhile, and its clock does not."""
    rivals.powerdns(place(tmp_path))
    told = dict(line.split("=", 1) for line in (tmp_path / "pdns.conf").read_text().splitlines() if "=" in line)
    for cache in "cache-ttl", "query-cache-ttl", "negquery-cache-ttl":
        assert int(told[cache]) >= 600


@pytest.mark.parametrize("chosen", ["0", "a,b", "0,0", "0,9999", "0,1,2", ","])
def test_two_processors_are_two_that_are_there(chosen, capsys):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors")
    parser = argparse.ArgumentParser(prog="veth")
    with pytest.raises(SystemExit) as end:
        system.two_processors(parser, chosen)
    assert end.value.code == 2 and f"--cpus {chosen}: expected two of " in capsys.readouterr().err
    assert system.two_processors(parser, None) == tuple(sorted(os.sched_getaffinity(0))[:2])


CLEANS_UP = """
import sys, time
sys.path.insert(0, {path!r})
from measuring import system
system.end_on_signals()
try:
    print("ready", flush=True)
    time.sleep(30)
finally:
    print("cleaning up", flush=True)
    time.sleep(0.5)
    print("clean", flush=True)
"""


def not_ignored():
    """As in a terminal, whatever the tests themselves run in."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_disturb_the_clean_up(first):
    path = str(pathlib.Path(rivals.__file__).resolve().parents[1])
    child = subprocess.Popen([sys.executable, "-c", CLEANS_UP.format(path=path)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=not_ignored)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(first)
    assert child.stdout.readline() == "cleaning up\n"
    for second in signal.SIGINT, signal.SIGTERM:
        child.send_signal(second)
    said, errors = child.communicate(timeout=30)
    assert (said, errors, child.returncode) == ("clean\n", "", 128 + first)


def test_what_was_started_by_nohup_goes_on():
    path = str(pathlib.Path(rivals.__file__).resolve().parents[1])
    code = CLEANS_UP.format(path=path).replace("sleep(30)", "sleep(2)")
    child = subprocess.Popen(["nohup", sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGHUP)
    child.communicate(timeout=30)
    assert child.returncode == 0
