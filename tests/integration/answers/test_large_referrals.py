# SPDX-License-Identifier: Apache-2.0
"""Referrals with very many name servers, and proofs behind very long chains: all of it over TCP, or TC."""
import base64

import dns.dnssec
import pytest

import signing
import stele
from dnswire import AA, NOERROR, TC, TYPES, labels_of, name_to_wire, parse, query

TO_HEX = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")

HEAD = """$TTL 300
$ORIGIN z.test.
@ SOA ns hostmaster 1 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
"""


def answerer_of(folder, text, denial=None, tcp=True):
    path = folder / "zone"
    path.write_text(text)
    if denial is not None:
        path = signing.sign_ldns("z.test", str(path), str(folder), denial=denial)
    stele.run("import", "--store", folder / "store", "--zone", "z.test.", path)
    stele.run("build", "--store", folder / "store", "-o", folder / "image")
    return stele.Answerer(folder / "image", tcp=tcp)


def ask(answerer, name, rtype, edns=None):
    """The reply, which is the same whether zone and proofs were met before or not."""
    try:
        messages = [answerer.ask([query(name, rtype, edns)])[0] for _ in range(3)]
    finally:
        answerer.stop()
    assert messages[1:] == messages[:1] * 2
    return parse(messages[0], strict=True)


