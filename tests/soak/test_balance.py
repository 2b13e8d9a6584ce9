# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the soak's balance, with a loss planted in each of its lines."""
import json
import os
import subprocess
import sys
import types

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from balance import Balance, Limit, Line, Nothing, difference
from history import GONE, History

import flood
import logs
import watch
from frames import IPV4, ether, ipv4, udp


def balance_of(*lines):
    balance = Balance(seed=1)
    for line in lines:
        balance.add(line)
    return balance


# ---- lines ----

def test_line():
    assert Line("sent", 10, {"answered": 7, "dropped": 3}).fits
    for answered in 6, 8:
        assert not Line("sent", 10, {"answered": answered, "dropped": 3}).fits
    assert Line("sent", 10, {"answered": 7, "dropped": 3}).rest == 0


@pytest.mark.parametrize("rest, fits", [(-3, False), (-2, True), (0, True), (5, True), (6, False)])
def test_line_with_bounds(rest, fits):
    assert Line("sent", 100 + rest, {"answered": 100}, -2, 5, "a death").fits == fits


@pytest.mark.parametrize("value, fits", [(0, False), (1, True), (5, True), (5.1, False)])
def test_limit(value, fits):
    assert Limit("bytes", value, 1, 5).fits == fits


def test_nothing():
    assert Nothing("wrong answers", []).fits
    assert not Nothing("wrong answers", ["one"]).fits


def test_balance_says_what_is_out():
    good, bad = Line("sent", 10, {"answered": 10}), Line("changes", 5, {"acknowledged": 4})
    assert balance_of(good).fits and "It balances." in balance_of(good).table()
    balance = balance_of(good, bad, Nothing("wrong answers", ["x"]), Limit("growth", 9, high=3))
    assert not balance.fits
    assert balance.table().endswith("It does NOT balance: changes; wrong answers; growth.")
    assert [line.split() for line in balance.table().splitlines() if "left over" in line] == [
        ["left", "over", "1", "0", "to", "0"]]


def test_nothing_looked_at_is_no_balance():
    assert not Balance().fits


def test_json(tmp_path):
    balance = balance_of(Line("sent", 10, {"answered": 9}), Limit("growth", 1.5, high=3), Nothing("wrong", []))
    balance.figure("seconds", 2)
    balance.write(tmp_path / "balance.json")
    found = json.loads((tmp_path / "balance.json").read_text())
    assert (found["seed"], found["balances"], found["figures"]) == (1, False, {"seconds": 2})
    assert [(line["kind"], line["fits"]) for line in found["lines"]] == [
        ("line", False), ("limit", True), ("nothing", True)]
    assert found["lines"][0]["rest"] == 1 and found["lines"][1]["low"] is None


def test_difference():
    assert not difference("zone", {1, 2}, {1, 2})
    assert difference("zone", {1, 2}, {1}) == ["zone lacks 2"]
    assert difference("zone", {1}, {1, 2}) == ["zone has 2 besides"]


# ---- losses without a reason ----

def lost(cnt, full, tx_full=0):
    """The lines of questions over UDP of a run in which `cnt` were lost in calm and `full` frames found no room."""
    import load
    import run
    checker = object.__new__(load.UdpChecker)
    checker.asked, checker.answered, checker.late, checker.checked = 1000, 1000 - cnt, 0, 1000
    checker.lost_at, checker.wrong = [(10.0, 11.0, cnt)] if cnt else [], []
    soak = object.__new__(run.Soak)
    soak.balance, soak.checkers, soak.total = Balance(), [checker], {"drop_tx_full": tx_full}
    soak.world = types.SimpleNamespace(epochs=[{"full": full}], is_troubled=lambda begin, end: False)
    soak.add_questions(5000)    # floods were lost in deaths
    return {line.name: line.fits for line in soak.balance.lines}["questions over UDP lost without a reason"]


def test_questions_that_are_lost_in_calm_need_a_reason_each():
    assert lost(0, 0) and lost(3, 3) and lost(3, 1, 2)
    assert not lost(1, 0)
    # One frame that found a ring full excuses no hundred questions.
    assert not lost(100, 1) and not lost(4, 1, 2)


def test_each_life_is_judged_by_itself():
    """Four deaths do not let one life lose four rings, nor what one counts twice another forget."""
    import run

    def life(killed, seen, received, balance):
        return {"killed": killed, "seen": seen, "full": 0, "ringless": 0,
                "counters": {"rx_packets": received, "balance": balance}}
    assert run.broken_laws([life(True, 900, 500, 32), life(True, 500, 532, -32), life(False, 9, 9, 0)]) == []
    for wrong in (life(True, 2000, 500, 0), life(True, 500, 540, 0), life(True, 500, 500, 40),
                  life(False, 500, 500, 1), life(False, 500, 499, 0)):
        assert len(run.broken_laws([life(True, 500, 500, 0)] * 4 + [wrong])) == 1


@pytest.mark.parametrize("killed, ringless, lacking, ring", [
    (False, 0, 0, 0), (False, 30, 23, 0), (False, 23, 23, 0), (False, 20, 23, 3), (False, 0, -1, -1), (False, 9, -1, -1),
    (True, 20, 40, 20), (True, 20, 10, 0), (True, 20, -5, -5)])
