# SPDX-License-Identifier: Apache-2.0
"""What a primary answers when it is asked for its serial, and how often it is asked."""
import time

import dns.flags
import dns.rcode
import pytest

from fake_primary import NEXT, ZONE, FakePrimary, Pause, record, reply, versions, wire
from secondary import Secondary


def probes_as(script, options=()):
    """The answers over UDP come from this script."""
    zone = versions()
    primary = FakePrimary(zone.answer)
    secondary = Secondary([ZONE], [primary.port], options)
    secondary.wait_serial(ZONE, 1)
    zone.versions[2] = NEXT

    def answer(question):
        yield from zone.answer(question) if question.tcp else script(question, zone)
    primary.script = answer
    return zone, primary, secondary


def run_probe(script):
    zone, primary, secondary = probes_as(script)
    with primary, secondary:
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)
        assert secondary.canonical(ZONE) == zone.canonical(2)
        return primary


def test_forged_datagrams_before_the_real_one():
    def script(question, zone):
        good = reply(question, [zone.soa()])
        for change in (1, 2, 0x8000):
            yield wire(reply(question, [zone.soa(9)], message_id=question.message.id ^ change))
        yield b"x"
        yield wire(good)[:20]
        other = reply(question, [zone.soa(9)])
        other.question = [record("other.test.", 0, "A", "192.0.2.1")]
        yield wire(other)
        yield wire(good)
    primary = run_probe(script)
    assert sum(not q.tcp for q in primary.asked) == 1


def test_truncated_datagram():
    primary = run_probe(lambda q, z: [wire(reply(q, [], flags=dns.flags.AA | dns.flags.TC))])
    assert any(q.tcp and q.type == "SOA" for q in primary.asked)


def test_silence_over_udp():
    primary = run_probe(lambda q, z: [])
    assert sum(not q.tcp for q in primary.asked) == 3
    assert any(q.tcp and q.type == "SOA" for q in primary.asked)


def test_no_edns():
    def script(question, zone):
        if question.message.edns >= 0:
            yield wire(reply(question, [], rcode=dns.rcode.FORMERR))
        else:
            yield wire(reply(question, [zone.soa()]))
    run_probe(script)


@pytest.mark.parametrize("flags, records, text", [
    (dns.flags.QR, "soa", "not authoritative"), (dns.flags.AA, "", "sends no SOA")])
def test_answers_that_do_not_count(flags, records, text):
    zone, primary, secondary = probes_as(
        lambda q, z: [wire(reply(q, [z.soa()] if records else [], flags=flags))])
    with primary, secondary:
        secondary.command("refresh", ZONE)
        assert secondary.wait_error(ZONE, text)["serial"] == 1


# ---- NOTIFY ----

def test_notify_storm():
    """A thousand of them while the zone is asked for are one question more."""
    zone, primary, secondary = probes_as(lambda q, z: [Pause(0.3), *z.answer(q)])
    with primary, secondary:
        primary.asked.clear()
        begin = time.monotonic()
        # It is not put off while the storm lasts: that does not end before.
        while (took := time.monotonic() - begin) < 1 or secondary.zone(ZONE)["serial"] != 2:
            assert took < 60
            secondary.command("refresh", ZONE, "127.0.0.1")
        time.sleep(0.5)
        # One at a time, each of which takes 0.3 s.
        assert 2 <= primary.asked_for("SOA") <= 3 + took / 0.3
