# SPDX-License-Identifier: Apache-2.0
"""Zones over TLS (RFC 9103): whom a secondary believes, and that the zone comes over one connection."""
import contextlib
import socket
import ssl
import threading

import pytest

from certificates import Authority, pin
from fake_primary import NEXT, ZONE, FakePrimary, Keep, versions
from secondary import Secondary


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A CA, and another one that nobody knows."""
    folder = tmp_path_factory.mktemp("certificates")
    return Authority(folder), Authority(folder, "other")


def context(certificate, alpn=("dot",), newest=ssl.TLSVersion.TLSv1_3, client_ca=None):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    tls.maximum_version = newest
    if alpn:
        tls.set_alpn_protocols(list(alpn))
    if client_ca:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(client_ca)
    return tls


def remote(primary, **tls):
    items = ["enabled: true"] + ["%s: %s" % item for item in tls.items()]
    return "addresses: [127.0.0.1], port: %d, tls: {%s}" % (primary.port, ", ".join(items))


def taken(tls, **options):
    """A zone comes, and its changes come."""
    zone = versions()
    with FakePrimary(zone.answer, tls=tls) as primary, \
         Secondary([ZONE], [remote(primary, **options)]) as secondary:
        secondary.wait_serial(ZONE, 1)
        assert secondary.canonical(ZONE) == zone.canonical()
        primary.asked.clear()
        answered = primary.answered_cnt
        secondary.command("refresh", ZONE)
        secondary.wait(ZONE, lambda z: primary.answered_cnt == answered + 1)
        connections = primary.connection_cnt
        zone.versions[2] = NEXT
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)
        assert primary.connection_cnt == connections + 1
        assert secondary.canonical(ZONE) == zone.canonical()
        assert [q.type for q in primary.asked] == ["SOA", "SOA", "IXFR"]
        assert all(q.tcp for q in primary.asked)


def refused(tls, text, **options):
    zone = versions()
    with FakePrimary(zone.answer, tls=tls) as primary, \
         Secondary([ZONE], [remote(primary, **options)]) as secondary:
        entry = secondary.wait(ZONE, lambda z: z["error"])
        assert text in entry["error"] and not entry["loaded"]
        assert not primary.asked


@pytest.mark.parametrize("name", ["xfr.test", "xfr.test.", "XFR.Test"])
def test_name(world, name):
    """With or without the last dot, as names elsewhere; in a certificate, and in TLS, it has none."""
    ca, _ = world
    asked = []
    tls = context(ca.issue("xfr.test"))
    tls.sni_callback = lambda connection, server_name, context: asked.append(server_name)
    taken(tls, name=name, ca=ca.ca)
    assert {server_name.lower() for server_name in asked} == {"xfr.test"}


def test_address(world):
    ca, _ = world
    taken(context(ca.issue("address", "IP:127.0.0.1")), ca=ca.ca)


def test_wrong_name(world):
    ca, _ = world
    refused(context(ca.issue("wrong.test")), "certificate", name="xfr.test", ca=ca.ca)
    refused(context(ca.issue("wrong2.test")), "certificate", ca=ca.ca)


def test_common_name_does_not_count(world):
    ca, _ = world
    refused(context(ca.issue("xfr2.test", "DNS:other.test")), "certificate", name="xfr2.test", ca=ca.ca)


def test_unknown_authority(world):
    ca, other = world
    refused(context(other.issue("xfr.test")), "certificate", name="xfr.test", ca=ca.ca)
    refused(context(other.issue("xfr.test")), "certificate", name="xfr.test")


def test_pins(world):
    _, other = world
    certificate = other.issue("pinned.test")
    taken(context(certificate), pins='["%s"]' % pin(certificate[0]))
    elsewhere = other.issue("elsewhere.test")
    refused(context(certificate), "none of the pins", pins='["%s"]' % pin(elsewhere[0]))


def test_tls_1_2_is_too_old(world):
    ca, _ = world
    refused(context(ca.issue("xfr.test"), newest=ssl.TLSVersion.TLSv1_2), "TLS", name="xfr.test",
            ca=ca.ca)


@pytest.mark.parametrize("alpn", [(), ("h2",)])
def test_alpn(world, alpn):
    ca, _ = world
    zone = versions()
    with FakePrimary(zone.answer, tls=context(ca.issue("xfr.test"), alpn)) as primary, \
         Secondary([ZONE], [remote(primary, name="xfr.test", ca=ca.ca)]) as secondary:
        assert not secondary.wait(ZONE, lambda z: z["error"])["loaded"]
        assert not primary.asked


def test_client_certificate(world):
    ca, other = world
    server = context(ca.issue("xfr.test"), client_ca=ca.ca)
    certificate, key = ca.issue("secondary.test")
    taken(server, name="xfr.test", ca=ca.ca, certificate=certificate, key=key)
    refused(server, "", name="xfr.test", ca=ca.ca)
    certificate, key = other.issue("stranger.test")
    refused(server, "", name="xfr.test", ca=ca.ca, certificate=certificate, key=key)


def test_primary_that_closes_behind_each_answer(world):
    ca, _ = world
    zone = versions()

    def script(question):
        yield from (part for part in zone.answer(question) if part is not Keep)
    with FakePrimary(script, tls=context(ca.issue("xfr.test"))) as primary, \
         Secondary([ZONE], [remote(primary, name="xfr.test", ca=ca.ca)]) as secondary:
        secondary.wait_serial(ZONE, 1)
        zone.versions[2] = NEXT
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)
        assert secondary.counts()["ixfr_in"] == 1
        assert secondary.zone(ZONE)["failed_transfers"] == 0


def test_files_that_are_wrong(world, tmp_path):
    ca, _ = world
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("")
    refused(context(ca.issue("xfr.test")), "nothing.pem", name="xfr.test", ca=nothing)
    refused(context(ca.issue("xfr.test")), "missing.pem: error:80000002:system library::No such file", name="xfr.test", ca=ca.ca,
            certificate=tmp_path / "missing.pem", key=nothing)


def test_no_tls_there():
    zone = versions()
    with FakePrimary(zone.answer) as primary, \
         Secondary([ZONE], [remote(primary, name="xfr.test")], ["transfer_max_time: 2s"]) as secondary:
        assert not secondary.wait(ZONE, lambda z: z["error"])["loaded"]


def test_closes_during_the_handshake(world):
    """As a relay does that has nobody behind it: no reason to mistrust anybody, and to leave it alone for now."""
    ca, _ = world
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
        thread = threading.Thread(target=serve)
        thread.start()
        there = "addresses: [127.0.0.1], port: %d, tls: {enabled: true, name: xfr.test, ca: %s}" % (
            server.getsockname()[1], ca.ca)
        try:
            with Secondary([ZONE], [there]) as secondary:
                assert "connection closed" in secondary.wait(ZONE, lambda z: z["error"])["error"]
                secondary.command("refresh", ZONE)
                secondary.wait(ZONE, lambda z: "left alone for now" in z["error"])
        finally:
            # Or it would wait on, and take connections to whatever gets this descriptor next.
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
