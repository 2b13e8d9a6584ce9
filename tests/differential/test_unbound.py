# SPDX-License-Identifier: Apache-2.0
"""A validating resolver believes what Stele says: never bogus, and secure wherever it can be.

unbound knows the zones as stub zones with their keys as trust anchors and reaches Stele over a small
bridge. Everything that ends inside a zone is asked: answers, NODATA, NXDOMAIN, empty non-terminals,
wildcard answers and wildcard NODATA, DS at cuts. Two tests tamper, to show that unbound would notice.
"""
import contextlib
import random

import pytest

import bridge
import compare
import dnswire
import peers
import questions
import signing
import stele
import worlds
from conftest import need

ZONES = ["wild.test.", "nowild.test.", "cuts.test.", "chains.test.", "dname.test.", "additional.test.",
         "parent.test.", "child.parent.test.", "unsigned.parent.test."]
VARIANTS = ["nsec", "nsec3", "nsec3-salted", "optout", "nsec-ldns", "optout-ldns"]
UNSIGNED = dnswire.name_to_wire("unsigned.parent.test.")
SECURE, INSECURE = True, False

# (name, type, rcode, secure; None: secure unless the chain is opt-out)
CASES = [
    ("www.wild.test.", "A", 0, SECURE),
    ("www.wild.test.", "TXT", 0, SECURE),                  # NODATA
    ("any.wild.test.", "A", 0, None),                      # wildcard answer: opt-out covers the name itself
    ("any.other.wild.test.", "TXT", 0, None),
    ("any.wild.test.", "MX", 0, None),                     # wildcard NODATA
    ("a.wild.test.", "A", 0, SECURE),                      # empty non-terminal
    ("q.a.wild.test.", "A", 0, None),
    ("*.wild.test.", "A", 0, SECURE),
    ("q.cn.wild.test.", "A", 0, None),                     # wildcard CNAME
    ("nothing.nowild.test.", "A", 3, None),
    ("a.b.c.nothing.nowild.test.", "A", 3, None),
    ("f.nowild.test.", "A", 0, SECURE),                    # empty non-terminals
    ("d.e.f.nowild.test.", "TXT", 0, SECURE),
    ("q.d.e.f.nowild.test.", "TXT", 3, None),
    ("secure.cuts.test.", "DS", 0, SECURE),
    ("insidens.cuts.test.", "DS", 0, None),                # insecure delegation
    ("www.dname.test.", "A", 3, None),
    ("www.in.dname.test.", "A", 0, SECURE),
    ("q.in.dname.test.", "A", 3, None),
    ("child.parent.test.", "DS", 0, SECURE),
    ("unsigned.parent.test.", "DS", 0, None),
    ("www.child.parent.test.", "A", 0, SECURE),
    ("nothing.child.parent.test.", "A", 3, None),
    ("www.unsigned.parent.test.", "A", 0, INSECURE),
    ("nothing.unsigned.parent.test.", "A", 3, INSECURE),
    ("q.w.unsigned.parent.test.", "A", 0, INSECURE),
]


@contextlib.contextmanager
def resolver(zones, mangle=None, every=False):
    """(Stele, unbound) over the zones; the keys of the topmost ones are trusted, or of every one."""
    anchors = []
    for name, path in zones:
        if every or not any(name != other and name.endswith("." + other) for other, _ in zones):
            anchors += ["%s %s" % (name, line) for line in signing.ds_records(name, path)]
    with stele.Stele(zones) as server, bridge.Bridge(server, mangle) as front, \
         peers.Unbound([name for name, _ in zones], front.port, anchors) as unbound:
        yield server, unbound


@pytest.fixture(autouse=True)
def unbound_installed(peers_installed):
    need("unbound")


def ended_inside(reply, qtype):
    """The reply is whole: no referral, and no chain that leaves the zone or is cut short.

    A CNAME that was asked for and synthesised from a DNAME has no signature to be secure by.
    """
    if qtype == 5 and any(rr[1] == 39 for rr in reply.answer):
        return False
    return (reply.flags & dnswire.AA and not reply.flags & dnswire.TC and reply.rcode in (0, 3) and (
        any(rr[1] == qtype for rr in reply.answer) or any(rr[1] == 6 for rr in reply.authority)))


def sweep(zones, limit):
    """Questions all around the zones, of types that a resolver passes on."""
    rng = random.Random(5)
    for name, path in zones:
        owners, targets = questions.read_zone(name, path)
        apex = dnswire.name_to_wire(name)
        below = sorted(set(questions.names_around(name, owners, targets, rng)) | set(owners))
        wanted = [(x, qtype) for x in below if dnswire.is_below(x, apex)
                  for qtype in ("A", "TXT", "MX", "DS", "CNAME", "NS", "DNSKEY", "TYPE65280")
                  if qtype != "DS" or x != apex]
        for qname, qtype in rng.sample(wanted, min(limit, len(wanted))):
            yield questions.Ask(name, dnswire.query(qname, qtype, "do", dnswire.RD), qname, dnswire.TYPES[qtype], "do")


