# SPDX-License-Identifier: Apache-2.0
"""The largest that DNS allows, from the zone file to the reply over TCP, and through an update.

RRsets of 60 KB, owners whose bodies together take several times 64 KB, names of 255 bytes and of 127
labels: as owners, targets, name servers and what wildcards and DNAMEs make of questions.
"""
import json
import random

import pytest

import stele
from dnswire import AA, NOERROR, TC, TYPES, YXDOMAIN, name_to_wire, parse, query
from edited_zones import Model, World

# Below the apex "t.", 3 bytes long, with 252 bytes left.
DEEP = ("d",) * 126                       # 127 labels with the apex
WIDE = ("w" * 59, "x" * 63, "y" * 63, "z" * 63)
HOST = ("h" * 59, "x" * 63, "y" * 63, "z" * 63)
CUT = ("c" * 59, "x" * 63, "y" * 63, "z" * 63)
NEARLY = ("y" * 63, "z" * 63, "n" * 63)   # with the apex 195 bytes: a label of 59 below it makes 255
BIG, BIGGER = ("big",), ("bigger",)


def texts(cnt):
    return ['"%s"' % ("%03d" % i * 84) for i in range(cnt)]


class Large(Model):
    """Each of them once, beside ordinary names."""

    def __init__(self, mode, rng):
        super().__init__("t", mode, rng, 20)
        text = self.text
        self.nodes.update({
            BIG: {"TXT": texts(226)},     # 12 + 253 bytes each: 59,890
            # Together far more than 64 KB, the last bodies behind the first.
            BIGGER: {"TXT": texts(226), "A": ["10.0.%d.%d" % (i // 250, i % 250) for i in range(3700)],
                     "MX": ["%d %s" % (i, text(WIDE)) for i in range(240)],
                     "TYPE65280": ["\\# 250 %04x%s" % (i, "ab" * 248) for i in range(220)]},
            ("alias",): {"CNAME": [text(BIG)]},
            DEEP: {"A": ["192.0.2.1"], "MX": ["1 " + text(WIDE)]},
            WIDE: {"A": ["192.0.2.2"], "TXT": texts(220)},
            ("to-wide",): {"CNAME": [text(WIDE)]},
            HOST: {"A": ["192.0.2.3"], "AAAA": ["2001:db8::3"]},
            CUT: {"NS": [text(HOST), "ns.other.test."], "DS": ["1 13 2 " + "%064x" % 7]},
            ("cut",): {"NS": [text(HOST), text(("ns", "cut"))]},
            ("ns", "cut"): {"A": ["192.0.2.4"]},
            ("*",) + NEARLY: {"TXT": texts(220), "A": ["192.0.2.5"]},
            ("long",): {"DNAME": [text(NEARLY)]},
        })
        self.seen |= set(self.nodes)


class LargeWorld(World):
    def __init__(self, folder, mode):
        self.large = Large(mode, random.Random("large " + mode))
        super().__init__(folder, "large " + mode, [0], (mode,))

    def grow(self):
        self.sizes = []
        self.zones = [self.large]


def ask(image, *queries):
    answerer = stele.Answerer(image, tcp=True)
    try:
        return [parse(reply, strict=True) for reply in answerer.ask(list(queries))]
    finally:
        answerer.stop()


def check_answers(world, cnt):
    """What is in the zone is in the replies: all of it, at the right owner. `cnt`: texts of BIG."""
    zone = world.large
    text = zone.text
    expanded = ("e" * 59,) + NEARLY
    cases = [
        (BIG, "TXT", BIG, cnt), (("alias",), "TXT", BIG, cnt), (BIGGER, "TXT", BIGGER, 226),
        (BIGGER, "A", BIGGER, 3700), (BIGGER, "MX", BIGGER, 240),
        (BIGGER, "TYPE65280", BIGGER, 220), (DEEP, "A", DEEP, 1), (DEEP, "MX", DEEP, 1),
        (WIDE, "TXT", WIDE, 220), (("to-wide",), "TXT", WIDE, 220), (HOST, "AAAA", HOST, 1),
        (expanded, "TXT", expanded, 220), (("e" * 59, "long"), "A", expanded, 1),
    ]
    asked = [query(text(name), rtype, edns) for name, rtype, _, _ in cases for edns in (None, "do")]
    replies = ask(world.image, *asked)
    for at, reply in enumerate(replies):
        name, rtype, owner, expected = cases[at // 2]
        wire = name_to_wire(text(owner))
        found = [rr for rr in reply.answer if rr[0] == wire and rr[1] == TYPES[rtype]]
        assert (reply.rcode, len(found)) == (NOERROR, expected), (name, rtype)
        assert reply.flags & AA and not reply.flags & TC, (name, rtype)
        signed = any(rr[0] == wire and rr[1] == TYPES["RRSIG"] for rr in reply.answer)
        assert signed == (at % 2 == 1 and zone.mode != "plain"), (name, rtype)
    return cases


def check_edges(world):
    """Questions that only just fit, or whose answers do not."""
    zone = world.large
    text = zone.text
    below_cut, at_cut, too_long, beside = ask(
        world.image, query(text(("a", "cut")), "A", "do"), query(text(CUT), "A", "do"),
        query(text(("f" * 63, "long")), "A", "do"),
        query(text(("e",) + DEEP[1:]), "A", "do"))
    host = name_to_wire(text(HOST))
    for referral in (below_cut, at_cut):
        assert {rr[1] for rr in referral.additional if rr[0] == host} >= {TYPES["A"], TYPES["AAAA"]}
        assert not referral.flags & AA
    # RFC 6672 section 2.2: the name would have 256 bytes or more.
    assert too_long.rcode == YXDOMAIN
    assert beside.rcode == 3


@pytest.mark.parametrize("mode", ("plain", "nsec", "nsec3"))
def test_largest(tmp_path, mode):
    world = LargeWorld(str(tmp_path), mode)
    zone = world.large
    stele.run("verify", world.image)
    check_answers(world, 226)
    check_edges(world)
    world.compare(limit=60)

    # One record of each large RRset changes; a large one goes and comes back; a long name goes.
    del zone.nodes[BIG]["TXT"][100]
    zone.nodes[BIGGER]["A"][0] = "192.0.2.77"
    zone.nodes[WIDE]["TXT"][7] = '"changed"'
    zone.nodes[("*",) + NEARLY]["A"] = ["192.0.2.78"]
    gone = zone.nodes.pop(DEEP)
    step(world)
    reply, = ask(world.image, query(zone.text(DEEP), "A"))
    assert reply.rcode == 3
    zone.nodes[DEEP] = gone
    zone.nodes[("h2",)] = {"TXT": texts(220)}
    step(world)
    check_answers(world, 225)
    check_edges(world)
    world.compare(limit=60)


def step(world):
    """The zone with its edits into the store, and the image brought up to date by shards."""
    world.large.serial += 1
    world.load(world.large)
    done = json.loads(stele.run("update", "--store", world.store, "--json", world.image).stdout)
    assert done["result"] in ("appended", "compacted")
    stele.run("verify", world.image)


def test_over_udp_it_is_cut(tmp_path):
    """Whole RRsets only: TC, and nothing of what does not fit."""
    world = LargeWorld(str(tmp_path), "nsec")
    answerer = stele.Answerer(world.image)
    try:
        messages = answerer.ask([query(world.large.text(name), "TXT", edns)
                                 for name in (BIG, BIGGER, WIDE) for edns in (None, "plain", "do")])
    finally:
        answerer.stop()
    for message in messages:
        reply = parse(message, strict=True)
        assert reply.flags & TC and not reply.answer
        assert len(message) <= 1232
