# SPDX-License-Identifier: Apache-2.0
"""Hostile messages: the header, names and EDNS lines of docs/conformance.md, each by name.

All go to one process of `stele-compile answer`, and behind each comes an ordinary query, so that a
crash, a lost reply and a reply out of step are seen where they happen.
"""
import random

import pytest

import dnswire
import messages
import stele
import worlds

ALL = [("header", x) for x in messages.HEADER] + [("names", x) for x in messages.NAMES] + [
    ("edns", x) for x in messages.EDNS]


@pytest.fixture(scope="module")
def server():
    zones = [(name, path) for name, path in worlds.hand_written() if name in (messages.ZONE, messages.SHORT,
                                                                             "big.test.")]
    with stele.Stele(zones, cookie_secret="00112233445566778899aabbccddeeff") as running:
        yield running


def ordinary(server, tcp):
    """The process still answers, and in step."""
    sent = dnswire.query("Ns1.names.test.", "A", "do", dnswire.RD, qid=0xABCD)
    raw = server.ask([sent], tcp=tcp)[0]
    assert raw and raw[:2] == sent[:2]
    reply = dnswire.parse(raw, strict=True)
    assert reply.rcode == 0 and len(reply.answer) == 1 and reply.flags == 0x8000 | dnswire.AA | dnswire.RD


def outcome(message, raw):
    """SILENCE or the rcode; a reply must be one to this message."""
    if raw is None:
        return messages.SILENCE
    assert raw[:2] == message[:2], "another id"
    reply = dnswire.parse(raw, strict=True)
    assert reply.flags & dnswire.QR, "not a response"
    assert reply.opcode == message[2] >> 3 & 15, "another opcode"
    assert not reply.flags & dnswire.AD and not reply.flags & dnswire.RA
    if reply.rcode:
        assert not reply.answer
    return reply.rcode


@pytest.mark.parametrize("case", [pytest.param(x, id="%s: %s" % (kind, x.name)) for kind, x in ALL])
def test_message(case, server):
    raw = server.ask([case.message], tcp=case.tcp)[0]
    assert outcome(case.message, raw) in case.allowed
    ordinary(server, case.tcp)


@pytest.mark.parametrize("case", [pytest.param(x, id=x.name) for _, x in ALL if not x.tcp])
def test_message_over_tcp(case, server):
    """The transport changes neither; only a transfer is another matter."""
    raw = server.ask([case.message], tcp=True)[0]
    if case.name != "AXFR over UDP":
        assert outcome(case.message, raw) in case.allowed
    ordinary(server, True)


@pytest.mark.parametrize("size", [*range(16), 41, 60, 1000])
def test_cookies_are_as_any_option_where_they_are_off(size, server):
    """RFC 6891 6.1.2: who does not know an option ignores it."""
    answerer = stele.Answerer(server.image)
    try:
        reply = dnswire.parse(answerer.ask([messages.cookie(size)])[0], strict=True)
    finally:
        answerer.stop()
    assert (reply.rcode, len(reply.answer)) == (0, 1)


@pytest.mark.parametrize("size", [0, 1, 511, 512])
def test_small_edns_sizes_mean_512(size, server):
    """RFC 6891 6.2.3: a requestor's size below 512 is treated as 512."""
    for qname in ("a29.big.test.", "a31.big.test."):
        message = messages.header(ar=1) + dnswire.name_to_wire(qname) + messages.QA + dnswire.opt_record(size=size)
        raw = server.ask([message])[0]
        assert len(raw) <= 512
        assert bool(dnswire.parse(raw).flags & dnswire.TC) == (qname == "a31.big.test.")


def test_largest_edns_size_is_clamped(server):
    """RFC 9715: a reply over UDP stays within 1232 bytes whatever the requestor offers."""
    message = messages.header(ar=1) + dnswire.name_to_wire("a300.big.test.") + messages.QA
    raw = server.ask([message + dnswire.opt_record(size=65535)])[0]
    assert len(raw) <= 1232 and dnswire.parse(raw).flags & dnswire.TC


def test_badvers_tells_the_version(server):
    """RFC 6891 6.1.3: the reply has an OPT record with the highest version that is known, and no data."""
    raw = server.ask([messages.with_opt(dnswire.opt_record(version=7))])[0]
    reply = dnswire.parse(raw)
    assert reply.rcode == dnswire.BADVERS and reply.opt[0] == 0 and not reply.answer


def test_question_comes_back_byte_for_byte(server):
    """The case of the question is the client's, in every kind of reply."""
    for text in ("nS1.NaMeS.tEsT.", "NoThInG.nAmEs.TeSt.", "WWW.elseWHERE.Example.", "X.cUt\\000.names.TEST."):
        message = dnswire.query(text, "A", "plain")
        raw = server.ask([message])[0]
        question = dnswire.name_to_wire(text) + messages.QA
        assert raw[12:12 + len(question)] == question


def test_every_truncation_of_a_query(server):
    """A query cut at each byte gives FORMERR or silence, never an answer."""
    whole = messages.with_opt(dnswire.opt_record(options=dnswire.option(3, b"") + dnswire.option(10, b"c" * 8)))
    for size in range(len(whole)):
        raw = server.ask([whole[:size]])[0]
        assert outcome(whole, raw) in messages.BROKEN, "cut at %d" % size
    ordinary(server, False)


def test_every_byte_changed(server):
    """Each byte of a query in turn takes each of some values; every reply is a message."""
    whole = messages.with_opt(dnswire.opt_record(do=True, options=dnswire.option(10, b"c" * 8)))
    changed = [whole[:i] + bytes([value]) + whole[i + 1:] for i in range(2, len(whole))
               for value in (0, 1, 0x3F, 0x40, 0x80, 0xC0, 0xC1, 0xFF)]
    for message, raw in zip(changed, server.ask(changed)):
        outcome(message, raw)
    ordinary(server, False)


def test_random_bytes(server):
    """Noise, half of it behind a plausible header."""
    rng = random.Random(1)
    noise = []
    for _ in range(5000):
        body = bytes(rng.randrange(256) for _ in range(rng.choice([0, 1, 5, 12, 20, 40, 100])))
        head = messages.header(*(rng.choice([0, 0, 1, 2]) for _ in range(4)), flags=rng.choice([0, RD_OR_CD]))
        noise.append(body if rng.random() < 0.5 else head + body)
    for message, raw in zip(noise, server.ask(noise)):
        if raw is not None:
            outcome(message, raw)
    ordinary(server, False)


RD_OR_CD = dnswire.RD | dnswire.CD
