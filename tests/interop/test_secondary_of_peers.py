# SPDX-License-Identifier: Apache-2.0
"""stele-mgmtd as a secondary of Knot, NSD, BIND and PowerDNS: the same zone at each serial."""
import random

import dns.rdatatype
import dns.zone
import pytest

import mgmtd
import primaries
import stele
from certificates import Authority
from conftest import need

ZONE = "zone.test."
KEY_ID = "transfer.test."


def zone_text(serial, records):
    lines = ["%s 3600 IN SOA ns.%s hostmaster.%s %d 3600 600 86400 300" % (ZONE, ZONE, ZONE, serial)]
    lines += ["%s 300 IN NS ns.%s" % (ZONE, ZONE), "ns.%s 300 IN A 192.0.2.1" % ZONE]
    return "\n".join(lines + ["%s %d IN %s %s" % record for record in records]) + "\n"


def random_record(rng):
    owner = ".".join(rng.choice(("a", "b", "c", "d", "*", "x-9", "\\046"))
                     for _ in range(rng.randrange(1, 4)))
    kind, data = rng.choice((
        ("A", "192.0.2.%d" % rng.randrange(256)),
        ("AAAA", "2001:db8::%x" % rng.randrange(1, 1 << 16)),
        ("TXT", '"%d" "two words"' % rng.randrange(10)),
        ("MX", "%d mail%d.%s" % (rng.randrange(3), rng.randrange(3), ZONE)),
        ("SRV", "1 2 3 host%d.%s" % (rng.randrange(3), ZONE)),
        ("CAA", '0 issue "ca%d.test"' % rng.randrange(3)),
        ("NAPTR", '1 2 "s" "SIP+D2U" "" target%d.%s' % (rng.randrange(3), ZONE)),
        ("TLSA", "3 1 1 %064x" % rng.randrange(1 << 60)),
        ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"),
        ("HTTPS", "1 . alpn=h2 port=%d" % rng.randrange(1, 65536)),
        ("TYPE65280", "\\# 2 %04x" % rng.randrange(1 << 16)),
    ))
    return ("%s.%s" % (owner, ZONE), 300, kind, data)


def edit(rng, records):
    """Some go, some come, and of some RRset the TTL changes."""
    kept = [r for r in records if rng.random() < 0.85]
    kept += [random_record(rng) for _ in range(rng.randrange(1, 12))]
    if kept and rng.random() < 0.5:
        owner, _, kind, _ = rng.choice(kept)
        kept = [(o, rng.choice((60, 600)) if (o, k) == (owner, kind) else t, k, d)
                for o, t, k, d in kept]
    ttls = {}
    for o, t, k, d in kept:   # servers differ in what they make of several TTLs in an RRset
        ttls.setdefault((o, k), t)
    return sorted({(o, ttls[o, k], k, d) for o, t, k, d in kept})


class Pair:
    """A primary, and a daemon that is its secondary and is notified."""

    def __init__(self, kind, text, keys=(), tls=None, options=(), cls=None):
        need(primaries.ALL[kind].program, "knotc")
        keys = dict(keys)
        self.daemon = mgmtd.Daemon({}, keys, start=False)
        try:
            self.primary = (cls or primaries.ALL[kind])(
                ZONE, text, [(key, keys[key], mgmtd.SECRET) for key in keys], [self.daemon.port],
                tls and tls["certificate"])
        except BaseException:
            self.daemon.stop()
            raise
        remote = {"id": "primary", "addresses": ["127.0.0.1"], "port": self.primary.port}
        if keys:
            remote["key"] = next(iter(keys))
        if tls:
            remote["port"] = self.primary.tls_port
            remote["tls"] = {"enabled": True, "name": "xfr.test", "ca": tls["ca"]}
        self.daemon.config.update({
            "remotes": [remote],
            "templates": [{"id": "secondary", "primaries": ["primary"], **dict(options)}],
            "zones": [{"name": ZONE, "template": "secondary"}],
            "log": {"format": "json"},
        })
        self.daemon.write_config()

    def __enter__(self):
        try:
            self.daemon.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self.daemon, self.primary

    def __exit__(self, kind, value, trace):
        self.primary.stop()
        self.daemon.stop()


def stored(daemon):
    """What the daemon holds; the same form as Primary.canonical()."""
    text = stele.run("export", "--store", daemon.store, ZONE).stdout
    zone = dns.zone.from_text(text, origin=ZONE, relativize=False)
    return {(owner.to_text().lower(), rdataset.ttl, dns.rdatatype.to_text(rdataset.rdtype),
             rdata.to_text().lower()) for owner, node in zone.items() for rdataset in node
            for rdata in rdataset}


def same(daemon, primary):
    here, there = stored(daemon), primary.canonical()
    assert here == there, (here - there, there - here)


