# SPDX-License-Identifier: Apache-2.0
"""The daemon's service over TLS: certificates, protocols, padding, and what is the same as over TCP."""
import os
import socket
import ssl
import struct
import warnings

import pytest

import dnswire
import service
import stele

ZONE = os.path.join(stele.ROOT, "tests/golden/zones/nsec3.test.zone")
SMALL = dnswire.query("nsec3.test.", "SOA")
PADDED = dnswire.query("nsec3.test.", "SOA", "do", options=b"\0\x0c\0\0")
NOTIFY = dnswire.query("now.test.", "SOA", opcode=4)


@pytest.fixture(scope="module")
def image():
    with stele.Stele([("nsec3.test", ZONE)]) as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return service.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(authority):
    return authority.issue("ns.service.test")


def section(pair, client_ca=None):
    return "certificate: %s\nkey: %s" % pair + ("\nclient_ca: %s" % client_ca if client_ca else "")


@pytest.fixture
def running(image, authority, server):
    with service.Service(image.image, tls=section(server, authority.certificate)) as made:
        yield made


def serial_of(connection):
    return ssl.DER_cert_to_PEM_cert(connection.sock.getpeercert(True))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("alpn", [(), ("dot",), ("h2", "dot")])
def test_versions_and_protocols(running, authority, version, alpn):
    context = service.client_context(ca=authority.certificate, alpn=alpn, version=version)
    with running.connect_tls(context) as connection:
        assert connection.sock.selected_alpn_protocol() == ("dot" if alpn else None)
        assert dnswire.parse(connection.ask(SMALL)).rcode == dnswire.NOERROR


def expect_failure(running, context):
    """With TLS 1.3 the client believes that it is done before the server has said no."""
    before = running.counters()["tls_failed"]
    with pytest.raises((OSError, EOFError)):
        with running.connect_tls(context) as connection:
            connection.ask(SMALL)
    assert running.wait_for(lambda c: c["tls_failed"] > before)["tls_failed"] == before + 1


