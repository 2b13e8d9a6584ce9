# SPDX-License-Identifier: Apache-2.0
"""Signed messages at the daemon's service (RFC 8945), with dnspython on the other side."""
import os
import socket
import struct
import time

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.tsigkeyring
import pytest

import dnswire
import service
import stele

ZONE = os.path.join(stele.ROOT, "tests/golden/zones/nsec3.test.zone")
ALGORITHMS = sorted(service.KEYS)
RING = dns.tsigkeyring.from_text({name: (algorithm, secret) for algorithm, (name, secret) in service.KEYS.items()})
SIG0 = b"\0" + struct.pack("!HHIH", 24, 255, 0, 19) + b"\0\0\x0d\0" + b"\0" * 15


@pytest.fixture(scope="module")
def image():
    with stele.Stele([("nsec3.test", ZONE)]) as made:
        yield made


@pytest.fixture(scope="module")
def running(image, tmp_path_factory):
    pair = service.Authority(tmp_path_factory.mktemp("ca")).issue("ns.service.test")
    with service.Service(image.image, threads=2, tls="certificate: %s\nkey: %s" % pair) as made:
        yield made


def signed(message, algorithm="hmac-sha256", ring=RING):
    message.use_tsig(ring, service.KEYS[algorithm][0])
    return message


def exchange(running, transport, wire):
    """One message there and one back, as bytes."""
    if transport == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.connect(("127.0.0.1", running.port))
            sock.send(wire)
            return sock.recv(65535)
    with running.connect() if transport == "tcp" else running.connect_tls() as connection:
        return connection.ask(wire)


def ask(running, message, transport="udp", ring=RING):
    """The verified reply of a signed message."""
    wire = message.to_wire()
    reply = exchange(running, transport, wire)
    return dns.message.from_wire(reply, keyring=ring, request_mac=message.mac)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_plain_query(image, running, transport, algorithm):
    """The answer is that of lib/answer, and signed."""
    for name in ("nsec3.test.", "nothing.there.nsec3.test.", "www.elsewhere."):
        query = dns.message.make_query(name, "SOA", want_dnssec=True)
        plain = query.to_wire()
        reply = ask(running, signed(query, algorithm), transport)
        assert reply.had_tsig and reply.tsig_error == 0
        wanted = dns.message.from_wire(image.ask([plain], tcp=transport != "udp")[0])
        if wanted.flags & dns.flags.TC:
            continue
        if not reply.flags & dns.flags.TC:
            assert (reply.answer, reply.authority, reply.rcode()) == (wanted.answer, wanted.authority, wanted.rcode())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_handlers_reply(running, algorithm):
    """Handlers know whose key it was, and how much room its signature leaves."""
    for transport in ("udp", "tcp", "tls"):
        for what in ("now", "slow-20"):
            message = dns.message.make_query(what + ".test.", "SOA")
            message.set_opcode(dns.opcode.NOTIFY)
            reply = ask(running, signed(message, algorithm), transport)
            assert reply.had_tsig
            text = reply.answer[0][0].strings[0].decode()
            kind, _, _, key, _, room = text.split()
            assert (kind, key) == (transport, service.KEYS[algorithm][0])
            assert int(room) < (512 if transport == "udp" else 65535)
    refused = dns.message.make_query("refuse-5.test.", "SOA")
    refused.set_opcode(dns.opcode.UPDATE)
    reply = ask(running, signed(refused, algorithm), "tcp")
    assert reply.had_tsig and reply.rcode() == dns.rcode.REFUSED


def test_room_for_the_signature(running):
    """However full, a signed reply is no longer than the client takes."""
    for size in (512, 600, 800, 1000, 1232):
        for name, rtype in (("nsec3.test.", "DNSKEY"), ("nsec3.test.", "ANY"), ("x.nsec3.test.", "A")):
            query = dns.message.make_query(name, rtype, use_edns=0, want_dnssec=True, payload=size)
            wire = signed(query, "hmac-sha512").to_wire()
            reply = exchange(running, "udp", wire)
            assert len(reply) <= size
            assert dns.message.from_wire(reply, keyring=RING, request_mac=query.mac).had_tsig


def refusal(running, wire):
    """(rcode, error in the TSIG or None, whether it has a MAC) of the reply to a bad message."""
    reply = exchange(running, "udp", wire)
    parsed = dnswire.parse(reply)
    tsig = [rr for rr in parsed.additional if rr[1] == 250]
    if not tsig:
        return parsed.rcode, None, False
    rdata = tsig[0][4]
    at = rdata.index(0) + 1     # behind the algorithm's name
    size = struct.unpack("!H", rdata[at + 8:at + 10])[0]
    return parsed.rcode, struct.unpack("!H", rdata[at + 10 + size + 2:at + 10 + size + 4])[0], size > 0