@pytest.mark.parametrize("kind", primaries.ALL)
def test_random_edits(kind):
    """Told by NOTIFY, by IXFR where the primary has it: the same zone at each serial."""
    rng = random.Random(kind)
    records = edit(rng, [])
    with Pair(kind, zone_text(1, records)) as (daemon, primary):
        daemon.wait(ZONE, 1)
        same(daemon, primary)
        for serial in range(2, 16):
            records = edit(rng, records)
            primary.update(zone_text(serial, records))
            daemon.wait(ZONE, serial)
            same(daemon, primary)
            assert daemon.serial(ZONE) == serial
        text = daemon.log_text()
        kinds = [kind for kind in ("axfr", "ixfr") for _ in range(text.count('"kind":"%s"' % kind))]
        assert len(kinds) == 15 and "ixfr-failed" not in text, text
        assert kinds.count("ixfr") == (14 if primary.has_ixfr else 0), kinds


@pytest.mark.parametrize("kind", primaries.ALL)
def test_tsig(kind):
    """Each algorithm: the zone as a whole, and its next version."""
    keys = {"%s.key.test." % algorithm: algorithm for algorithm in primaries.ALGORITHMS}
    with Pair(kind, zone_text(1, []), keys=keys) as (daemon, primary):
        remote = daemon.config["remotes"][0]
        serial = 1
        for key in keys:
            daemon.reload(remotes=[{**remote, "key": key}])
            daemon.ctl("transfer", ZONE, "--force")
            came = '"peer":"127.0.0.1#%d","key":"%s","kind":"axfr"' % (primary.port, key)
            daemon.wait_for(lambda: came in daemon.log_text())
            serial += 1
            primary.update(zone_text(serial, [("www." + ZONE, 300, "A", "192.0.2.%d" % serial)]))
            daemon.wait(ZONE, serial)
            same(daemon, primary)
            assert daemon.log_text().count('"key":"%s"' % key) >= 2


@pytest.mark.parametrize("kind", primaries.ALL)
def test_wrong_key(kind):
    with Pair(kind, zone_text(1, []), {KEY_ID: "hmac-sha256"}) as (daemon, primary):
        daemon.wait(ZONE, 1)
        with open(daemon.path("keys.yaml"), "w", encoding="utf-8") as file:
            file.write('keys:\n  - {id: "%s", algorithm: hmac-sha256, secret: "%s"}\n' % (
                KEY_ID, "d3JvbmcgZGFlbW9uIHVuZGVyIHRlc3QhISEhISEhISEh"))
        daemon.ctl("reload")
        primary.update(zone_text(2, []))
        daemon.ctl("transfer", ZONE)
        daemon.wait_for(lambda: "TSIG" in daemon.log_text())
        assert daemon.serial(ZONE) == 1


@pytest.mark.parametrize("kind", [kind for kind in primaries.ALL if primaries.ALL[kind].has_tls])
@pytest.mark.parametrize("algorithm", [None, "hmac-sha512"])
def test_tls(kind, algorithm, tmp_path):
    authority = Authority(tmp_path)
    tls = {"ca": authority.ca, "certificate": authority.issue("xfr.test")}
    rng = random.Random(kind)
    records = edit(rng, [])
    with Pair(kind, zone_text(1, records), {KEY_ID: algorithm} if algorithm else {}, tls) as (daemon, primary):
        daemon.wait(ZONE, 1)
        same(daemon, primary)
        for serial in range(2, 6):
            records = edit(rng, records)
            primary.update(zone_text(serial, records))
            daemon.ctl("transfer", ZONE)
            daemon.wait(ZONE, serial)
            same(daemon, primary)


def test_tls_without_alpn(tmp_path):
    """NSD 4.6 serves TLS, but does not say that it speaks DNS there (RFC 9103 section 7.1)."""
    authority = Authority(tmp_path)
    tls = {"ca": authority.ca, "certificate": authority.issue("xfr.test")}
    with Pair("nsd", zone_text(1, []), tls=tls) as (daemon, _):
        daemon.wait_for(lambda: "ALPN" in daemon.log_text())


def test_signed_zone_with_zonemd():
    """Knot signs with NSEC3 and adds a digest, which is verified with each change."""
    rng = random.Random(8976)
    records = edit(rng, [])
    with Pair("knot", zone_text(1, records), options={"zonemd": "required"}.items(),
              cls=primaries.KnotSigning) as (daemon, primary):
        daemon.wait(ZONE, primary.serial)
        same(daemon, primary)
        for step in range(2, 9):
            records = edit(rng, records)
            primary.update(zone_text(primary.serial + 1, records))
            daemon.wait(ZONE, primary.serial)
            same(daemon, primary)
        text = daemon.log_text()
        assert text.count('"kind":"ixfr"') >= 7 and "ixfr-failed" not in text


@pytest.mark.parametrize("kind", primaries.ALL)
def test_large_zone(kind):
    """Some thousand names: many messages, filled as each server likes."""
    rng = random.Random(kind)
    records = [("n%d.%s" % (i, owner), ttl, rtype, data) for i in range(5000)
               for owner, ttl, rtype, data in [random_record(rng)]]
    with Pair(kind, zone_text(1, records)) as (daemon, primary):
        daemon.wait(ZONE, 1)
        same(daemon, primary)
