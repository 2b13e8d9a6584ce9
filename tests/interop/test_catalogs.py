# SPDX-License-Identifier: Apache-2.0
"""Catalog zones with servers that others wrote: what Stele writes BIND, Knot and PowerDNS read, and what Knot and
PowerDNS write Stele reads."""
import os
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
from conftest import need

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


def pdns(port):
    need_pdns_sql()
    consumer = servers.PdnsSql()
    try:
        consumer.util("create-secondary-zone", "cat.invalid", "127.0.0.1:%d" % port)
        consumer.util("set-kind", "cat.invalid", "consumer")
        consumer.begin()
    except BaseException:
        consumer.stop()
        raise
    return consumer


def need_pdns_sql():
    need("pdns_server", "pdnsutil")
    if not os.path.exists(servers.PdnsSql.schema):
        pytest.skip("not installed: pdns-backend-sqlite3")


CONSUMERS = {"bind": ("named", bind), "knot": ("knotd", knot), "pdns": ("pdns_server", pdns)}


@pytest.mark.parametrize("kind", CONSUMERS)
def test_written_here(kind):
    """Stele writes, the other one serves what is listed, and forgets what is not any more, and takes it again."""
    need(CONSUMERS[kind][0])
    with mgmtd.Daemon(producer(NAMES[:2]), data={name: ZONE for name in NAMES}) as daemon:
        daemon.wait("cat.invalid", 1)
        with CONSUMERS[kind][1](daemon.port) as consumer:
            for listed in (NAMES[:2], NAMES[1:], NAMES[::2], NAMES):
                daemon.reload(**producer(listed, consumer.port))
                for name in listed:
                    assert contents.wait_serial(consumer.port, name, 1) == contents.transfer(daemon.port, name)
                for name in set(NAMES) - set(listed):
                    until_gone(consumer.port, name)
                if kind == "pdns":
                    assert sorted(consumer.util("list-all-zones", "secondary").split()) == listed


def test_written_by_knot(tmp_path):
    """Knot writes; groups say which template a zone has."""
    need("knotd")
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


class PdnsWriter(servers.PdnsSql):
    """A catalog and three zones, of which any may be listed in it. It tells one port of each change."""

    def __init__(self, told):
        super().__init__("primary=yes\nonly-notify=\nalso-notify=127.0.0.1:%d\n" % told)
        try:
            self.load("cat.invalid", "$TTL 300\n@ SOA invalid. hostmaster.invalid. 1 3600 600 86400 300\n"
                                     "@ NS invalid.\n", "producer")
            for name in NAMES:
                self.load(name, ZONE, "primary")
        except BaseException:
            self.stop()
            raise

    def load(self, zone, text, kind):
        self.util("load-zone", zone, self.write("zone", "$ORIGIN %s.\n" % zone + text))
        self.util("set-kind", zone, kind)

    def list(self, zone, catalog="cat.invalid"):
        self.util("set-catalog", zone, catalog)


def members(port):
    """{zone: group} as a catalog's contents have them."""
    records = contents.transfer(port, "cat.invalid")
    groups = {owner: data.strip('"') for owner, _, kind, data in records
              if kind == "TXT" and owner.startswith("group.")}
    return {data.rstrip("."): groups.get("group." + owner) for owner, _, kind, data in records if kind == "PTR"}


def test_written_by_pdns():
    """PowerDNS writes; members come, go and change their groups, which say which template a zone has. PowerDNS 4.7
    raises no serial for a group alone (the catalog has it, its CATALOG-HASH does not), so another member comes
    with it."""
    need_pdns_sql()
    port = peers.free_port()
    with PdnsWriter(port) as writer:
        for name, group in zip(NAMES, ("plain", "open", "unknown")):
            writer.util("set-option", name, "producer", "group", group)
        writer.list("a.test")
        writer.list("b.test")
        writer.begin()
        config = {
            "acls": [HERE], "remotes": [{"id": "pdns", "addresses": ["127.0.0.1"], "port": writer.port}],
            "templates": [
                {"id": "catalog", "catalog": "consumer", "primaries": ["pdns"], "allow_transfer": ["here"],
                 "allow_notify": ["here"], "catalog_template": "plain",
                 "catalog_groups": {"plain": "plain", "open": "open"}},
                {"id": "plain", "primaries": ["pdns"]},
                {"id": "open", "primaries": ["pdns"], "allow_transfer": ["here"]}],
            "zones": [{"name": "cat.invalid", "template": "catalog"}],
            "listen": [{"address": "127.0.0.1", "port": port}],
        }
        with mgmtd.Daemon(config) as daemon:
            daemon.port = port

            def until(*listed):
                """Until these are the members, and all of them are served as PowerDNS has them."""
                daemon.wait_for(lambda: {name for name, zone in daemon.zones().items()
                                         if zone.get("catalog") == "cat.invalid."} == set(listed))
                for name in listed:
                    daemon.wait(name, 1)
                    shown = contents.transfer(port, name) if name == "b.test" else None
                    assert shown in (None, contents.transfer(writer.port, name))
                for name in set(NAMES) - set(listed):
                    until_gone(port, name)
                assert members(port) == members(writer.port)
                assert set(members(port)) == set(listed)

            until("a.test", "b.test")
            assert daemon.query("a.test", "AXFR", tcp=True).rcode() == dns.rcode.REFUSED
            writer.list("c.test")
            until("a.test", "b.test", "c.test")
            writer.list("a.test", "")
            until("b.test", "c.test")
            writer.list("a.test")
            writer.list("b.test", "")
            until("a.test", "c.test")
            assert daemon.query("c.test", "AXFR", tcp=True).rcode() == dns.rcode.REFUSED
            writer.util("set-option", "c.test", "producer", "group", "open")
            writer.list("b.test")
            until("a.test", "b.test", "c.test")
            assert contents.transfer(port, "c.test") == contents.transfer(writer.port, "c.test")
