# SPDX-License-Identifier: Apache-2.0
"""That rivals are not held back by how they are set up."""
import argparse
import os

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
