# SPDX-License-Identifier: Apache-2.0
"""stele-mgmtd as the primary of servers that others wrote: AXFR, IXFR at each serial, NOTIFY, TSIG, TLS."""
import random

import dns.query
import dns.update
import pytest

import certificates
import contents
import mgmtd
import peers
import servers

ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
""" + "".join("n%03d A 192.0.2.%d\n" % (number, number % 250) for number in range(200))
HERE = {"id": "here", "prefixes": ["127.0.0.1"]}
ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]


def secondary(kind, zones, port, keys=None, tls=None):
    """A secondary of Stele for zones [(name, key or None)]. `tls`: (port, CA file, name)."""
    keys = keys or {}
    if kind == "bind":
        extra, where = "", "port %d { 127.0.0.1%%s; }" % (tls[0] if tls else port)
        if tls:
            extra = 'tls xot { ca-file "%s"; remote-hostname "%s"; };\n' % tls[1:]
        return servers.Bind([
            (name, 'type secondary; file "%s.db"; masterfile-format text; allow-transfer { any; }; '
             'primaries %s;' % (name, where % ((" key %s" % key if key else "") +
                                               (" tls xot" if tls else ""))))
            for name, key in zones], keys, extra=extra)
    if kind == "knot":
        remotes = "remote:\n" + "".join(
            '  - id: "p%s"\n    address: 127.0.0.1@%d\n%s' % (
                key or "", port, '    key: "%s"\n' % key if key else "")
            for key in dict.fromkeys(key for _, key in zones))
        return servers.Knot([
            (name, 'master: "p%s"\nacl: [all%s]\nzonefile-load: none\nzonefile-sync: -1\n'
             'journal-content: all' % (key or "", ", signed" if key else "")) for name, key in zones],
            keys, extra=remotes)
    if kind == "nsd":
        server = 'tls-cert-bundle: "%s"' % tls[1] if tls else ""
        auth = 'tls-auth:\n  name: "xot"\n  auth-domain-name: "%s"\n' % tls[2] if tls else ""
        return servers.Nsd([
            (name, "request-xfr: AXFR 127.0.0.1@%d NOKEY xot\nallow-notify: 127.0.0.1 NOKEY\n"
             "provide-xfr: 127.0.0.1 NOKEY" % tls[0] if tls else
             "request-xfr: 127.0.0.1@%d %s\nallow-notify: 127.0.0.1 %s\nprovide-xfr: 127.0.0.1 NOKEY" % (
                 port, key or "NOKEY", key or "NOKEY")) for name, key in zones],
            keys, server, extra=auth)
    return servers.Pdns([(name, 'type slave; file "%s.db"; masters { 127.0.0.1:%d; };' % (name, port))
                           for name, _ in zones])


def need(kind):
    program = {"bind": "named", "knot": "knotd", "nsd": "nsd", "pdns": "pdns_server"}[kind]
    if not peers.find(program):
        pytest.skip("not installed: " + program)


def config(zone, notify=None, **more):
    return {
        "acls": [HERE],
        "remotes": [{"id": "told", "addresses": ["127.0.0.1"], "port": notify}] if notify else [],
        "templates": [{"id": "default", "allow_transfer": ["here"], "allow_update": ["here"],
                       "notify": ["told"] if notify else []}],
        "zones": [{"name": zone}], **more,
    }


def edit(daemon, zone, source):
    """A random change by UPDATE; the zone afterwards."""
    message = dns.update.Update(zone)
    for _ in range(source.randrange(1, 8)):
        name = "n%03d" % source.randrange(240)
        what = source.randrange(6)
        if what == 0:
            message.delete(name)
        elif what == 1:
            message.replace(name, source.choice([60, 300, 900]), "A", "192.0.2.%d" % source.randrange(250))
        elif what == 2:
            message.add(name, 300, "TXT", '"%s"' % ("x" * source.randrange(200)))
        elif what == 3:
            message.add(name, 300, "MX", "%d N%03d" % (source.randrange(3), source.randrange(240)))
        else:
            message.add(name, 300, "A", "192.0.2.%d" % source.randrange(250))
    assert dns.query.tcp(message, "127.0.0.1", 30, daemon.port).rcode() == 0
    return contents.transfer(daemon.port, zone)


@pytest.mark.parametrize("kind", ["bind", "knot", "nsd", "pdns"])
def test_follows(kind):
    """Told of each change, it fetches it, and holds the same at each serial."""
    need(kind)
    zone, source = "follow.test", random.Random(kind)
    with mgmtd.Daemon(config(zone), data={zone: ZONE}) as daemon:
        daemon.wait(zone, 1)
        with secondary(kind, [(zone, None)], daemon.port) as follower:
            daemon.reload(**config(zone, follower.port))
            expected = contents.transfer(daemon.port, zone)
            assert contents.wait_serial(follower.port, zone, 1) == expected
            for _ in range(12):
                expected = edit(daemon, zone, source)
                got = contents.wait_serial(follower.port, zone, contents.serial(expected))
                assert got == expected
            daemon.wait_for(lambda: [(remote["remote"], remote["state"]) for remote in
                                     daemon.zone(zone)["notified"]] == [("told", "acknowledged")])
            log = daemon.log_text()
            assert "kind=axfr" in log
            # PowerDNS asks for changes of signed zones and those of its own only where it is told to.
            assert kind == "pdns" or log.count("kind=ixfr") >= 10


@pytest.mark.parametrize("kind", ["bind", "knot", "nsd"])
def test_signed_transfers(kind):
    """A zone and a key for each algorithm: transfers, and NOTIFY, which is refused without."""
    need(kind)
    keys = {"key%d." % number: algorithm for number, algorithm in enumerate(ALGORITHMS)}
    zones = [("z%d.test" % number, "key%d." % number) for number in range(len(ALGORITHMS))]

    def signed_config(port):
        return {
            "acls": [HERE] + [{"id": key, "keys": [key]} for key in keys],
            "remotes": [{"id": "r" + key, "addresses": ["127.0.0.1"], "port": port, "key": key}
                        for key in keys] if port else [],
            "templates": [{"id": name, "allow_transfer": [key], "allow_update": ["here"],
                           "notify": ["r" + key] if port else []} for name, key in zones],
            "zones": [{"name": name, "template": name} for name, _ in zones],
        }
    with mgmtd.Daemon(signed_config(None), keys, {name: ZONE for name, _ in zones}) as daemon:
        daemon.wait(zones[-1][0], 1)
        with secondary(kind, zones, daemon.port, keys) as follower:
            daemon.reload(**signed_config(follower.port))
            for name, key in zones:
                contents.wait_serial(follower.port, name, 1)
                message = dns.update.Update(name)
                message.add("new", 60, "A", "192.0.2.3")
                assert dns.query.tcp(message, "127.0.0.1", 30, daemon.port).rcode() == 0
                got = contents.wait_serial(follower.port, name, 2)
                assert got == contents.transfer(daemon.port, name, daemon.key(key))
                daemon.wait_for(lambda name=name: [remote["state"] for remote in
                                                   daemon.zone(name)["notified"]] == ["acknowledged"])


@pytest.mark.parametrize("kind", ["bind", "nsd"])
def test_over_tls(kind, tmp_path):
    """RFC 9103."""
    need(kind)
    zone, source = "tls.test", random.Random(4)
    authority = certificates.Authority(tmp_path)
    certificate, key = authority.issue("primary.test")
    tls_port = peers.free_port()
    with mgmtd.Daemon(start=False) as daemon:
        daemon.load(zone, ZONE)
        daemon.config.update(config(zone, tls={"certificate": certificate, "key": key}))
        daemon.config["listen"] = [*daemon.config["listen"],
                                   {"address": "127.0.0.1", "port": tls_port, "tls": True}]
        daemon.write_config()
        daemon.start()
        daemon.wait(zone, 1)
        with secondary(kind, [(zone, None)], daemon.port,
                       tls=(tls_port, authority.ca, "primary.test")) as follower:
            daemon.reload(**config(zone, follower.port))
            contents.wait_serial(follower.port, zone, 1)
            for _ in range(3):
                expected = edit(daemon, zone, source)
                assert contents.wait_serial(follower.port, zone, contents.serial(expected)) == expected
        # By now everything has come over TLS: another connection is only the test's own.
        daemon.wait_for(lambda: daemon.log_text().count("transfer-out zone=tls.test.") >= 7)


def test_chain():
    """BIND → Stele → NSD: a change goes all the way."""
    need("bind")
    need("nsd")
    zone, source = "chain.test", random.Random(5)
    bind = servers.Bind.__new__(servers.Bind)   # its folder is needed before it starts
    peers.Peer.__init__(bind)
    path = bind.write("zone", ZONE)
    stele_port = peers.free_port()
    bind_zone = ('type primary; file "%s"; allow-update { any; }; allow-transfer { any; }; notify explicit; '
                 'check-integrity no; check-mx ignore; also-notify { 127.0.0.1 port %d; };' % (path, stele_port))
    bind.launch([(zone, bind_zone)])
    with bind:
        def middle(port=None):
            return {
                "acls": [HERE], "remotes": [{"id": "bind", "addresses": ["127.0.0.1"], "port": bind.port}] + (
                    [{"id": "nsd", "addresses": ["127.0.0.1"], "port": port}] if port else []),
                "templates": [{"id": "default", "primaries": ["bind"], "allow_transfer": ["here"],
                               "notify": ["nsd"] if port else []}],
                "zones": [{"name": zone}],
                "listen": [{"address": "127.0.0.1", "port": stele_port}],
            }
        with mgmtd.Daemon(middle()) as daemon:
            daemon.port = stele_port
            daemon.wait(zone, 1)
            with secondary("nsd", [(zone, None)], daemon.port) as last:
                daemon.reload(**middle(last.port))
                contents.wait_serial(last.port, zone, 1)
                for _ in range(8):
                    expected = edit(bind, zone, source)
                    assert contents.wait_serial(last.port, zone, contents.serial(expected)) == expected
                    assert contents.transfer(daemon.port, zone) == expected
                assert "kind=ixfr" in daemon.log_text()