def test_refused_handshakes(running, authority, tmp_path):
    expect_failure(running, service.client_context(alpn=("h2",)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = service.client_context(version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    expect_failure(running, old)
    stranger = service.Authority(tmp_path, "stranger").issue("ns.partner.test", "clientAuth")
    expect_failure(running, service.client_context(certificate=stranger))
    wrong_use = authority.issue("ns.partner.test", "serverAuth")
    expect_failure(running, service.client_context(certificate=wrong_use))
    with running.connect(port=running.tls_port) as connection:     # no TLS at all
        connection.send(SMALL)
        connection.is_closed()
    assert running.wait_for(lambda c: c["connections"] == 0)["connections"] == 0


def test_names_of_clients(running, authority):
    """The name of a certificate is what the issuer put into subjectAltName; CN is nobody's."""
    pair = authority.issue("ns.partner.test", "clientAuth")
    with running.connect_tls(service.client_context(certificate=pair)) as connection:
        assert b"tls 127.0.0.1 127.0.0.1 - ns.partner.test 65535" in connection.ask(NOTIFY)
    with running.connect_tls() as connection:
        assert b"tls 127.0.0.1 127.0.0.1 - - 65535" in connection.ask(NOTIFY)


def test_names_without_an_authority(image, server, authority):
    """Where no authority is believed, no certificate is asked for, and nobody has a name."""
    pair = authority.issue("ns.partner.test", "clientAuth")
    with service.Service(image.image, tls=section(server)) as running:
        with running.connect_tls(service.client_context(certificate=pair)) as connection:
            assert b"tls 127.0.0.1 127.0.0.1 - - 65535" in connection.ask(NOTIFY)


def test_name_outlives_the_connection(running, authority):
    """A request that is with a handler has its client's name, also when that is gone."""
    pair = authority.issue("ns.partner.test", "clientAuth")
    for _ in range(10):
        with running.connect_tls(service.client_context(certificate=pair)) as connection:
            connection.send(dnswire.query("held.test.", "SOA", opcode=4))
            connection.ask(SMALL)
            connection.reset()
    counters = running.wait_for(lambda c: c["connections"] == 0)
    assert (counters["connections"], counters["held"]) == (0, 10)
    running.release()
    counters = running.wait_for(lambda c: c["dropped"] + c["tls_replies"] == 20)
    assert (counters["tls_queries"], counters["tls_replies"], counters["dropped"]) == (20, 10, 10)


def test_resumption(running, authority):
    """With a ticket; the name of the certificate is in there."""
    context = service.client_context(certificate=authority.issue("ns.partner.test", "clientAuth"))
    with running.connect_tls(context) as connection:
        connection.ask(SMALL)
        session = connection.sock.session
    sock = socket.create_connection(("127.0.0.1", running.tls_port), timeout=20)
    with service.Connection(context.wrap_socket(sock, server_hostname="ns.service.test", session=session)) as again:
        assert again.sock.session_reused
        assert b"- ns.partner.test 65535" in again.ask(NOTIFY)


def test_padding(image, running):
    """RFC 8467: blocks of 468 bytes, for who pads, and only where nobody can look inside."""
    with running.connect_tls() as connection:
        reply = connection.ask(PADDED)
        assert len(reply) == 468
        at = reply.index(b"\0\x0c", len(reply) // 4)
        assert not any(reply[at + 4:]) and struct.unpack("!H", reply[at + 2:at + 4])[0] == len(reply) - at - 4
        large = connection.ask(dnswire.query("nsec3.test.", "ANY", "do", options=b"\0\x0c\0\x05hello"))
        assert len(large) > 468 and len(large) % 468 == 0
        unpadded = dnswire.query("nsec3.test.", "SOA", "do")
        assert connection.ask(unpadded)[2:] == image.ask([unpadded], tcp=True)[0][2:]
    with running.connect() as connection:
        assert connection.ask(PADDED)[2:] == image.ask([PADDED], tcp=True)[0][2:]


def test_pipelining_and_large_output(image, running):
    large = dnswire.query("nsec3.test.", "ANY", "do")
    wanted = image.ask([large], tcp=True)[0][2:]
    with running.connect_tls() as connection:
        connection.send(*[struct.pack("!H", i) + large[2:] for i in range(2000)])
        for i in range(2000):
            assert connection.receive() == struct.pack("!H", i) + wanted
        connection.send(dnswire.query("3000.5000.test.", "AXFR"))
        assert sum(len(connection.receive()) for _ in range(3000)) == 3000 * 5000


def test_one_record_with_many_queries_and_many_records_with_one(running):
    """How messages are cut into records says nothing."""
    framed = struct.pack("!H", len(SMALL)) + SMALL
    with running.connect_tls() as connection:
        connection.sock.sendall(framed * 200)
        for _ in range(100):
            connection.sock.sendall(framed)
        for i in range(0, len(framed), 5):
            connection.sock.sendall(framed[i:i + 5])
        for _ in range(301):
            assert len(connection.receive()) > len(SMALL)


def test_goodbye(running):
    """A client that says goodbye gets what it asked for, and a goodbye."""
    with running.connect_tls() as connection:
        connection.send(SMALL)
        connection.receive()
        connection.sock.unwrap()
    assert running.wait_for(lambda c: c["connections"] == 0)["connections"] == 0


def test_transfers_need_tls_1_3(running):
    """RFC 9103 section 7.1."""
    for version, rcode in ((ssl.TLSVersion.TLSv1_2, dnswire.REFUSED), (ssl.TLSVersion.TLSv1_3, dnswire.NOERROR)):
        with running.connect_tls(service.client_context(version=version)) as connection:
            assert connection.ask(dnswire.query("1.100.test.", "AXFR"))[3] & 15 == rcode


def test_reload(image, authority, server, tmp_path):
    """New connections have the new certificate, those that are open go on."""
    other = service.Authority(tmp_path, "other")
    with service.Service(image.image, tls=section(server, authority.certificate), threads=2,
                         tcp="idle: 300s") as running:     # certificates are made while one is open
        old = running.connect_tls(service.client_context(certificate=authority.issue("old.test", "clientAuth")))
        old.ask(SMALL)
        first = serial_of(old)
        assert running.reload(tls=section(other.issue("ns.service.test"), other.certificate)) == "ok"
        # Loops get it one after another.
        running.counters()
        with running.connect_tls(service.client_context(
                ca=other.certificate, certificate=other.issue("new.test", "clientAuth"))) as new:
            assert serial_of(new) != first
            assert b"- new.test " in new.ask(NOTIFY)
        expect_failure(running, service.client_context(certificate=authority.issue("old.test", "clientAuth")))
        assert b"- old.test " in old.ask(NOTIFY)

        # One that is wrong changes nothing.
        broken = tmp_path / "broken.pem"
        broken.write_text("-----BEGIN CERTIFICATE-----\n")
        answer = running.reload(tls="certificate: %s\nkey: %s" % (broken, server[1]))
        assert answer.startswith(str(broken))
        answer = running.reload(tls="certificate: %s\nkey: %s" % (server[0], other.key))
        assert answer.startswith(other.key)
        assert "no.such" in running.reload(tls="certificate: /no.such/file\nkey: %s" % server[1])
        with running.connect_tls(service.client_context(ca=other.certificate)) as new:
            new.ask(SMALL)
        old.close()


def test_certificate_that_is_dropped(image, authority, server):
    """What is listened on is so until the next start, and answers with what it has."""
    with service.Service(image.image, tls=section(server)) as running:
        running.tls = None
        for _ in range(2):
            assert running.reload() == "ok"
            # The loop has had its turn when it has answered twice.
            with running.connect() as connection:
                for _ in range(2):
                    connection.ask(SMALL)
            with running.connect_tls(service.client_context(ca=authority.certificate)) as connection:
                connection.ask(SMALL)


def test_slow_reader(running):
    """As over TCP: not read from while it takes nothing."""
    with running.connect_tls() as connection:
        connection.send(dnswire.query("20000.20000.test.", "AXFR"), *[SMALL] * 100)
        for _ in range(150):
            connection.receive()
        assert running.counters()["tls_queries"] == 101
    counters = running.wait_for(lambda c: c["connections"] == 0)
    assert counters["transfers_out_failed"] == 1
