# SPDX-License-Identifier: Apache-2.0
"""Whom a secondary asks, in which order, from where; and whom it leaves alone for now."""
import socket
import ssl
import struct
import time

import dns.flags
import dns.rcode
import pytest

from certificates import Authority, pin
from fake_primary import BASE, NEXT, ZONE, FakePrimary, Keep, Pause, Raw, reply, silent, versions, wire
from secondary import Secondary


def test_primaries_in_their_order():
    zone = versions()
    with FakePrimary(silent) as dead, FakePrimary(zone.answer) as second, \
         FakePrimary(zone.answer) as third, \
         Secondary([ZONE], [dead.port, second.port, third.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        assert dead.asked_for("AXFR") == 1 and second.asked_for("AXFR") == 1
        assert not third.asked


def test_primary_that_is_gone_stands_back():
    zone = versions()
    gone = FakePrimary(silent)
    gone.stop()
    with FakePrimary(zone.answer) as second, \
         Secondary([ZONE], [gone.port, second.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        for count in range(1, 4):
            secondary.command("refresh", ZONE)
            second.settled(count)
        # It is asked again when its time has come.
        with FakePrimary(zone.answer, port=gone.port) as first:
            secondary.command("shift", 400)
            secondary.command("refresh", ZONE)
            first.settled(1)


@pytest.mark.parametrize("loaded", [False, True])
def test_primary_without_a_way_to_it_stands_back(loaded):
    """One to which the kernel does not even begin to connect has not answered either."""
    zone = versions()
    no_way = "addresses: [192.0.2.1], port: 53, source: 127.0.0.1"     # never leaves the machine
    with FakePrimary(zone.answer if loaded else silent) as primary, \
         Secondary([ZONE], [primary.port, no_way]) as secondary:
        if loaded:
            secondary.wait_serial(ZONE, 1)
        primary.stop()
        errors = set()
        for _ in range(300):
            secondary.command("refresh", ZONE)
            time.sleep(0.02)
            errors.add(secondary.zone(ZONE)["error"])
            if any(error and error.startswith("192.0.2.1#53: left alone for now: cannot connect")
                   for error in errors):
                break
        else:
            pytest.fail("it was never left alone: %s" % errors)


def failed_again(secondary):
    before = secondary.zone(ZONE)["failures"]
    secondary.command("refresh", ZONE)
    return secondary.wait(ZONE, lambda z: z["failures"] > before)


def leave_alone(primary, secondary):
    """Once a primary is gone, it is left alone for longer each time."""
    primary.stop()
    for _ in range(10):
        secondary.command("shift", 301)
        failed_again(secondary)
    secondary.command("shift", 100)
    assert "left alone for now" in failed_again(secondary)["error"]


def test_source_that_cannot_be_used():
    """It says nothing of the server, neither that it is gone nor that it is there."""
    zone = versions()
    with FakePrimary(zone.answer) as primary:
        unusable = "addresses: [127.0.0.1], port: %d, source: 192.0.2.77" % primary.port    # not this machine's
        with Secondary([ZONE], [unusable, primary.port]) as secondary:
            secondary.wait_serial(ZONE, 1)
            zone.versions[2] = NEXT
            secondary.command("refresh", ZONE)
            secondary.wait_serial(ZONE, 2)
            leave_alone(primary, secondary)


def test_asked_for_by_hand_it_is_not_left_alone():
    zone = versions()
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        leave_alone(primary, secondary)
        zone.versions[2] = NEXT
        with FakePrimary(zone.answer, port=primary.port):
            secondary.command("ask", ZONE)
            secondary.wait_serial(ZONE, 2)


def test_datagrams_that_are_not_let_out():
    zone = versions()
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        zone.versions[2] = NEXT
        secondary.command("mute")
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)
        assert primary.asked_for("SOA") and all(q.tcp for q in primary.asked)


def test_one_that_told_of_news_is_asked_first():
    old, new = versions(), versions()
    with FakePrimary(old.answer) as first:
        remote = "addresses: [127.0.0.2, 127.0.0.1], port: %d" % first.port
        with Secondary([ZONE], [remote]) as secondary:
            secondary.wait_serial(ZONE, 1)
            first.asked.clear()
            new.versions[2] = NEXT
            first.script = new.answer
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.2", first.port))
                other.setblocking(False)
                secondary.command("refresh", ZONE, "127.0.0.1")
                secondary.wait_serial(ZONE, 2)
                with pytest.raises(BlockingIOError):
                    other.recv(1)


def test_serial_of_the_second_counts_where_the_first_is_behind():
    old, new = versions(), versions()
    with FakePrimary(old.answer) as first, FakePrimary(new.answer) as second, \
         Secondary([ZONE], [first.port, second.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        new.versions[2] = NEXT
        second.script = new.answer
        first.script = lambda q: [wire(reply(q, [], rcode=dns.rcode.REFUSED))]
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)
        # The first is up again, but behind.
        first.script = old.answer
        new.versions[3] = BASE
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 3)
        assert secondary.zone(ZONE)["error"] is None


def test_key_that_is_not_there():
    zone = versions()
    with FakePrimary(zone.answer) as primary, \
         Secondary([ZONE], ["addresses: [127.0.0.1], port: %d, key: no.test." % primary.port],
                   keys=[("other.test.", "hmac-sha256", "AAAAAAAAAAAAAAAAAAAAAA==")]) as secondary:
        secondary.wait_error(ZONE, "there is no key no.test.")
        assert not primary.asked


def test_source_address():
    zone = versions()
    with FakePrimary(zone.answer) as primary:
        remote = "addresses: [127.0.0.1], port: %d, source: 127.0.0.9" % primary.port
        with Secondary([ZONE], [remote]) as secondary:
            secondary.wait_serial(ZONE, 1)
            zone.versions[2] = NEXT
            secondary.command("refresh", ZONE)
            secondary.wait_serial(ZONE, 2)
        assert {(q.tcp, q.peer) for q in primary.asked} == {(True, "127.0.0.9"), (False, "127.0.0.9")}


@pytest.mark.slow
def test_one_that_answers_byte_by_byte():
    """It is never silent for long, and never done: a question for the SOA does not have the time of a transfer."""
    zone, news = versions(), versions()
    news.versions[2] = NEXT

    def drip(question):
        if not question.tcp:
            yield wire(reply(question, flags=dns.flags.AA | dns.flags.TC))
            return
        answer = wire(reply(question, [news.soa()]))
        for byte in struct.pack("!H", len(answer)) + answer:
            yield Raw(bytes([byte]))
            yield Pause(5)
    with FakePrimary(zone.answer) as first, FakePrimary(zone.answer) as second, \
         Secondary([ZONE], [first.port, second.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        first.script, second.script = drip, news.answer
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2, 70)


@pytest.mark.slow
def test_slow_transfer_where_the_soa_was_asked_for(tmp_path):
    """Over one connection: the transfer has its own time."""
    zone = versions()

    def slow(question):
        for part in zone.answer(question, size=3):
            yield part
            if question.type == "IXFR" and part is not Keep:
                yield Pause(16)
    certificate = Authority(tmp_path).issue("xfr.test")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    tls.set_alpn_protocols(["dot"])
    with FakePrimary(zone.answer, tls=tls) as primary, \
         Secondary([ZONE], ["addresses: [127.0.0.1], port: %d, tls: {enabled: true, pins: [\"%s\"]}" % (
             primary.port, pin(certificate[0]))]) as secondary:
        secondary.wait_serial(ZONE, 1)
        primary.script = slow
        zone.versions[2] = BASE + [("x%d.zone.test." % i, 300, "A", "192.0.2.9") for i in range(6)]
        connections = primary.connection_cnt
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2, 90)
        assert primary.connection_cnt == connections + 1
