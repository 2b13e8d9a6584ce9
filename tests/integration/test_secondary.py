# SPDX-License-Identifier: Apache-2.0
"""A secondary over time: when it asks, whom it asks, how long what it has is good."""
import random
import resource
import struct
import time

import dns.edns
import dns.rcode
import dns.zone
import pytest

from fake_primary import FakePrimary, Keep, Pause, Versions, reply, wire
from secondary import Secondary

ZONE = "zone.test."
BASE = [(ZONE, 300, "NS", "ns.zone.test."), ("ns.zone.test.", 300, "A", "192.0.2.1"),
        ("www.zone.test.", 300, "TXT", '"one"')]
NEXT = BASE[:2] + [("www.zone.test.", 300, "TXT", '"two"')]


def versions(**timers):
    return Versions(ZONE, {1: BASE}, **timers)


def silent(question):
    """Over UDP nothing comes, and TCP is closed."""
    return iter(())


def settled(primary, count, seconds=60):
    """Waits until so many questions for the SOA came, and none more follows."""
    deadline = time.monotonic() + seconds
    while primary.asked_for("SOA") < count:
        assert time.monotonic() < deadline, primary.asked
        time.sleep(0.01)
    time.sleep(0.1)
    assert primary.asked_for("SOA") == count


# ---- timers ----

def test_asks_when_refresh_is_over():
    zone = versions(refresh=3600, retry=600, expire=86400)
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        entry = secondary.wait_serial(ZONE, 1)
        wait = entry["next_refresh_at"] - entry["refreshed_at"]
        assert 3600 * 0.9 <= wait <= 3600
        assert entry["expires_at"] - entry["refreshed_at"] == 86400
        secondary.command("shift", wait - 20)
        settled(primary, 0)
        secondary.command("shift", 30)
        settled(primary, 1)
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
        settled(primary, 0)
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
        settled(primary, 1)
        assert secondary.zone(ZONE)["expires_at"] == entry["expires_at"]
        # Who knows more extends it, up to what the zone's owner allows.
        seconds[0] = 900
        secondary.command("refresh", ZONE)
        settled(primary, 2)
        entry = secondary.zone(ZONE)
        assert entry["expires_at"] - entry["refreshed_at"] == 900
        seconds[0] = 4000000
        secondary.command("refresh", ZONE)
        settled(primary, 3)
        entry = secondary.zone(ZONE)
        assert entry["expires_at"] - entry["refreshed_at"] == 1000


def test_new_zone_is_tried_with_growing_pauses():
    with FakePrimary(lambda q: [wire(reply(q, [], rcode=dns.rcode.NOTAUTH))]) as primary, \
         Secondary([ZONE], [primary.port]) as secondary:
        waits = []
        for failures in range(1, 7):
            entry = secondary.wait(ZONE, lambda z: z["failures"] == failures)
            assert not entry["loaded"] and "NOTAUTH" in entry["error"]
            if failures == 1:
                at = time.time()
            waits.append(entry["next_refresh_at"] - at)
            secondary.command("shift", int(waits[-1]) + 1)
            at += int(waits[-1]) + 1
        for wait, wanted in zip(waits, (5, 10, 20, 40, 80, 160)):
            assert wanted * 0.9 - 3 <= wait <= wanted + 3, waits


# ---- primaries ----

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
        # Nobody listens there: that is found out once, and not with each question.
        begin = time.monotonic()
        for count in range(1, 4):
            secondary.command("refresh", ZONE)
            settled(second, count)
        assert time.monotonic() - begin < 5
        # It is asked again when its time has come.
        with FakePrimary(zone.answer, port=gone.port) as first:
            secondary.command("shift", 400)
            secondary.command("refresh", ZONE)
            settled(first, 1)


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
    old, new = versions(), Versions(ZONE, {1: BASE})
    with FakePrimary(old.answer) as first:
        remote = "addresses: [127.0.0.2, 127.0.0.1], port: %d" % first.port
        with Secondary([ZONE], [remote]) as secondary:
            secondary.wait_serial(ZONE, 1)
            first.asked.clear()
            new.versions[2] = NEXT
            first.script = new.answer
            begin = time.monotonic()
            secondary.command("refresh", ZONE, "127.0.0.1")
            secondary.wait_serial(ZONE, 2)
            assert time.monotonic() - begin < 2