def test_frames_from_before_there_was_a_ring(killed, ringless, lacking, ring):
    """What a life lacked from its start explains no frame that it lost later."""
    import run
    epoch = {"killed": killed, "seen": 500, "full": 100, "ringless": ringless,
             "counters": {"rx_packets": 400 - lacking, "balance": 0}}
    assert run.lacking_of(epoch) == (lacking - ring, ring)
    assert run.broken_laws([epoch]) == ([] if killed or ring == 0 else ["life 1: %d frames in its ring" % ring])


# ---- the command line ----

@pytest.mark.parametrize("arguments, words", [
    ("--seconds 0", "expected more than 0"), ("--seconds -5", "expected more than 0"),
    ("--minutes nan", "expected more than 0"), ("--minutes inf", "expected more than 0"),
    ("--flood 0", "expected more than 0"), ("--plant nonsense", "nothing of the kind nonsense"),
    ("--json /nonexistent/x", "/nonexistent is no folder"), ("--keep-logs /nonexistent", "/nonexistent is no folder"),
    ("--build /nonexistent", "/nonexistent is no build"), ("--sanitized /nonexistent", "/nonexistent is no build"),
    ("--seconds 1 --minutes 1", "not allowed with"), ("7", "unrecognized")])
def test_wrong_usage_is_told_before_anything_is_done(arguments, words):
    soak = os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak.py")
    done = subprocess.run([sys.executable, soak, *arguments.split()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


# ---- answers ----

def a_history():
    history = History("a.test.", 1, {"a": "one", "b": "same"})
    history.send(2, {"a": "two"})
    history.send(3, {"a": GONE, "c": "new"})
    return history


def test_answers_of_possible_serials():
    history = a_history()
    for key, value in ("a", "one"), ("a", "two"), ("a", GONE), ("b", "same"), ("c", GONE), ("c", "new"), ("d", GONE):
        assert a_history().check("udp", 1, key, value) is None
    assert history.at(1) == {"a": "one", "b": "same"} and history.at(3) == {"b": "same", "c": "new"}


@pytest.mark.parametrize("key, value", [("a", "three"), ("b", GONE), ("b", "one"), ("d", "one"), ("c", "same")])
def test_wrong_answers(key, value):
    assert "which no serial from 1 to 3 has" in a_history().check("udp", 1, key, value)


def test_what_was_not_sent_yet_is_wrong():
    history = a_history()
    assert history.check("udp", 1, "a", "four")
    history.send(4, {"a": "four"})
    assert history.check("udp", 1, "a", "four") is None


def test_answers_do_not_go_back():
    history = a_history()
    assert history.check("udp", history.floor("udp"), "a", "two") is None
    assert history.floor("udp") == 2 and history.floor("tcp") == 1
    assert history.check("udp", history.floor("udp"), "a", "one")
    assert history.check("tcp", history.floor("tcp"), "a", "one") is None
    # A question that was asked before the answer came may be answered from before.
    assert history.check("udp", 1, "a", "one") is None
    assert history.floor("udp") == 2


def test_serials_do_not_go_back():
    history = a_history()
    assert history.check_serial("udp", history.floor("udp"), 3) is None
    assert history.check_serial("udp", history.floor("udp"), 2)
    assert history.check_serial("udp", 1, 4), "it was never sent"


def test_a_value_that_comes_again_says_nothing_of_the_serial():
    history = a_history()
    history.send(4, {"a": "one"})
    assert history.check("udp", 1, "a", "one") is None and history.floor("udp") == 1
    assert history.check("udp", 2, "a", "one") is None and history.floor("udp") == 4


# ---- the rest ----

def test_growth():
    flat = [{"memory": 1000 + i % 3} for i in range(100)]
    leak = [{"memory": 1000 + 10 * i} for i in range(100)]
    warm = [{"memory": 1000 + min(10 * i, 300)} for i in range(100)]
    assert abs(watch.growth(flat, "memory")) <= 2 and abs(watch.growth(warm, "memory")) <= 2
    assert watch.growth(leak, "memory") > 400


def test_logs(tmp_path):
    log = tmp_path / "log"
    log.write_text('<6>fine\n<4>{"event":"zone-left"}\n'
                   '<3>{"event":"publish-failed","error":"No space left on device"}\n'
                   '<3>the sky falls\n==1==ERROR: AddressSanitizer: heap-use-after-free\n')
    found, counted = logs.judge({"d": log}, {"full disk"})
    assert found == ["d: the sky falls", "d: ==1==ERROR: AddressSanitizer: heap-use-after-free"]
    assert counted["d warning zone-left"] == 1
    assert len(logs.judge({"d": log}, set())[0]) == 3


def test_fragments():
    def frame(**fields):
        return ether(ipv4(udp(b"x" * 20, "10.0.0.1", "10.0.0.2"), "10.0.0.1", "10.0.0.2", **fields), IPV4)
    assert flood.is_kept(frame(fragment=0x2000)) and flood.is_kept(frame(fragment=185))
    for other in frame(), frame(fragment=0x4000), frame(fragment=185, size=2000), frame(fragment=185, version=5):
        assert not flood.is_kept(other)