def servers(count, below):
    return "".join("cut NS n%d.%s\n" % (i, below) for i in range(count)) + \
        "".join("n%d.cut A 10.0.%d.%d\n" % (i, i // 250, i % 250) for i in range(count if below == "cut" else 0))


@pytest.mark.parametrize("name", ["cut.z.test.", "www.cut.z.test.", "a.b.cut.z.test."])
def test_all_glue_of_a_cut_comes(tmp_path, name):
    """RFC 9471 section 3.1."""
    reply = ask(answerer_of(tmp_path, HEAD + servers(200, "cut")), name, "A")
    assert reply.rcode == NOERROR and not reply.flags & (AA | TC)
    assert len(reply.authority) == 200
    assert {rr[0] for rr in reply.additional} == {name_to_wire("n%d.cut.z.test." % i) for i in range(200)}


HOST_MAX = 255   # of lib/answer/work.h: more are looked for in another way


@pytest.mark.parametrize("name", ["cut.z.test.", "www.cut.z.test."])
@pytest.mark.parametrize("count", [HOST_MAX - 1, HOST_MAX, HOST_MAX + 1, 1000])
def test_more_hosts_than_are_looked_up_at_once(tmp_path, count, name):
    reply = ask(answerer_of(tmp_path, HEAD + servers(count, "cut")), name, "A")
    assert reply.rcode == NOERROR and not reply.flags & TC and len(reply.authority) == count
    hosts = {(name_to_wire("n%d.cut.z.test." % i), bytes((10, 0, i // 250, i % 250))) for i in range(count)}
    assert {(rr[0], rr[4]) for rr in reply.additional} == hosts and len(reply.additional) == count


def test_glue_is_not_left_out_without_a_word(tmp_path):
    """2,000 servers and a part of their addresses fill a message of TCP."""
    answerer = answerer_of(tmp_path, HEAD + servers(2000, "cut"))
    reply = ask(answerer, "www.cut.z.test.", "A")
    assert reply.flags & TC and len(reply.authority) == 2000 and HOST_MAX < len(reply.additional) < 2000


@pytest.mark.parametrize("count", [230, 250, 400])
def test_hosts_out_of_pointers_reach(tmp_path, count):
    """Their names stand in an NS RRset that goes on where no pointer leads: their addresses have them in full."""
    labels = ["%s%03d" % ("n" * 60, i) for i in range(count)]
    text = HEAD + "".join("cut NS %s.cut\n%s.cut A 10.0.%d.%d\n" % (label, label, i // 250, i % 250)
                          for i, label in enumerate(labels))
    reply = ask(answerer_of(tmp_path, text), "www.cut.z.test.", "A")
    assert reply.rcode == NOERROR and not reply.flags & TC and len(reply.authority) == count
    assert {(rr[0], rr[4]) for rr in reply.additional} == {
        (name_to_wire(label + ".cut.z.test."), bytes((10, 0, i // 250, i % 250))) for i, label in enumerate(labels)}
    assert len(reply.additional) == count


def test_many_hosts_below_the_cut_and_beside_it(tmp_path):
    """All addresses of those below it, and of the others what there is room for, wherever they stand among them."""
    text = HEAD + servers(300, "cut") + "".join("cut NS a%d\na%d A 192.0.2.9\n" % (i, i) for i in range(70))
    reply = ask(answerer_of(tmp_path, text), "www.cut.z.test.", "A")
    assert not reply.flags & TC and len(reply.authority) == 370
    glue = {name_to_wire("n%d.cut.z.test." % i) for i in range(300)}
    others = {name_to_wire("a%d.z.test." % i) for i in range(70)}
    owners = [rr[0] for rr in reply.additional]
    assert glue < set(owners) <= glue | others and len(owners) == len(set(owners))


@pytest.mark.parametrize("count", [64, 65, 200, HOST_MAX])
@pytest.mark.parametrize("name, rtype", [("mx", "MX"), ("x.sub", "A")])
def test_hosts_beside_fill_a_message_too(tmp_path, count, name, rtype):
    """As many as there is room for: over TCP those of a long MX RRset, or of a cut with servers elsewhere in the zone."""
    text = HEAD + "".join("mx MX 1 h%d\nsub NS h%d\nh%d A 192.0.2.9\n" % (i, i, i) for i in range(count))
    reply = ask(answerer_of(tmp_path, text), name + ".z.test.", rtype)
    assert not reply.flags & TC
    assert {rr[0] for rr in reply.additional} == {name_to_wire("h%d.z.test." % i) for i in range(count)}


@pytest.mark.parametrize("count", [200, 900])
def test_the_proof_behind_many_servers(tmp_path, count):
    """That there is no DS stands behind an NS RRset that ends out of pointers' reach, and in no piece of TC."""
    text = HEAD + servers(count, "other-zone-with-a-long-name.example.")
    reply = ask(answerer_of(tmp_path, text, "nsec3"), "www.cut.z.test.", "A", "do")
    assert reply.rcode == NOERROR and not reply.flags & (AA | TC)
    assert sum(rr[1] == TYPES["NS"] for rr in reply.authority) == count
    assert {rr[1] for rr in reply.authority} == {TYPES["NS"], TYPES["NSEC3"], TYPES["RRSIG"]}


@pytest.mark.parametrize("denial, proof", [(None, None), ("nsec", "NSEC"), ("nsec3", "NSEC3")])
def test_servers_and_proof_or_tc(tmp_path, denial, proof):
    """Whatever there is room for: NS or proof are not left out without TC."""
    answerer = answerer_of(tmp_path, HEAD + servers(30, "other-zone-with-a-long-name.example."), denial, tcp=False)
    try:
        messages = answerer.ask([query("www.cut.z.test.", "A", "do", size=size) for size in range(512, 1233)])
    finally:
        answerer.stop()
    seen = set()
    for message in messages:
        reply = parse(message, strict=True)
        kinds = [rr[1] for rr in reply.authority]
        whole = kinds.count(TYPES["NS"]) == 30 and (proof is None or TYPES[proof] in kinds)
        assert whole != bool(reply.flags & TC)
        seen.add(whole)
    assert seen == {True, False}


def is_covered(name, rr):
    """True if this NSEC or NSEC3 record (of an unsalted chain, no iterations) says that the name is not there."""
    if rr[1] == TYPES["NSEC"]:
        first, mine = (labels_of(wire)[::-1] for wire in (rr[0], name_to_wire(name)))
        after = labels_of(rr[4][:rr[4].index(b"\0") + 1])[::-1]
        return first < mine and (mine < after or after == first[:2])
    if rr[1] != TYPES["NSEC3"]:
        return False
    mine = dns.dnssec.nsec3_hash(name, b"", 0, 1).lower().encode()
    first, after = rr[0][1:33], base64.b32encode(rr[4][6:26]).translate(TO_HEX).lower()
    return first < mine < after or (after <= first and (mine > first or mine < after))


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
@pytest.mark.parametrize("links", [2, 10, 13, 14, 15])
def test_the_proofs_of_a_chain_of_wildcards(tmp_path, denial, links):
    """Each wildcard needs a proof that nothing closer is there, and the end its own: none is left out."""
    text = HEAD + "".join("*.a%d CNAME x.a%d\n" % (i, i + 1) for i in range(links)) + "*.a%d TXT end\n" % links
    reply = ask(answerer_of(tmp_path, text, denial), "x.a0.z.test.", "A", "do")
    assert reply.rcode == NOERROR and not reply.flags & TC
    assert sum(rr[1] == TYPES["CNAME"] for rr in reply.answer) == links
    assert TYPES["SOA"] in {rr[1] for rr in reply.authority}
    absent = ["x.a%d.z.test." % i for i in range(links + 1)]
    for name in absent:
        assert any(is_covered(name, rr) for rr in reply.authority), name


def test_what_was_left_out_before_is_forgotten(tmp_path):
    """A referral without addresses is whole, though the one before it in this place was not."""
    text = HEAD + servers(20, "cut") + "out NS ns.other.test.\nto CNAME www.out\n"
    answerer = answerer_of(tmp_path, text, tcp=False)
    try:
        replies = [parse(answerer.ask([query(name + ".z.test.", "A")])[0], strict=True)
                   for name in ("www.cut", "www.out", "www.cut", "to")]
    finally:
        answerer.stop()
    assert [bool(reply.flags & TC) for reply in replies] == [True, False, True, False]
    assert all(reply.authority for reply in replies)


def test_a_referral_has_an_address_or_tc(tmp_path):
    """At the end of an alias too, with the proof of its wildcard before it: whatever there is room for."""
    target = "%s.%s.cut" % ("x" * 63, "y" * 63)
    text = HEAD + "*.w CNAME %s\ncut NS ns.sib\nsib NS ns.sib\nns.sib A 192.0.2.1\n" % target
    text += "ns.sib AAAA 2001:db8::1\n"
    answerer = answerer_of(tmp_path, text, "nsec", tcp=False)
    sizes = range(512, 1233)
    try:
        messages = answerer.ask([query("x.w.z.test.", "A", "do", size=size) for size in sizes])
    finally:
        answerer.stop()
    seen = set()
    for size, message in zip(sizes, messages):
        reply = parse(message, strict=True)
        referred = any(rr[1] == TYPES["NS"] for rr in reply.authority)
        addresses = sum(rr[1] in (TYPES["A"], TYPES["AAAA"]) for rr in reply.additional)
        truncated = bool(reply.flags & TC)
        seen.add((referred, addresses, truncated))
        assert addresses or truncated, size
    # One is enough, of a host that is not below the cut.
    assert {(True, 2, False), (True, 1, False), (True, 0, True)} <= seen
    assert (True, 1, True) not in seen