def test_serial_of_the_second_counts_where_the_first_is_behind():
    old, new = versions(), Versions(ZONE, {1: BASE})
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


def test_by_force():
    zone = versions()
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        secondary.command("force", ZONE)
        secondary.wait(ZONE, lambda z: z["transfers"] == 2)
        zone.versions = {0xfffffff0: NEXT}
        secondary.command("force", ZONE)
        secondary.wait_serial(ZONE, 0xfffffff0)
        assert secondary.canonical(ZONE) == zone.canonical()
        assert primary.asked_for("SOA") == 0 and primary.asked_for("AXFR") == 3


def test_news_during_a_transfer():
    """What a NOTIFY told of while a transfer was under way is not forgotten."""
    zone = versions()

    def slow(question):
        yield from zone.answer(question) if question.type == "SOA" else [Pause(0.5),
                                                                         *list(zone.answer(question))]
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        primary.script = slow
        zone.versions[2] = NEXT
        secondary.command("refresh", ZONE)
        time.sleep(0.7 if primary.asked_for("IXFR") else 0.3)
        zone.versions[3] = BASE
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 3)


def test_zone_that_goes_during_its_transfer():
    zone = versions()
    with FakePrimary(zone.answer) as primary, Secondary([ZONE], [primary.port]) as secondary:
        secondary.wait_serial(ZONE, 1)
        for delay in (0, 0.001, 0.002, 0.005, 0.01, 0.02):
            for pause in (0, 0.01):
                primary.script = lambda q: [Pause(pause), *list(zone.answer(q))]
                secondary.command("force", ZONE)
                time.sleep(delay)
                secondary.command("end", ZONE)
                secondary.command("begin", ZONE)
        primary.script = zone.answer
        zone.versions[2] = NEXT
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)


# ---- many zones ----

def names(count):
    return ["z%d.test." % i for i in range(count)]


def many(under_way=None, pause=0):
    """The script of a primary of all zones that are asked for."""
    def script(question):
        name = question.name.to_text().lower()
        zone = Versions(name, {1: [(name, 60, "NS", "ns." + name), ("ns." + name, 60, "A", "192.0.2.1")]})
        if under_way is not None and question.tcp:
            under_way.append(1)
        if pause and question.tcp:
            yield Pause(pause)
        yield from (part for part in zone.answer(question) if part is not Keep)
        if under_way is not None and question.tcp:
            under_way.append(-1)
    return script


def test_transfers_at_once_are_few():
    under_way = []
    with FakePrimary(many(under_way, 0.02)) as primary, \
         Secondary(names(60), [primary.port]) as secondary:
        deadline = time.monotonic() + 60
        while secondary.counts()["loaded"] < 60:
            counts = secondary.counts()
            assert counts["transfers"] <= 8 and time.monotonic() < deadline, counts
        most = now = 0
        for change in under_way:
            now += change
            most = max(most, now)
        assert 2 <= most <= 9   # the end is counted a little late


def test_dead_primary_does_not_hold_up_the_zones_of_others():
    gone = FakePrimary(silent)
    zones = names(200)
    with FakePrimary(many()) as well, FakePrimary(lambda q: [Pause(20)]) as stalls, \
         Secondary(zones, [stalls.port, well.port, gone.port],
                   ["transfer_max_time: 1s"]) as secondary:
        gone.stop()
        deadline = time.monotonic() + 60
        while secondary.counts()["loaded"] < len(zones):
            assert time.monotonic() < deadline, secondary.counts()
            time.sleep(0.1)


# ---- contents ----

