# SPDX-License-Identifier: Apache-2.0
"""A name that owns signatures and nothing that they are over exists (RFC 4592 section 2.2), without data."""
import pytest

import stele
from dnswire import NOERROR, NXDOMAIN, TYPES, parse, query

SIGNATURE = "RRSIG A 13 3 60 20300101000000 20200101000000 1 z.test. AAAAAAAAAAA=\n"
ZONE = "$TTL 60\n$ORIGIN z.test.\n@ SOA ns h %d 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n*.w TXT wild\n"
QUERIES = [query(name + ".z.test.", rtype) for name in ("o.w", "only.deep", "deep", "below.o.w", "x.w")
           for rtype in ("A", "TXT", "RRSIG", "ANY")]


def load(folder, text):
    (folder / "zone").write_text(text)
    stele.run("import", "--store", folder / "store", "--zone", "z.test", folder / "zone")


def ask(folder):
    stele.run("verify", folder / "image")
    answerer = stele.Answerer(folder / "image", check_store=folder / "store")
    try:
        return [parse(message, strict=True) for message in answerer.ask(QUERIES)]
    finally:
        answerer.stop()


@pytest.mark.parametrize("how", ["built", "updated"])
def test_it_exists(tmp_path, how):
    """No wildcard stands for it or for what is below it, and what is above it exists, too."""
    with_signatures = ZONE % 2 + "o.w " + SIGNATURE + "only.deep " + SIGNATURE
    load(tmp_path, ZONE % 1 if how == "updated" else with_signatures)
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    if how == "updated":
        assert [reply.rcode for reply in ask(tmp_path)][4:12] == [NXDOMAIN] * 8
        load(tmp_path, with_signatures)
        stele.run("update", "--store", tmp_path / "store", tmp_path / "image")
    replies = ask(tmp_path)
    for reply in replies[:12]:
        assert reply.rcode == NOERROR and not reply.answer and [rr[1] for rr in reply.authority] == [TYPES["SOA"]]
    assert {reply.rcode for reply in replies[12:16]} == {NXDOMAIN}
    assert replies[17].answer and replies[17].answer[0][1] == TYPES["TXT"]


def test_it_goes_with_its_signature(tmp_path):
    load(tmp_path, ZONE % 1 + "o.w " + SIGNATURE + "only.deep " + SIGNATURE)
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    load(tmp_path, ZONE % 2)
    stele.run("update", "--store", tmp_path / "store", tmp_path / "image")
    replies = ask(tmp_path)
    assert replies[1].answer and {reply.rcode for reply in replies[4:12]} == {NXDOMAIN}