def test_refused(running, monkeypatch):
    """RFC 8945 section 5.2: which error, and whether it is signed."""
    before = running.counters()
    wire = signed(dns.message.make_query("nsec3.test.", "SOA")).to_wire()
    changed = wire[:14] + bytes([wire[14] ^ 1]) + wire[15:]
    assert refusal(running, changed) == (dns.rcode.NOTAUTH, 16, False)     # BADSIG
    other = dns.tsigkeyring.from_text({"no.such.key.": "c2VjcmV0IG9mIHRoZSBzZXJ2aWNlIHVuZGVyIHRlc3Qh"})
    message = dns.message.make_query("nsec3.test.", "SOA")
    message.use_tsig(other, "no.such.key.")
    assert refusal(running, message.to_wire()) == (dns.rcode.NOTAUTH, 17, False)     # BADKEY
    message = signed(dns.message.make_query("nsec3.test.", "SOA"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 1000)
    late = message.to_wire()
    monkeypatch.undo()
    assert refusal(running, late) == (dns.rcode.NOTAUTH, 18, True)     # BADTIME
    # The signature is not the last record: no signature.
    opt = b"\0\0\x29\x04\xd0" + b"\0" * 6
    count = struct.unpack("!H", wire[10:12])[0] + 1
    assert refusal(running, wire[:10] + struct.pack("!H", count) + wire[12:] + opt)[:2] == (dns.rcode.FORMERR, None)
    # Datagrams are counted when they are sent.
    counters = running.wait_for(lambda c: c["udp_replies"] - before["udp_replies"] == 4)
    assert counters["udp_replies"] - before["udp_replies"] == 4
    assert counters["tsig_bad"] - before["tsig_bad"] == 3


def test_updates_that_are_refused_reach_nobody(running):
    wire = dnswire.query("now.test.", "SOA", opcode=5)
    message = dns.message.from_wire(wire)
    bad = signed(message).to_wire()
    bad = bad[:14] + bytes([bad[14] ^ 1]) + bad[15:]
    reply = dnswire.parse(exchange(running, "tcp", bad))
    assert (reply.rcode, reply.answer) == (dns.rcode.NOTAUTH, ())


def test_a_signed_stream(running):
    """Each message has its signature, which goes on from that of the message before."""
    for transport in ("tcp", "tls"):
        query = signed(dns.message.make_query("300.2000.test.", "AXFR"), "hmac-sha384")
        wire = query.to_wire()
        context = None
        with running.connect() if transport == "tcp" else running.connect_tls() as connection:
            connection.send(wire)
            for i in range(300):
                reply = dns.message.from_wire(connection.receive(), keyring=RING, request_mac=query.mac,
                                              xfr=True, multi=True, tsig_ctx=context, one_rr_per_rrset=True)
                context = reply.tsig_ctx
                assert reply.had_tsig


def test_longest_signed_message(running):
    with running.connect() as connection:
        query = signed(dns.message.make_query("2.65535.test.", "AXFR"), "hmac-sha512")
        connection.send(query.to_wire())
        first = connection.receive()
        connection.receive()
        assert 65400 < len(first) <= 65535
        dns.message.from_wire(first, keyring=RING, request_mac=query.mac, xfr=True, multi=True)


def test_sig0(running):
    """Nobody here can check it: the answer says so, instead of answering as if nobody had signed."""
    query = dnswire.query("nsec3.test.", "SOA")
    query = query[:10] + b"\0\1" + query[12:] + SIG0
    reply = dnswire.parse(exchange(running, "udp", query))
    assert (reply.rcode, reply.answer) == (dnswire.NOTIMP, ())


def test_other_opcodes(running):
    message = dns.message.make_query("nsec3.test.", "SOA")
    message.set_opcode(dns.opcode.STATUS)
    reply = ask(running, signed(message))
    assert reply.had_tsig and reply.rcode() == dns.rcode.NOTIMP


def test_without_keys_and_after_a_reload(image):
    """Keys come and go while connections stay."""
    query = signed(dns.message.make_query("nsec3.test.", "SOA"))
    with service.Service(image.image) as running:
        with running.connect() as connection:
            def try_it():
                return dnswire.parse(connection.ask(query.to_wire())).rcode
            assert try_it() == dnswire.NOERROR
            with running.other_keys({"hmac-sha256": ("another.", service.KEYS["hmac-sha256"][1])}):
                assert running.reload() == "ok"
                running.counters()
                deadline = time.monotonic() + 60
                while try_it() != dns.rcode.NOTAUTH and time.monotonic() < deadline:
                    pass
                assert try_it() == dns.rcode.NOTAUTH
            assert running.reload() == "ok"
            deadline = time.monotonic() + 60
            while try_it() != dnswire.NOERROR and time.monotonic() < deadline:
                pass
            assert try_it() == dnswire.NOERROR
