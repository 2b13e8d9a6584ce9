# SPDX-License-Identifier: Apache-2.0
"""Catalog zones with servers that others wrote: what Stele writes they read, and what Knot writes Stele reads."""
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

import contents
import mgmtd
import peers
import servers

ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
"""
NAMES = ["a.test", "b.test", "c.test"]
HERE = {"id": "here", "prefixes": ["127.0.0.1"]}


def producer(listed, notify=None):
    told = {"notify": ["told"]} if notify else {}
    return {
        "acls": [HERE],
        "remotes": [{"id": "told", "addresses": ["127.0.0.1"], "port": notify}] if notify else [],
        "templates": [
            {"id": "catalog", "catalog": "producer", "allow_transfer": ["here"], **told},
            {"id": "listed", "catalog_zone": "cat.invalid", "catalog_group": "ours",
             "allow_transfer": ["here"], **told}],
        "zones": [{"name": "cat.invalid", "template": "catalog"},
                  *({"name": name, "template": "listed"} for name in listed)],
    }


def until_gone(port, zone, seconds=60):
    """Until the server knows nothing of the zone any more."""
    end = time.monotonic() + seconds
    while True:
        try:
            reply = dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", 1, port)
            if reply.rcode() == dns.rcode.REFUSED:
                return
        except dns.exception.Timeout:
            pass
        assert time.monotonic() < end, "%s is still there" % zone
        time.sleep(0.05)


def bind(port):
    return servers.Bind(
        [("cat.invalid", 'type secondary; file "cat.db"; primaries port %d { 127.0.0.1; }; '
          'allow-transfer { any; };' % port)],
        options='allow-new-zones yes; allow-transfer { any; }; catalog-zones { zone "cat.invalid" '
                'default-primaries port %d { 127.0.0.1; } in-memory yes min-update-interval 0; };' % port)


def knot(port):
    remote = 'remote:\n  - id: stele\n    address: 127.0.0.1@%d\n' % port
    template = ("template:\n  - id: member\n    master: stele\n    acl: [all]\n    zonefile-load: none\n"
                "    zonefile-sync: -1\n    journal-content: all\n")
    return servers.Knot(
        [("cat.invalid", "master: stele\nacl: [all]\ncatalog-role: interpret\ncatalog-template: member\n"
          "zonefile-load: none\nzonefile-sync: -1\njournal-content: all")], extra=remote + template)


@pytest.mark.parametrize("kind", ["bind", "knot"])
def test_written_here(kind):
    """Stele writes, the other one serves what is listed, and forgets what is not any more."""
    if not peers.find("named" if kind == "bind" else "knotd"):
        pytest.skip("not installed: " + kind)
    with mgmtd.Daemon(producer(NAMES[:2]), data={name: ZONE for name in NAMES}) as daemon:
        daemon.wait("cat.invalid", 1)
        with (bind if kind == "bind" else knot)(daemon.port) as consumer:
            daemon.reload(**producer(NAMES[:2], consumer.port))
            for name in NAMES[:2]:
                assert contents.wait_serial(consumer.port, name, 1) == contents.transfer(daemon.port, name)
            daemon.reload(**producer(NAMES[1:], consumer.port))
            contents.wait_serial(consumer.port, NAMES[2], 1)
            until_gone(consumer.port, NAMES[0])


def test_written_by_knot(tmp_path):
    """Knot writes; groups say which template a zone has."""
    if not peers.find("knotd"):
        pytest.skip("not installed: knotd")
    stele_port = peers.free_port()
    for name in NAMES:
        (tmp_path / name).write_text(ZONE)
    remote = 'remote:\n  - id: stele\n    address: 127.0.0.1@%d\n' % stele_port
    zones = [("cat.invalid", "catalog-role: generate\nacl: [all]\nnotify: stele")] + [
        (name, 'file: %s\nacl: [all]\nnotify: stele\nzonefile-sync: -1\ncatalog-role: member\n'
         'catalog-zone: cat.invalid\ncatalog-group: "%s"' % (tmp_path / name, group))
        for name, group in zip(NAMES, ("plain", "open", "unknown"))]
    with servers.Knot(zones, extra=remote) as writer:
        config = {
            "acls": [HERE], "remotes": [{"id": "knot", "addresses": ["127.0.0.1"], "port": writer.port}],
            "templates": [
                {"id": "catalog", "catalog": "consumer", "primaries": ["knot"], "catalog_template": "plain",
                 "catalog_groups": {"plain": "plain", "open": "open"}},
                {"id": "plain", "primaries": ["knot"]},
                {"id": "open", "primaries": ["knot"], "allow_transfer": ["here"]}],
            "zones": [{"name": "cat.invalid", "template": "catalog"}],
            "listen": [{"address": "127.0.0.1", "port": stele_port}],
        }
        with mgmtd.Daemon(config) as daemon:
            daemon.port = stele_port
            for name in NAMES:
                daemon.wait(name, 1)
            assert contents.transfer(stele_port, "b.test") == contents.transfer(writer.port, "b.test")
            for name in ("a.test", "c.test"):
                assert daemon.query(name, "AXFR", tcp=True).rcode() == dns.rcode.REFUSED
            assert {zone["catalog"] for name, zone in daemon.zones().items() if name in NAMES} == {"cat.invalid."}
