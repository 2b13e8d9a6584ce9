# SPDX-License-Identifier: Apache-2.0
"""Answers behind the first 16 KB of a message, where no compression pointer leads (RFC 1035 section 4.1.4).

A CNAME with a signature of that size comes first, so whatever its chain leads to stands there. What wildcards make is
the hardest of it: their bodies are carved for another owner than the one that is written.
"""
import base64

import pytest

import stele
from dnswire import AA, NOERROR, TC, TYPES, name_to_wire, parse, query

# 192 and 192 bytes: with those of the zone no more than 255, but together far more.
LONG, TAIL = (".".join(letter * 61 for letter in letters) for letters in ("abc", "xyz"))
FAR = base64.b64encode(bytes(16500)).decode()

ZONE = """$TTL 300
$ORIGIN z.test.
@ SOA ns hostmaster 1 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
*.w MX 10 {tail}.w
*.v MX 10 m1.example.org.
*.v MX 20 m2.example.org.
*.u CNAME {tail}.u
{tail}.u A 192.0.2.9
""".format(tail=TAIL)

# First name, where it leads to, the type asked for, what the name at the end must have.
CASES = [
    ("w-long", LONG + ".w", "MX", [(10, TAIL + ".w.z.test.")]),
    ("w-short", "q.w", "MX", [(10, TAIL + ".w.z.test.")]),
    ("v-long", LONG + ".v", "MX", [(10, "m1.example.org."), (20, "m2.example.org.")]),
    ("v-short", "q.v", "MX", [(10, "m1.example.org."), (20, "m2.example.org.")]),
    ("u-long", LONG + ".u", "CNAME", TAIL + ".u.z.test."),
    ("u-short", "q.u", "CNAME", TAIL + ".u.z.test."),
]


@pytest.fixture(scope="module")
def answerer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("far")
    chains = ""
    for first, target, _, _ in CASES:
        # The name that the wildcard stands for is in reach of pointers as a target of the first, not of the second.
        for name, leads_to in ((first, target), ("via-" + first, "mid-" + first)):
            chains += "%s CNAME %s\n" % (name, leads_to)
            chains += "%s RRSIG CNAME 13 3 300 20301231000000 20200101000000 1 z.test. %s\n" % (name, FAR)
        chains += "mid-%s CNAME %s\n" % (first, target)
    (folder / "zone").write_text(ZONE + chains)
    stele.run("import", "--store", folder / "store", "--zone", "z.test.", folder / "zone")
    stele.run("build", "--store", folder / "store", "-o", folder / "image")
    running = stele.Answerer(folder / "image", tcp=True)
    yield running
    running.stop()


@pytest.mark.parametrize("first, target, rtype, expected", CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("edns", ["do", None])
@pytest.mark.parametrize("via", ["", "via-"])
def test_what_a_wildcard_makes(answerer, first, target, rtype, expected, edns, via):
    asked = "A" if rtype == "CNAME" else rtype
    message, = answerer.ask([query(via + first + ".z.test.", asked, edns)])
    assert message is not None
    reply = parse(message, strict=True)
    assert reply.rcode == NOERROR and reply.flags & AA and not reply.flags & TC
    assert (len(message) > 16500) == (edns == "do")
    owner = name_to_wire(target + ".z.test.")
    found = sorted(rr[4] for rr in reply.answer if rr[0] == owner and rr[1] == TYPES[rtype])
    if rtype == "MX":
        assert found == [number.to_bytes(2, "big") + name_to_wire(host) for number, host in expected]
    else:
        assert found == [name_to_wire(expected)]
        addresses = [rr[4] for rr in reply.answer if rr[0] == found[0] and rr[1] == TYPES["A"]]
        assert addresses == [bytes((192, 0, 2, 9))]
    # Nothing of another owner.
    known = {name_to_wire(via + first + ".z.test."), owner}
    known |= {name_to_wire("mid-%s.z.test." % first)} if via else set()
    known |= {found[0]} if rtype == "CNAME" else set()
    assert {rr[0] for rr in reply.answer} == known


def reply_of(folder, zone, text, name, rtype, edns=None):
    (folder / "zone").write_text("$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n" + text)
    stele.run("import", "--store", folder / "store", "--zone", zone, folder / "zone")
    stele.run("build", "--store", folder / "store", "-o", folder / "image")
    running = stele.Answerer(folder / "image", tcp=True)
    try:
        return parse(running.ask([query(name, rtype, edns)])[0], strict=True)
    finally:
        running.stop()


def test_a_body_that_points_into_itself(tmp_path):
    """Behind another RRset of the name in the question."""
    text = "".join("big A 10.0.%d.%d\n" % (i // 250, i % 250) for i in range(1200))
    text += "big MX 10 mx1.far.example.\nbig MX 20 mx2.far.example.\n"
    reply = reply_of(tmp_path, "z.test.", text, "big.z.test.", "ANY")
    assert sorted(rr[4] for rr in reply.answer if rr[1] == TYPES["MX"]) == [
        b"\0\x0a" + name_to_wire("mx1.far.example."), b"\0\x14" + name_to_wire("mx2.far.example.")]


def test_what_a_dname_makes(tmp_path):
    """The owner at its end is the target of a CNAME that stands there."""
    text = "a CNAME x.d\na RRSIG CNAME 13 3 300 20301231000000 20200101000000 1 z.test. %s\n" % FAR
    text += "d DNAME t\nx.t A 192.0.2.9\n"
    reply = reply_of(tmp_path, "z.test.", text, "a.z.test.", "A", "do")
    assert [rr[0] for rr in reply.answer if rr[1] != TYPES["RRSIG"]] == [
        name_to_wire(name + ".z.test.") for name in ("a", "d", "x.d", "x.t")]


def test_addresses_of_hosts(tmp_path):
    """That are named there, the second by a pointer to the first."""
    text = "a CNAME b\na RRSIG CNAME 13 3 300 20301231000000 20200101000000 1 z.test. %s\n" % FAR
    text += "b MX 10 ns\nc CNAME d\nc RRSIG CNAME 13 3 300 20301231000000 20200101000000 1 z.test. %s\n" % FAR
    text += "d MX 10 m1.far\nd MX 20 m2.far\nm1.far A 192.0.2.2\nm2.far A 192.0.2.3\n"
    for alias, hosts in (("a", ["ns"]), ("c", ["m1.far", "m2.far"])):
        reply = reply_of(tmp_path, "z.test.", text, alias + ".z.test.", "MX", "do")
        assert [rr[0] for rr in reply.additional if rr[1] == TYPES["A"]] == [
            name_to_wire(host + ".z.test.") for host in hosts]
