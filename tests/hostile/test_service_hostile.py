# SPDX-License-Identifier: Apache-2.0
"""Hostile messages and byte streams at the daemon's service: signed ones, those that are for handlers, noise."""
import random
import socket
import struct

import dns.message
import dns.tsigkeyring
import pytest

import dnswire
import messages
import service
import stele
import test_hostile
import worlds

ORDINARY = dnswire.query("Ns1.names.test.", "A", "do", dnswire.RD, qid=0xABCD)
TSIG = 250
KEY, SECRET = service.KEYS["hmac-sha256"]


@pytest.fixture(scope="module")
def world():
    zones = [(name, path) for name, path in worlds.hand_written() if name in (messages.ZONE, messages.SHORT)]
    with stele.Stele(zones) as image:
        with service.Service(image.image, cookies="enabled: false",
                             tcp="transfers: 1000\nhandshake: 60s\nidle: 60s") as running:
            yield image, running


def at_rest(counters):
    asked, replied = (sum(counters[x + what] for x in ("udp", "tcp", "tls")) for what in ("_queries", "_replies"))
    return counters["connections"] == 0 and asked == counters["dropped"] + replied


def still_answers(running):
    with running.connect() as connection:
        reply = dnswire.parse(connection.ask(ORDINARY), strict=True)
    assert (reply.rcode, len(reply.answer)) == (0, 1)
    assert at_rest(running.wait_for(at_rest))


@pytest.mark.parametrize("case", [pytest.param(x, id=x.name) for _, x in test_hostile.ALL])
def test_message(case, world):
    """Over TCP, with an ordinary query right behind it: the same as from the engine, or the end."""
    image, running = world
    wanted = image.ask([case.message], tcp=True)[0]
    with running.connect() as connection:
        connection.send(case.message, ORDINARY)
        if len(case.message) < 12:
            with pytest.raises((EOFError, ConnectionResetError)):
                connection.receive()
        else:
            first = connection.receive()
            if first[:2] != ORDINARY[:2]:
                if wanted is not None:
                    assert first == wanted
                test_hostile.outcome(case.message, first)
                first = connection.receive()
            else:
                assert wanted is None
            assert first[:2] == ORDINARY[:2]
    still_answers(running)


def signed(opcode=0, name="now.names.test."):
    message = dns.message.from_wire(dnswire.query(name, "SOA", "plain", qid=0x1234, opcode=opcode))
    message.use_tsig(dns.tsigkeyring.from_text({KEY: SECRET}), KEY)
    return message.to_wire()


@pytest.mark.parametrize("opcode", [0, 4, 5])
def test_every_byte_of_a_signed_message(world, opcode):
    """None but the true one reaches a handler or the engine, but for its id, which a signature lets change."""
    _, running = world
    whole = signed(opcode)
    before = running.counters()["tsig_bad"]
    with running.connect() as connection:
        for i in range(2, len(whole)):
            for value in (whole[i] ^ 1, whole[i] ^ 0x80, 0, 0xC0):
                if value == whole[i]:
                    continue
                connection.send(whole[:i] + bytes([value]) + whole[i + 1:], ORDINARY)
                reply = connection.receive()
                if reply[:2] != ORDINARY[:2]:
                    parsed = dnswire.parse(reply, strict=True)
                    # It may have become one without a signature, for who accepts that. Letters of the key's
                    # name have no case; then it is as good as it was.
                    if parsed.rcode == 0 and any(rr[1] == TSIG for rr in parsed.additional):
                        assert chr(whole[i]).lower() == chr(value).lower(), i
                    elif parsed.rcode == 0 and opcode != 0:
                        assert b" - - " in reply, i
                    assert connection.receive()[:2] == ORDINARY[:2]
    assert running.counters()["tsig_bad"] > before
    still_answers(running)


@pytest.mark.parametrize("opcode", [0, 4, 5])
def test_every_truncation_of_a_signed_message(world, opcode):
    _, running = world
    whole = signed(opcode)
    for size in range(12, len(whole)):
        with running.connect() as connection:
            connection.send(whole[:size], ORDINARY)
            reply = connection.receive()
            assert reply[:2] == ORDINARY[:2] or opcode != 0 or reply[3] & 15 in (1, 9)
    still_answers(running)


