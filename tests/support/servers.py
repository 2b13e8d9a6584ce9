# SPDX-License-Identifier: Apache-2.0
"""Servers that change, transfer and notify zones: BIND, Knot, NSD and PowerDNS, as peers of stele-mgmtd.

Each takes its zones as [(name, text)], the text being what stands between the braces, or below the
zone's name, in the server's own words. Keys are {name: algorithm}, all with mgmtd.SECRET.
"""
import contextlib
import os
import sqlite3
import subprocess
import time

import mgmtd
import peers


class Bind(peers.Peer):
    """named. A zone's text is "type primary; file ...;"."""
    program = "named"

    def __init__(self, zones, keys=(), options="", probes=(), extra=""):
        super().__init__()
        self.launch(zones, keys, options, probes, extra)

    def launch(self, zones, keys=(), options="", probes=(), extra=""):
        text = ""
        for name, algorithm in dict(keys).items():
            text += 'key "%s" { algorithm %s; secret "%s"; };\n' % (name, algorithm, mgmtd.SECRET)
        text += """
options {{
  directory "{0}";
  pid-file "{0}/named.pid";
  session-keyfile "{0}/session.key";
  managed-keys-directory "{0}";
  listen-on port {1} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
  allow-query {{ any; }};
  serial-query-rate 1000;
  notify-rate 1000;
  startup-notify-rate 1000;
  notify-delay 0;
  max-refresh-time 5;
  max-retry-time 1;
  {2}
}};
controls {{ }};
""".format(self.folder, self.port, options)
        text += extra
        for name, zone in zones:
            text += 'zone "%s" { %s };\n' % (name, zone)
        self.start(["-g", "-n", "1", "-U", "1", "-c", self.write("named.conf", text)], probes)


class Knot(peers.Peer):
    """knotd. A zone's text is lines such as "file: ..." and "acl: [all]"; the acl "all" lets everybody
    do everything."""
    program = "knotd"

    def __init__(self, zones, keys=(), server="", extra="", probes=()):
        super().__init__()
        text = (peers.KNOT_SERVER + """\
  automatic-acl: off
{2}
""").format(self.folder, self.port, server)
        if keys:
            text += "key:\n" + "".join(
                '  - id: "%s"\n    algorithm: %s\n    secret: %s\n' % (name, algorithm, mgmtd.SECRET)
                for name, algorithm in dict(keys).items())
        text += "acl:\n  - id: all\n    address: 127.0.0.1\n    action: [transfer, notify, update]\n"
        if keys:
            text += "  - id: signed\n    key: [%s]\n    action: [transfer, notify, update]\n" % (
                ", ".join('"%s"' % name for name in dict(keys)))
        text += extra + "zone:\n"
        for name, zone in zones:
            text += '  - domain: "%s"\n    semantic-checks: off\n' % name
            text += "".join("    %s\n" % line.strip() for line in zone.strip().splitlines())
        os.mkdir(self.path("db"))
        self.start(["-c", self.write("knot.conf", text)], probes)


class Nsd(peers.Peer):
    """nsd. A zone's text is lines such as "request-xfr: ..."."""
    program = "nsd"
    own_log = "nsd.log"

    def __init__(self, zones, keys=(), server="", probes=(), extra=""):
        super().__init__()
        text = (peers.NSD_SERVER + """\
  verbosity: 2
  xfrd-reload-timeout: 0
  {2}
remote-control:
  control-enable: no
""").format(self.folder, self.port, server)
        for name, algorithm in dict(keys).items():
            text += 'key:\n  name: "%s"\n  algorithm: %s\n  secret: "%s"\n' % (
                name, algorithm, mgmtd.SECRET)
        text += extra
        for name, zone in zones:
            text += 'zone:\n  name: "%s"\n' % name
            text += "".join("  %s\n" % line.strip() for line in zone.strip().splitlines())
        self.start(["-d", "-c", self.write("nsd.conf", text)], probes)


class Pdns(peers.Peer):
    """pdns_server with its bind backend. A zone's text is as for BIND."""
    program = "pdns_server"

    def __init__(self, zones, options="", probes=()):
        super().__init__()
        named = 'options { directory "%s"; };\n' % self.folder
        named += "".join('zone "%s" { %s };\n' % zone for zone in zones)
        self.configure("launch=bind\nbind-config=%s\n%s" % (self.write("named.conf", named), options))
        self.start(["--config-dir=" + self.folder], probes)

    def configure(self, backend):
        self.write("pdns.conf", """
local-address=127.0.0.1
local-port={1}
socket-dir={0}
daemon=no
guardian=no
setuid=
setgid=
disable-syslog=yes
loglevel=6
secondary=yes
xfr-cycle-interval=1
allow-axfr-ips=127.0.0.1
allow-notify-from=127.0.0.1
webserver=no
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
{2}
""".format(self.folder, self.port, backend))


class PdnsSql(Pdns):
    """pdns_server with its sqlite3 backend, which keeps zones that come and go, and so catalogs: the bind
    backend knows nothing of those. Zones are made by util(), before the start and while it runs."""
    schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

    def __init__(self, options=""):
        peers.Peer.__init__(self)
        with contextlib.closing(sqlite3.connect(self.path("zones.db"))) as base, \
             open(self.schema, encoding="utf-8") as text:
            base.executescript(text.read())
        self.configure("launch=gsqlite3\ngsqlite3-database=%s\ngsqlite3-pragma-foreign-keys=yes\n%s" % (
            self.path("zones.db"), options))

    def begin(self, probes=()):
        self.start(["--config-dir=" + self.folder], probes)

    def util(self, *words):
        """pdnsutil; what it prints. Again while the server holds the database."""
        end = time.monotonic() + 60
        while True:
            done = subprocess.run([peers.find("pdnsutil"), "--config-dir=" + self.folder, *map(str, words)],
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if done.returncode == 0:
                return done.stdout
            if "locked" not in done.stderr or time.monotonic() > end:
                raise peers.PeerError("pdnsutil %s\n%s" % (words, done.stdout + done.stderr))
            time.sleep(0.1)
