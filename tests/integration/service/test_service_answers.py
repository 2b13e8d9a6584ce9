# SPDX-License-Identifier: Apache-2.0
"""The daemon's service gives the answers of lib/answer, whatever the transport."""
import os
import socket
import struct

import pytest

import asking
import dnswire
import netns
import peers
import questions
import service
import stele

ZONES = [(name, os.path.join(stele.ROOT, "tests/golden/zones", name + ".zone"))
         for name in ("nsec3.test", "plain.test", "nsec.test")]
OPCODE_STATUS = 2


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(the image with its answerers, a running service over it)"""
    certificate, key = service.Authority(tmp_path_factory.mktemp("ca")).issue("ns.service.test")
    with stele.Stele(ZONES) as image:
        with service.Service(image.image, threads=2, tls="certificate: %s\nkey: %s" % (certificate, key),
                             answers="nsid: here\nchaos:\n  version: seven") as running:
            yield image, running


def all_questions():
    asks = [ask.message for name, path in ZONES for ask in questions.questions(name, path, 7, 300)]
    # What no zone answers: other classes and opcodes, nothing at all, names of nobody.
    asks += [
        dnswire.query("www.elsewhere.", "A", "do"),
        dnswire.query("plain.test.", "SOA", qclass=4),
        dnswire.query("plain.test.", "SOA", opcode=OPCODE_STATUS),
        struct.pack("!HHHHHH", 0, 0, 0, 0, 0, 0),
        struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + b"\x03www",
        dnswire.query("plain.test.", "SOA", "plain") + b"garbage",
    ]
    return asks


def without_id(replies):
    return [reply and reply[2:] for reply in replies]


def ask_all(connection, asks):
    """Pipelined, a hundred at once; replies of lib/answer come in the order of the queries."""
    replies = []
    for start in range(0, len(asks), 100):
        part = asks[start:start + 100]
        connection.send(*part)
        replies += [connection.receive() for _ in part]
    return replies


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_same_as_the_engine(world, transport):
    image, running = world
    asks = all_questions()
    wanted = without_id(image.ask(asks, tcp=transport != "udp"))
    if transport == "udp":
        got = asking.ask_udp(running.port, asks, tries_max=40)     # all have a reply, if not at once
    else:
        with running.connect() if transport == "tcp" else running.connect_tls() as connection:
            got = ask_all(connection, asks)
    for ask, one, other in zip(asks, wanted, without_id(got)):
        assert one == other, dnswire.show(ask)


def test_what_is_never_answered(world):
    """Reflected responses, and less than a header."""
    _, running = world
    good = dnswire.query("plain.test.", "SOA", qid=4711)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", running.port))
        for message in (b"", b"\0" * 11, dnswire.query("plain.test.", "SOA", flags=dnswire.QR), good):
            sock.send(message)
        assert sock.recv(65535)[:2] == good[:2]


def test_settings(world):
    _, running = world
    with running.connect() as connection:
        reply = connection.ask(dnswire.query("version.bind.", "TXT", qclass=3))
        assert b"\x05seven" in reply
        reply = connection.ask(dnswire.query("plain.test.", "SOA", "plain", options=b"\0\3\0\0"))
        assert b"\0\3\0\4here" in reply


def test_before_there_is_an_image(world, tmp_path):
    image, _ = world
    ask = dnswire.query("www.plain.test.", "A", "do", qid=5)
    with service.Service(str(tmp_path / "none.image")) as running:
        reply = dnswire.parse(running.ask_udp(ask))
        assert (reply.rcode, reply.opt) == (dnswire.SERVFAIL, (0, True))
        with running.connect() as connection:
            assert dnswire.parse(connection.ask(ask)).rcode == dnswire.SERVFAIL
            assert b"\0\x0f\0\x02\0\x0e" in connection.ask(ask)     # EDE: not ready
            # Handlers have their work nevertheless: without NOTIFY, there may never be an image.
            assert b"tcp 127.0.0.1" in connection.ask(dnswire.query("now.test.", "SOA", opcode=4))
            assert connection.ask(dnswire.query("1.100.test.", "AXFR"))[3] & 15 == dnswire.NOERROR
            assert dnswire.parse(connection.ask(dnswire.query("a.", "A", opcode=2))).rcode == dnswire.NOTIMP
            assert running.command("image " + image.image) == "ok"
            assert without_id([connection.ask(ask)]) == without_id(image.ask([ask], tcp=True))


@pytest.mark.parametrize("listen, client, asked", [
    (["0.0.0.0"], "127.0.0.1", "127.0.0.2"),
    (["127.0.0.3"], "127.0.0.1", "127.0.0.3"),
    (["::"], "::1", "::1"),
    (["0.0.0.0", "::"], "127.0.0.9", "127.0.0.4"),
    (["0.0.0.0", "::1"], "::1", "::1"),
])
def test_addresses(world, listen, client, asked):
    """Replies leave from the address that was asked, which handlers are told too."""
    image, _ = world
    family = socket.AF_INET6 if ":" in asked else socket.AF_INET
    notify = dnswire.query("now.test.", "SOA", opcode=4, qid=77)
    with service.Service(image.image, listen=listen) as running:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.bind((client, 0))
            for message in (dnswire.query("plain.test.", "SOA", qid=3), notify):
                sock.sendto(message, (asked, running.port))
                reply, peer = sock.recvfrom(65535)
                assert peer[:2] == (asked, running.port)
                assert reply[:2] == message[:2]
        assert b"udp %s %s - - 512" % (client.encode(), asked.encode()) in reply
        with socket.create_connection((asked, running.port), timeout=20, source_address=(client, 0)) as sock:
            reply = service.Connection(sock).ask(notify)
        assert b"tcp %s %s - - 65535" % (client.encode(), asked.encode()) in reply


def test_an_address_that_is_taken(world, tmp_path):
    """Another server is not shared with, though the sockets of our loops share."""
    image, running = world
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = peers.free_port()     # one that the kernel chose might be that of a connection too
            other.bind(("127.0.0.1", port))
            if kind == socket.SOCK_STREAM:
                other.listen()
            listen = "listen:\n  - address: 127.0.0.1\n    port: %d\n" % port
            config = tmp_path / "config.yaml"
            config.write_text("store: /nowhere\nimage: /nowhere/image\ncontrol: /nowhere/control\n" + listen)
            with pytest.raises(RuntimeError, match="127.0.0.1 port %d/%s: bind: Address already in use" % (
                    port, "udp" if kind == socket.SOCK_DGRAM else "tcp")):
                service.start(str(config))


def test_udp_size(world):
    """Without EDNS 512 bytes, with it what the client takes, at most what is configured."""
    image, _ = world
    asks = [dnswire.query("nsec3.test.", "DNSKEY", "do"), dnswire.query("nsec3.test.", "ANY", "do")]
    with service.Service(image.image, answers="udp_size: 4096\nany_minimal: false") as running:
        for message in asks:
            tcp = image.ask([message], tcp=True)[0]
            udp = running.ask_udp(message)
            assert len(udp) <= 1232 and (len(tcp) > 1232) == bool(udp[2] & 2)


def ask_on_a_narrow_link(image, message):
    with service.Service(image.image, answers="udp_size: 4096\nany_minimal: false") as running:
        with running.connect() as connection:
            tcp = connection.ask(message)
        udp = running.ask_udp(message)
        return tcp, udp, running.counters()


def test_a_reply_that_is_longer_than_the_link_takes(world, namespaces):
    """It is no fragments and not lost, but truncated (RFC 9715)."""
    image, _ = world
    # EDNS with 4,096 bytes and DO.
    message = dnswire.query("nsec3.test.", "ANY", "do")
    message = message[:-8] + struct.pack("!H", 4096) + message[-6:]
    namespace = netns.Namespace("mtu")
    try:
        namespace.ip("link", "set", "lo", "mtu", "1000")
        tcp, udp, counters = namespace.call(ask_on_a_narrow_link, image, message)
    finally:
        namespace.remove()
    assert 1000 < len(tcp) < 4096
    parsed = dnswire.parse(udp)
    assert (parsed.flags & dnswire.TC, parsed.answer, parsed.opt) == (dnswire.TC, (), (0, True))
    assert (counters["udp_queries"], counters["udp_replies"], counters["dropped"]) == (1, 1, 0)