@pytest.mark.parametrize("opcode", [4, 5])
def test_every_truncation_of_what_handlers_get(world, opcode):
    _, running = world
    whole = dnswire.query("now.names.test.", "SOA", "plain", qid=0x1234, opcode=opcode)
    with running.connect() as connection:
        for size in range(12, len(whole)):
            connection.send(whole[:size], ORDINARY)
            replies = [connection.receive(), connection.receive()]
            assert ORDINARY[:2] in [reply[:2] for reply in replies]
            assert sorted(reply[3] & 15 for reply in replies) == [dnswire.NOERROR, dnswire.FORMERR]
        assert connection.ask(whole + b"x")[3] & 15 == dnswire.FORMERR
    still_answers(running)


@pytest.mark.parametrize("opcode", [4, 5])
def test_edns_of_what_handlers_get(world, opcode):
    """As of queries (RFC 6891 section 6.1): one OPT, at the root, in the additional section, with the version that
    there is."""
    _, running = world
    whole, opt = dnswire.query("now.names.test.", "SOA", qid=0x1234, opcode=opcode), dnswire.opt_record
    with running.connect() as connection:
        for records, counts, rcode in (
                (opt(), (0, 0, 1), dnswire.NOERROR), (opt(version=1), (0, 0, 1), dnswire.BADVERS),
                (opt(version=255), (0, 0, 1), dnswire.BADVERS), (opt() + opt(), (0, 0, 2), dnswire.FORMERR),
                (opt(owner=b"\1a\0"), (0, 0, 1), dnswire.FORMERR), (opt(), (1, 0, 0), dnswire.FORMERR),
                (opt(), (0, 1, 0), dnswire.FORMERR)):
            reply = connection.ask(whole[:6] + struct.pack("!HHH", *counts) + whole[12:] + records)
            assert dnswire.parse(reply).rcode == rcode, (records, counts)
    still_answers(running)


def test_noise_on_connections(world):
    """Lengths that fit or not, messages that are some or none."""
    _, running = world
    rng = random.Random(3)
    pool = [x.message for _, x in test_hostile.ALL if not x.tcp] + [ORDINARY, signed(), signed(4), signed(5),
            dnswire.query("3.2000.names.test.", "AXFR")]
    for _ in range(300):
        stream = bytearray()
        for _ in range(rng.randrange(1, 12)):
            message = rng.choice(pool)
            size = len(message) if rng.random() < 0.9 else rng.randrange(65536)
            stream += struct.pack("!H", size) + message
            if rng.random() < 0.1:
                stream += rng.randbytes(rng.randrange(40))
        with running.connect() as connection:
            connection.sock.settimeout(0.005)
            try:
                at = 0
                while at < len(stream):
                    step = rng.choice([1, 2, 3, 50, 1000, 100000])
                    connection.sock.sendall(stream[at:at + step])
                    at += step
                if rng.random() < 0.5:
                    connection.sock.shutdown(socket.SHUT_WR)
                while connection.sock.recv(65536):
                    pass
            except OSError:
                pass
    still_answers(running)


def test_noise_in_datagrams(world):
    _, running = world
    rng = random.Random(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", running.port))
        for i in range(3000):
            base = rng.choice([signed(rng.choice([0, 4, 5])), ORDINARY, b""])
            message = bytearray(base + (rng.randbytes(rng.randrange(60)) if rng.random() < 0.3 else b""))
            for _ in range(rng.randrange(4)):
                if message:
                    message[rng.randrange(len(message))] = rng.randrange(256)
            sock.send(message)
            if i % 20 == 0:
                sock.settimeout(0.002)
                try:
                    while sock.recv(65535):
                        pass
                except OSError:
                    pass
    still_answers(running)


def test_largest_datagram(world):
    """65,507 bytes: what IPv4 can carry."""
    image, running = world
    message = ORDINARY[:10] + b"\0\1" + dnswire.query("Ns1.names.test.", "A")[12:] + b"\0\0\x29\x04\xd0\0\0\0\0"
    fill = 65507 - len(message) - 2 - 4
    message += struct.pack("!HHH", fill + 4, 65001, fill) + bytes(fill)
    assert len(message) == 65507
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", running.port))
        sock.send(message)
        assert sock.recv(65535) == image.ask([message])[0]