def beyond_unbound(ask, reply):
    """What unbound 1.17 refuses though it is right, and a chain of forty, which no resolver follows.

    Names with an asterisk label: it takes the signature of a record synthesised for such a name for one
    of a literal wildcard, and does not find the closest encloser when that is a wildcard's owner. A chain
    through one DNAME twice: it looks for the DNAME right before each CNAME, where it is sent only once. A CNAME to what
    a wildcard without records stands for (the next name of an NSEC tells), and a DS by way of a CNAME, where the zone's
    apex is: NSD sends the same records.
    """
    names = [ask.qname] + [rr[4] for rr in reply.answer if rr[1] == 5]
    redirects = [rr[0] for rr in reply.answer if rr[1] == 39]
    synthesised = [rr for rr in reply.answer if rr[1] == 5 and any(dnswire.is_below(rr[0], x) for x in redirects)]
    ds_of_apex = ask.qtype == dnswire.TYPES["DS"] and dnswire.name_to_wire(ask.zone) in names[1:]
    if len(synthesised) > len(redirects) or ds_of_apex:
        return True
    nexts = [dnswire.read_name(rr[4], 0, {})[0] for rr in reply.authority if rr[1] == dnswire.TYPES["NSEC"]]
    if len(names) > 1 and reply.rcode == 0 and any(b"*" in dnswire.labels_of(x)[1:] for x in nexts):
        return True
    first = dnswire.labels_of(ask.qname)[0]
    return first[:1] == b"c" and first[1:].isdigit() or any(b"*" in dnswire.labels_of(x) for x in names)


def believed(server, unbound, asks):
    """Those of the questions that can be asked through unbound, and its replies."""
    asks = list(asks)
    replies = [compare.parse(raw) for raw in server.ask([ask.message for ask in asks])]
    asks = [ask for ask, reply in zip(asks, replies)
            if reply and ended_inside(reply, ask.qtype) and not beyond_unbound(ask, reply)]
    return asks, unbound.ask([ask.message for ask in asks])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_reply_validates(variant, tmp_path):
    optout = variant.startswith("optout")
    with resolver(worlds.stage(str(tmp_path), variant, only=ZONES)) as (server, unbound):
        wrong = []
        replies = unbound.ask([dnswire.query(name, qtype, "do", dnswire.RD) for name, qtype, _, _ in CASES])
        for (name, qtype, rcode, secure), raw in zip(CASES, replies):
            reply = compare.parse(raw)
            got = reply and (reply.rcode, bool(reply.flags & dnswire.AD))
            allowed = [(rcode, x) for x in ([secure] if secure is not None else [True, False] if optout else [True])]
            if got not in allowed:
                wrong.append("%s %s: %s, allowed %s\n%s" % (name, qtype, got, allowed, dnswire.show(raw)))

        asks = sweep([zone for zone in worlds.hand_written() if zone[0] in ZONES], 150)
        for ask, raw in zip(*believed(server, unbound, asks)):
            reply = compare.parse(raw)
            unsigned = dnswire.is_below(ask.qname, UNSIGNED) and (ask.qtype, ask.qname) != (43, UNSIGNED)
            if not reply or reply.rcode not in (0, 3) or (
                    not reply.flags & dnswire.AD and not optout and not unsigned):
                wrong.append(compare.describe(ask, [("unbound", raw)]))
        assert not wrong, "%d wrong\n%s" % (len(wrong), "\n".join(wrong[:12]))


@pytest.mark.parametrize("first", [0, 20])
def test_random_zones_are_never_bogus(first, tmp_path):
    """The proofs of zones as no person writes them; unsigned ones and opt-out may be insecure."""
    zones = worlds.generated(str(tmp_path), range(first, first + 20))
    # the parent of an unsigned child may have a DS record for it that fits nothing
    unsigned = [dnswire.name_to_wire(name) for name, path in zones
                if not path.endswith(".signed") and name.count(".") > 2]
    with resolver(zones, every=True) as (server, unbound):
        wrong = []
        for ask, raw in zip(*believed(server, unbound, sweep(zones, 40))):
            reply = compare.parse(raw)
            if any(dnswire.is_below(ask.qname, apex) for apex in unsigned):
                continue
            if not reply or reply.rcode not in (0, 3):
                wrong.append(compare.describe(ask, [("unbound", raw)]))
        assert not wrong, "%d wrong\n%s" % (len(wrong), "\n".join(wrong[:12]))


def test_changed_record_is_bogus(tmp_path):
    """An address changed behind the signer's back must not validate."""
    zones = worlds.stage(str(tmp_path), "nsec", only=["wild.test."])
    path = zones[0][1]
    with open(path, encoding="latin-1") as file:
        text = file.read()
    assert "192.0.2.10\n" in text
    with open(path, "w", encoding="latin-1") as file:
        file.write(text.replace("192.0.2.10\n", "192.0.2.99\n"))
    with resolver(zones) as (_, unbound):
        good, changed = [compare.parse(raw) for raw in unbound.ask(
            [dnswire.query(name, "A", "do", dnswire.RD) for name in ("www.wild.test.", "any.wild.test.")])]
    assert good.rcode == 0 and good.flags & dnswire.AD
    assert changed.rcode == dnswire.SERVFAIL


@pytest.mark.parametrize("variant", ["nsec", "nsec3"])
def test_changed_denial_is_bogus(variant, tmp_path):
    """An NXDOMAIN reply turned into NODATA must not validate: no record matches the name."""
    def mangle(reply):
        return reply[:3] + bytes([reply[3] & 0xF0]) + reply[4:] if reply[3] & 15 == 3 else reply

    zones = worlds.stage(str(tmp_path), variant, only=["nowild.test."])
    with resolver(zones, mangle) as (_, unbound):
        denied, whole = [compare.parse(raw) for raw in unbound.ask(
            [dnswire.query(name, "A", "do", dnswire.RD) for name in ("nothing.nowild.test.", "mail.nowild.test.")])]
    assert denied.rcode == dnswire.SERVFAIL
    assert whole.rcode == 0 and whole.flags & dnswire.AD
