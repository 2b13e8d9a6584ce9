# SPDX-License-Identifier: Apache-2.0
"""Names that are not in a zone with NSEC: the reply is the same whether the zone was met before or not.

The first reply of an answerer goes the general way, and what it learns of the zone lets others go a short one
(lib/answer/absent.h).
"""
import pytest

import signing
import stele
from dnswire import NXDOMAIN, TC, TYPES, name_to_wire, parse, query

ZONE = r"""$TTL 300
$ORIGIN z.test.
@ SOA ns hostmaster 1 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
b TXT b
Bb.c TXT "below an empty name"
cut NS ns.other.test.
*.w TXT wildcard
\255 TXT last
"""
# Before the first name; between names, and between a name and what is below it; one that lies further down; the last.
ABSENT = ["a", "\\000", "\\001\\002", "bb", "BA", "x.y.bb", "c0", "d", "cuu", "x" * 63, "n.m.x", "wa", "\\255\\255"]
SIZES = [512, *range(540, 800, 7), 1232, 4096]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nsec-absent")
    (folder / "zone").write_text(ZONE)
    signed = signing.sign_ldns("z.test", str(folder / "zone"), str(folder))
    stele.run("import", "--store", folder / "store", "--zone", "z.test.", signed)
    stele.run("build", "--store", folder / "store", "-o", folder / "image")
    return folder / "image"


def asked(name, size):
    return query(name + ".z.test.", "A", "do", size=size)


@pytest.mark.parametrize("name", ABSENT)
def test_the_zone_was_met_before_or_not(image, name):
    queries = [asked(name, size) for size in SIZES]
    # Each of these is the first of its answerer.
    first = [stele.ask_each(image, [message])[0] for message in queries[::10]]
    later = stele.ask_each(image, [asked("d", 4096)] + queries)[1:]
    assert later[::10] == first
    whole = set()
    for message, size in zip(later, SIZES):
        reply = parse(message, strict=True)
        truncated = bool(reply.flags & TC)
        assert len(message) <= size and reply.rcode == NXDOMAIN
        kinds = [rr[1] for rr in reply.authority]
        assert truncated or kinds.count(TYPES["SOA"]) == 1 <= kinds.count(TYPES["NSEC"]) <= 2
        whole.add(truncated)
    assert False in whole


@pytest.mark.parametrize("name, owners", [
    ("a", ["z.test."]), ("bb", ["z.test.", "b.z.test."]), ("x.y.bb", ["z.test.", "b.z.test."]),
    ("d", ["z.test.", "cut.z.test."]), ("c0", ["z.test.", "bb.c.z.test."]),
    ("\\255\\255", ["z.test.", "\\255.z.test."])])
def test_who_covers_it(image, name, owners):
    for message in stele.ask_each(image, [asked(name, 4096)] * 2):
        reply = parse(message, strict=True)
        covers = {rr[0] for rr in reply.authority if rr[1] == TYPES["NSEC"]}
        assert covers == {name_to_wire(owner) for owner in owners}


def test_a_flood_of_names(image):
    """Whole batches, of names that one search or the other covers."""
    queries = [asked("%s%d" % ("abcdnwx"[i % 7], i), 1232) for i in range(300)]
    answerer = stele.Answerer(image)
    try:
        flood = answerer.ask(queries)
    finally:
        answerer.stop()
    assert flood == stele.ask_each(image, queries)
