# SPDX-License-Identifier: Apache-2.0
"""Mixes of queries: what they are drawn of, that a seed gives the same ones, and how they are distributed."""
import collections
import math
import random

import pytest

from measuring import queries

NAMES = [(f"h{number}.example.", "A") for number in range(2000)]
APEXES = ["one.example.", "two.example."]


@pytest.mark.parametrize("mix", queries.MIXES)
def test_a_seed_gives_the_same_queries(mix):
    first, second, other = (queries.draw(mix, NAMES, APEXES, 1000, seed) for seed in (1, 1, 2))
    assert first == second != other


def test_hot_ones_are_few_and_not_the_first_of_the_alphabet():
    drawn = queries.draw("hot", NAMES, APEXES, 1000)
    assert len(drawn) == len(set(drawn)) == queries.HOT_CNT
    assert set(drawn) <= set(NAMES) and drawn != NAMES[:queries.HOT_CNT]


def test_uniform_has_each_name_once():
    assert sorted(queries.draw("uniform", NAMES, APEXES, 5000)) == sorted(NAMES)
    assert len(queries.draw("uniform", NAMES, APEXES, 100)) == 100


def test_zipf_ranks_follow_the_law():
    """Each of the first ranks within five standard deviations of what n^-1 says, with the seed that is given."""
    size, cnt = 1000, 200_000
    found = collections.Counter(queries.zipf_ranks(size, cnt, random.Random(7)))
    harmonic = sum(1 / n for n in range(1, size + 1))
    for rank in (0, 1, 2, 9, 99, 499, 999):
        share = 1 / (rank + 1) / harmonic
        assert abs(found[rank] - cnt * share) < 5 * math.sqrt(cnt * share * (1 - share)), rank
    assert max(found) < size and sum(found.values()) == cnt


def test_zipf_is_drawn_of_shuffled_names():
    drawn = queries.draw("zipf", NAMES, APEXES, 50_000)
    (first, often), (_, less) = collections.Counter(drawn).most_common(2)
    assert set(drawn) <= set(NAMES) and first != NAMES[0]
    assert 1.7 < often / less < 2.3


def test_no_name_of_a_flood_comes_twice():
    drawn = queries.draw("flood", [], APEXES, 20_000)
    assert len(set(drawn)) == 20_000
    assert {name.split(".", 1)[1] for name, _ in drawn} == set(APEXES)


def test_a_flood_of_the_root_asks_for_labels_below_it():
    assert all(name.count(".") == 1 and len(name) == queries.FLOOD_LABEL_SZ + 1
               for name, _ in queries.draw("flood", [], ["."], 100))


HOSTS = """$ORIGIN example.
$TTL 3600
@\tSOA\tns hostmaster 1 2 3 4 5
@\tNS\tns
a\tA\t192.0.2.1
a\tRRSIG\tA 13 2 3600 20371231000000 20240101000000 1 example. AAAA
a\tAAAA\t2001:db8::1
*.w\tA\t192.0.2.2
c.b\tCNAME\ta
_x\tTXT\t"CNAME A"
m\tMX\t10 a
"""


def test_names_of_hosts(tmp_path):
    (tmp_path / "zone").write_text(HOSTS)
    assert queries.names_of(tmp_path / "zone", "example.", False) == [
        ("_x.example.", "TXT"), ("a.example.", "A"), ("a.example.", "AAAA"), ("c.b.example.", "A")]


def test_names_of_delegations_are_below_them(tmp_path):
    (tmp_path / "zone").write_text("@\tNS\ta\nb\tNS\tns.b\nb\tDS\t1 13 2 00\nns.b\tA\t192.0.2.1\n")
    assert queries.names_of(tmp_path / "zone", "example.", True) == [("www.b.example.", "A")]


def test_names_of_the_root_zone(tmp_path):
    (tmp_path / "zone").write_text(
        ".\t\t86400\tIN\tNS\ta.root-servers.net.\naaa.\t\t172800\tIN\tNS\tns.aaa.\naaa.\t86400\tin\tds\t1 8 2 00\n")
    assert queries.names_of(tmp_path / "zone", ".", True) == [("www.aaa.", "A")]


def test_files_are_what_generators_read(tmp_path):
    queries.write(tmp_path / "q", NAMES[:2])
    assert (tmp_path / "q").read_text() == "h0.example. A\nh1.example. A\n"
    queries.write(tmp_path / "q", NAMES[:1], dnssec_ok=True)
    assert (tmp_path / "q").read_text() == "h0.example. A D\n"
