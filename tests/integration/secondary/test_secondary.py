# SPDX-License-Identifier: Apache-2.0
"""A secondary over time: when it asks, and how long what it has is good."""
import resource
import struct
import time

import dns.edns
import dns.rcode

from fake_primary import NEXT, ZONE, FakePrimary, reply, versions, wire
from secondary import Secondary


def test_asks_when_refresh_is_over():
    zone = versions(refresh=3600, retry=600, expire=86400)
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        entry = secondary.wait_serial(ZONE, 1)
        wait = entry["next_refresh_at"] - entry["refreshed_at"]
        assert 3600 * 0.9 <= wait <= 3600
        assert entry["expires_at"] - entry["refreshed_at"] == 86400
        secondary.command("shift", wait - 20)
        primary.settled(0)
        secondary.command("shift", 30)
        primary.settled(1)
        entry = secondary.wait(ZONE, lambda z: z["refreshed_at"] > entry["refreshed_at"])
        assert entry["expires_at"] - entry["refreshed_at"] == 86400
        zone.versions[2] = NEXT
        secondary.command("shift", 3600)
        secondary.wait_serial(ZONE, 2)
        assert secondary.canonical(ZONE) == zone.canonical()


def test_bounds_of_the_configuration():
    zone = versions(refresh=1, retry=1, expire=8000000)
    with FakePrimary(zone.answer) as primary, \
         Secondary([ZONE], [primary.port], ["refresh_min: 1h", "retry_min: 30m"]) as secondary:
        entry = secondary.wait_serial(ZONE, 1)
        assert 3240 <= entry["next_refresh_at"] - entry["refreshed_at"] <= 3600
        primary.script = lambda q: [wire(reply(q, [], rcode=dns.rcode.REFUSED))]
        secondary.command("shift", 3601)
        before = secondary.wait_error(ZONE, "REFUSED")
        assert 1600 <= before["next_refresh_at"] - before["refreshed_at"] - 3601 <= 1810


def test_expires_and_is_good_again():
    zone = versions(refresh=100, retry=50, expire=1000)
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        first = secondary.wait_serial(ZONE, 1)
        primary.script = lambda q: [wire(reply(q, [], rcode=dns.rcode.SERVFAIL))]
        left = first["expires_at"] - first["refreshed_at"]
        secondary.command("shift", left - 30)
        entry = secondary.wait_error(ZONE, "SERVFAIL")
        assert not entry["expired"] and entry["expires_at"] == first["expires_at"]
        secondary.command("shift", 40)
        entry = secondary.wait(ZONE, lambda z: z["expired"])
        assert entry["serial"] == 1
        assert len(secondary.events("zone-expired")) == 1
        # It is asked for all the while, and good again without a transfer.
        primary.script = zone.answer
        transfers = entry["transfers"]
        secondary.command("shift", 60)
        entry = secondary.wait(ZONE, lambda z: not z["expired"])
        assert entry["transfers"] == transfers and entry["error"] is None
        assert len(secondary.events("zone-good-again")) == 1


def test_no_descriptor_is_left():
    """It is no fault of the primary, and soon over: the zone does not wait for its retry."""
    zone = versions(refresh=3600, retry=600, expire=86400)
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        zone.versions[2] = NEXT
        pid = secondary.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        secondary.command("refresh", ZONE)
        secondary.wait_error(ZONE, "no socket")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        secondary.command("shift", 10)
        secondary.wait_serial(ZONE, 2)


def test_stays_expired_over_a_restart():
    zone = versions(refresh=100, retry=50, expire=1000)
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        primary.script = lambda q: [wire(reply(q, [], rcode=dns.rcode.SERVFAIL))]
        secondary.command("shift", 1010)
        secondary.wait(ZONE, lambda z: z["expired"])
        secondary.stop()
        secondary.start()
        # By its own clock it may have some time left.
        entry = secondary.zone(ZONE)
        assert entry["loaded"] and entry["serial"] == 1
        primary.script = zone.answer
        secondary.command("refresh", ZONE)
        secondary.wait(ZONE, lambda z: not z["expired"])


def test_what_is_remembered_over_a_restart():
    zone = versions(refresh=3600, retry=600, expire=86400)
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        before = secondary.wait_serial(ZONE, 1)
        assert secondary.stop() == 0
        secondary.start()
        after = secondary.zone(ZONE)
        for key in ("serial", "refreshed_at", "next_refresh_at", "expires_at", "loaded"):
            assert after[key] == before[key], key
        primary.settled(0)
        # Killed, it may have lost the last seconds of that, but not the zone.
        zone.versions[2] = NEXT
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)
        secondary.kill()
        secondary.start()
        assert secondary.zone(ZONE)["serial"] == 2


def with_expire(question, records, seconds):
    message = reply(question, records)
    message.use_edns(0, options=[dns.edns.GenericOption(9, struct.pack("!I", seconds))])
    return wire(message)


def test_expire_option():
    """RFC 7314: a primary that is a secondary itself says for how long its own copy is good."""
    zone = versions(refresh=100, retry=50, expire=1000)
    seconds = [400]

    def script(question):
        records = [zone.soa()] if question.type == "SOA" else zone.axfr()
        yield with_expire(question, records, seconds[0])
    with FakePrimary(script) as primary, Secondary([ZONE], [primary.port]) as secondary:
        entry = secondary.wait_serial(ZONE, 1)
        assert all(q.message.edns == 0 and [o.otype for o in q.message.options] == [9]
                   for q in primary.asked)
        assert entry["expires_at"] - entry["refreshed_at"] == 400
        # Who knows less does not shorten it.
        seconds[0] = 10
        secondary.command("refresh", ZONE)
        primary.settled(1)
        assert secondary.zone(ZONE)["expires_at"] == entry["expires_at"]
        # Who knows more extends it, up to what the zone's owner allows.
        seconds[0] = 900
        secondary.command("refresh", ZONE)
        secondary.wait(ZONE, lambda z: z["expires_at"] - z["refreshed_at"] == 900)
        seconds[0] = 4000000
        secondary.command("refresh", ZONE)
        secondary.wait(ZONE, lambda z: z["expires_at"] - z["refreshed_at"] == 1000)


def test_new_zone_is_tried_with_growing_pauses():
    with FakePrimary(lambda q: [wire(reply(q, [], rcode=dns.rcode.NOTAUTH))]) as primary, \
         Secondary([ZONE], [primary.port]) as secondary:
        shifted = 0
        for failures, wanted in enumerate((5, 10, 20, 40, 80, 160), 1):
            before = time.time()
            entry = secondary.wait(ZONE, lambda z: z["failures"] == failures)
            assert not entry["loaded"] and "NOTAUTH" in entry["error"]
            # Between the two the failure was, by a clock of whole seconds.
            due = entry["next_refresh_at"] - shifted
            assert before - 1 + wanted * 0.9 - 1 <= due <= time.time() + wanted + 1, (failures, before, due)
            shift = max(int(due - time.time()) + 1, 1)
            secondary.command("shift", shift)
            shifted += shift
