# SPDX-License-Identifier: Apache-2.0
"""Medians, spreads, percentiles, and above all: when no verdict may be given."""
import math

import pytest

from measuring import engines, noise, stats, tables


def test_spread_is_relative_to_the_median():
    assert stats.spread([90, 100, 110]) == pytest.approx(0.2)
    assert stats.spread([5]) == 0
    assert stats.spread([0, 0, 0]) == 0
    assert math.isinf(stats.spread([0, 0, 7]))


def test_percentile_is_one_of_the_values():
    values = list(range(100, 0, -1))
    assert stats.percentile(values, 0.5) == 51
    assert stats.percentile(values, 0.99) == 100
    assert stats.percentile(values, 1) == 100
    assert stats.percentile([3], 0.99) == 3


def test_summarize_takes_each_key_alone():
    runs = [{"s": 1.0, "n": 0}, {"s": 2.0, "n": 0}, {"s": 4.0, "n": 5}]
    assert stats.summarize(runs) == {"s": (2.0, 1.5), "n": (0, 0.0)}


@pytest.mark.parametrize("value, at_most, word", [
    (10, True, "reached"), (10.1, True, "missed"), (10, False, "reached"), (9.9, False, "missed")])
def test_a_limit_is_reached_when_it_is_met(value, at_most, word):
    assert stats.verdict(value, 10, at_most, [0.1, 0.25]) == (word, "")


def test_no_verdict_where_one_of_two_was_unsteady():
    assert stats.verdict(1, 10, True, [0.01, 0.26]) == ("no verdict", "spread 26%")
    assert stats.verdict(1, 10, True, [math.inf])[0] == "no verdict"


@pytest.mark.parametrize("worst,at_most,word", [(9, True, "reached"), (11, True, "no verdict"), (11, False, "reached"),
                                                (9, False, "no verdict")])
def test_what_keeps_to_the_limit_at_its_worst_needs_no_quiet_machine(worst, at_most, word):
    assert stats.verdict(10, 10, at_most, [0.9], "busy", worst)[0] == word


def test_no_verdict_where_the_measurement_as_a_whole_is_bad():
    assert stats.verdict(1, 10, True, [0.01], "busy machine") == ("no verdict", "busy machine")


def probe(case, before, after, steal=0.0, fastest=100):
    return {"case": case, "fastest_ns": fastest, "before_ns": before, "after_ns": after, "steal": steal}


def test_noise_is_a_machine_that_was_slow_before_and_after():
    rows = [probe("a", 105, 110), probe("b", 190, 200), probe("c", 210, 104), probe("d", 100, 100, steal=0.2)]
    assert noise.fault(rows, "a") == ""
    assert noise.fault(rows, "b").startswith("busy machine: 1.9 times")
    assert noise.fault(rows, "c") == ""     # one spell is none
    assert noise.fault(rows, "d").startswith("busy host: 20%")
    assert noise.fault(rows, "never run") == ""


def test_a_slow_case_is_compared_with_the_best_of_the_run():
    rows = [probe("a", 200, 200, fastest=190), probe("b", 100, 100, fastest=95)]
    assert noise.fault(rows, "a") and not noise.fault(rows, "b")


ENGINE = """case,ns,cycles,spread_percent,reply_bytes,clear_ns,clear_percent
hot positive,88.91,217.4,49.3,86.5,56.98,15
random reads, same memory,4.38,10.7,21.6,0.0,0.00,0
"""


def test_columns_of_bench_engine_are_taken_by_their_names():
    """There were five of them once; a case may have a comma in its name."""
    hot, reads = engines.parse(ENGINE)
    assert hot == {"case": "hot positive", "ns": 88.91, "cycles": 217.4, "spread_percent": 49.3,
                   "reply_bytes": 86.5, "clear_ns": 56.98, "clear_percent": 15}
    assert reads["case"] == "random reads, same memory" and reads["ns"] == 4.38


def test_clear_slices_count_where_there_are_enough():
    row = {"ns": 90.0, "cycles": 225.0, "clear_ns": 52.0, "clear_percent": 15}      # 2.5 GHz
    assert engines.at_reference(row) == pytest.approx(50)
    assert engines.at_reference({**row, "clear_percent": 4}) == pytest.approx(90 * 2.5 / 2.6)
    assert engines.at_reference({**row, "clear_ns": 0.0}) == pytest.approx(90 * 2.5 / 2.6)


# --- tables ---

def test_a_table_comes_back_as_it_was(tmp_path):
    rows = [{"case": "random reads, same memory", "n": 1, "s": 0.5, "text": ""},
            {"case": 'a "b"', "n": -2, "s": 1e9, "text": "2 MB"}]
    tables.write(tmp_path / "new" / "t.csv", rows)
    assert tables.read(tmp_path / "new" / "t.csv") == rows
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.csv"]


@pytest.mark.parametrize("text, words", [
    ("", "no header"), ("a,a\n1,2\n", "no header"), ("a,b\n", "no rows"), ("a,b\n1\n", ":2: 1 fields, not 2"),
    ("a,b\n1,2\n1,2,3\n", ":3: 3 fields, not 2"), ("a\n1\n", "no column b")])
def test_what_is_no_table_is_told(tmp_path, text, words):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(tables.Fault, match=words.replace(".", r"\.")):
        tables.read(path, need=["b"] if "column" in words else ())


def test_pick_wants_all_values():
    rows = [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}]
    assert tables.pick(rows, a=1, b="y") == [rows[1]]
    assert tables.pick(rows, c=1) == []
