# SPDX-License-Identifier: Apache-2.0
"""Transfers of a secondary: by force, of many zones at once, and that what comes is what the primary has."""
import random
import time

import dns.zone
import pytest

from fake_primary import BASE, NEXT, ZONE, FakePrimary, Keep, Pause, Versions, silent, versions
from secondary import Secondary


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
        *parts, last = (part for part in zone.answer(question) if part is not Keep)
        yield from parts
        # Counted before: whoever has the last part may ask the next question at once.
        if under_way is not None and question.tcp:
            under_way.append(-1)
        yield last
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
        assert 2 <= most <= 8


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
            before = secondary.zone(ZONE)
            secondary.command("refresh", ZONE)
            if good:
                entry = secondary.wait_serial(ZONE, serial)
                assert secondary.canonical(ZONE) == zone.canonical()
            else:
                entry = secondary.wait(ZONE, lambda z: z["failures"] > before["failures"])
                assert entry["serial"] == before["serial"] and "ZONEMD" in entry["error"]
                del zone.versions[serial]

        step(2, with_zonemd(NEXT, zone.soa(2)), True)
        assert secondary.counts()["ixfr_in"] == 1
        step(3, with_zonemd(BASE, zone.soa(3), wrong=True), mode == "ignore")
        step(4, with_zonemd(NEXT, zone.soa(3)), mode == "ignore")   # of another serial
        step(5, NEXT, mode != "required")
        step(6, with_zonemd(BASE, zone.soa(6)), True)