def random_records(rng, count):
    kinds = [("A", lambda: "192.0.2.%d" % rng.randrange(256)),
             ("AAAA", lambda: "2001:db8::%x" % rng.randrange(1 << 16)),
             ("TXT", lambda: '"%d" "x"' % rng.randrange(10)),
             ("MX", lambda: "%d mail%d.zone.test." % (rng.randrange(3), rng.randrange(3))),
             ("SRV", lambda: "1 2 3 host%d.zone.test." % rng.randrange(3)),
             ("CAA", lambda: '0 issue "ca%d.test"' % rng.randrange(3)),
             ("TYPE65280", lambda: "\\# 2 %04x" % rng.randrange(1 << 16))]
    found = {}
    for _ in range(count):
        owner = ".".join(rng.choice(("a", "b", "c", "*", "A-9")) for _ in range(rng.randrange(1, 4)))
        kind, data = rng.choice(kinds)
        found[("%s.zone.test." % owner.lower(), kind, data())] = None
    return [(owner, 300, kind, data) for owner, kind, data in found]


@pytest.mark.parametrize("ixfr", [True, False])
def test_random_edits_at_each_serial(ixfr):
    rng = random.Random(4 if ixfr else 5)
    zone = versions()
    with FakePrimary(lambda q: zone.answer(q, size=7)) as primary, \
         Secondary([ZONE], [primary.port], ["ixfr_in: %s" % str(ixfr).lower()]) as secondary:
        secondary.wait_serial(ZONE, 1)
        for turn in range(25):
            last = zone.serial
            zone.versions = {last: zone.versions[last]}
            # Several deltas in one transfer; and now and then a long way around the circle of serials.
            for step in [0x7fffffff] if turn % 8 == 7 else rng.choices((1, 7, 1000), k=rng.randrange(1, 4)):
                before = zone.versions[zone.serial]
                keep = [r for r in before if r in BASE or rng.random() < 0.7]
                fresh = [r for r in random_records(rng, rng.randrange(12)) if r not in keep]
                zone.versions[zone.serial + step & 0xffffffff] = keep + fresh
            secondary.command("refresh", ZONE)
            secondary.wait_serial(ZONE, zone.serial)
            assert secondary.canonical(ZONE) == zone.canonical()
        assert not secondary.events("ixfr-failed")
        counts = secondary.counts()
        assert (counts["ixfr_in"] == 25) == ixfr and (counts["axfr_in"] == 1) == ixfr


def with_zonemd(records, soa, wrong=False):
    """The records with a ZONEMD made by dnspython."""
    text = "\n".join("%s %d IN %s %s" % r for r in records)
    zone = dns.zone.from_text("%s\n%s" % (soa.to_text(), text), origin=ZONE, relativize=False)
    digest = zone.compute_digest(dns.zone.DigestHashAlgorithm.SHA384).to_text()
    if wrong:
        digest = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    return records + [(ZONE, 300, "ZONEMD", digest)]


@pytest.mark.parametrize("mode", ["ignore", "if-present", "required"])
def test_zonemd(mode):
    zone = versions()
    zone.versions[1] = with_zonemd(BASE, zone.soa(1))
    with FakePrimary(zone.answer) as primary, \
         Secondary([ZONE], [primary.port], ["zonemd: %s" % mode]) as secondary:
        secondary.wait_serial(ZONE, 1)

        def step(serial, records, good):
            zone.versions[serial] = records
            secondary.command("refresh", ZONE)
            if good:
                entry = secondary.wait_serial(ZONE, serial)
                assert secondary.canonical(ZONE) == zone.canonical()
            else:
                before = secondary.zone(ZONE)["serial"]
                entry = secondary.wait(ZONE, lambda z: "ZONEMD" in (z["error"] or ""))
                assert entry["serial"] == before
                del zone.versions[serial]

        step(2, with_zonemd(NEXT, zone.soa(2)), True)
        assert secondary.counts()["ixfr_in"] == 1
        step(3, with_zonemd(BASE, zone.soa(3), wrong=True), mode == "ignore")
        step(4, with_zonemd(NEXT, zone.soa(3)), mode == "ignore")   # of another serial
        step(5, NEXT, mode != "required")
        step(6, with_zonemd(BASE, zone.soa(6)), True)

