# SPDX-License-Identifier: Apache-2.0
"""Servers of other projects as primaries of one zone, which changes while they run.

    with primaries.Knot("zone.test.", text, keys=[("k.test.", "hmac-sha256", SECRET)], notify=[port]) as p:
        p.update(newer_text)

Each allows transfers to 127.0.0.1 with each of its keys, or without one where there is none; notifies
ports of 127.0.0.1; and where it can, keeps what changed between versions for IXFR. `tls`: (certificate, key)
for those that serve TLS, at `tls_port`.
"""
import os
import signal
import subprocess
import time

import dns.exception
import dns.query
import dns.tsigkeyring
import dns.xfr

import dnswire
import peers
from fake_primary import canonical

ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]


def serial_of(text):
    """Of a zone file's first record, a SOA in one line."""
    return int(text.splitlines()[0].split()[6])


class Primary(peers.Peer):
    has_tls = False
    has_ixfr = True

    def __init__(self, zone, text, keys=(), notify=(), tls=None):
        super().__init__()
        self.zone, self.keys, self.notify, self.tls = zone, list(keys), list(notify), tls
        self.tls_port = peers.free_port()
        self.serial = serial_of(text)
        self.file = self.write("zone", text)
        self.configure()

    def probes(self):
        return [dnswire.query(self.zone, "SOA")]

    def begin(self, command):
        self.start(command, self.probes())
        self.wait_serial(self.serial)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def update(self, text):
        """Another version of the zone; returns when it is served."""
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        # Some look at the time, in seconds, to see whether a file has changed.
        self.age = getattr(self, "age", int(time.time())) + 2
        os.utime(self.file + ".new", (self.age, self.age))
        os.rename(self.file + ".new", self.file)
        self.serial = serial_of(text)
        self.reload()
        self.wait_serial(self.serial)

    def wait_serial(self, serial, seconds=60):
        import dns.message
        query = dns.message.make_query(self.zone, "SOA")
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = dns.query.udp(query, "127.0.0.1", 1, port=self.port).answer
                if answer and answer[0][0].serial == serial:
                    return
            except (OSError, dns.exception.DNSException):
                pass
            if time.monotonic() > deadline:
                raise peers.PeerError("%s does not serve %d\n%s" % (self.program, serial,
                                                                  self.log_text()[-4000:]))
            time.sleep(0.02)

    def canonical(self):
        """
        What it holds, by a transfer with dnspython. A server that has just loaded a zone may cut a connection, and that
        of NSD may be with the process before, which has no such zone.
        """
        for _ in range(4):
            try:
                return self._transferred()
            except (ConnectionError, EOFError, dns.xfr.TransferError):
                time.sleep(0.5)
        return self._transferred()

    def _transferred(self):
        how = {}
        if self.keys:
            name, algorithm, secret = self.keys[0]
            how = {"keyring": dns.tsigkeyring.from_text({name: secret}), "keyname": name,
                   "keyalgorithm": algorithm}
        rrsets = []
        for message in dns.query.xfr("127.0.0.1", self.zone, port=self.port, relativize=False,
                                     lifetime=60, **how):
            rrsets += message.answer
        return canonical(rrsets)


class Knot(Primary):
    program = "knotd"
    extra_zone = ""   # further lines of the zone
    extra = ""

    def configure(self):
        key = "    key: [%s]\n" % ", ".join(key[0] for key in self.keys) if self.keys else ""
        text = (peers.KNOT_SERVER + """\
  tcp-io-timeout: 60000
""").format(self.folder, self.port)
        if self.keys:
            text += "key:\n" + "".join(
                "  - id: %s\n    algorithm: %s\n    secret: %s\n" % key for key in self.keys)
        text += "acl:\n  - id: transfer\n    address: 127.0.0.1\n    action: transfer\n" + key
        if self.notify:
            text += "remote:\n" + "".join("  - id: s%d\n    address: 127.0.0.1@%d\n" % (port, port)
                                          for port in self.notify)
        text += self.extra
        text += """zone:
  - domain: {0}
    file: "{1}"
    storage: {2}
    acl: transfer
    semantic-checks: off
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: changes
{3}""".format(self.zone, self.file, self.folder, self.extra_zone)
        if self.notify:
            text += "    notify: [%s]\n" % ", ".join("s%d" % port for port in self.notify)
        os.mkdir(self.path("db"))
        self.conf = self.write("knot.conf", text)
        self.begin(["-c", self.conf])

    def reload(self):
        subprocess.run([peers.find("knotc"), "-c", self.conf, "-b", "zone-reload", self.zone],
                       check=True, stdout=subprocess.DEVNULL)


class KnotSigning(Knot):
    """Signs the zone, and gives it a ZONEMD."""
    extra = "policy:\n  - id: p\n    single-type-signing: on\n    nsec3: on\n    nsec3-iterations: 0\n"
    extra_zone = "    dnssec-signing: on\n    dnssec-policy: p\n    zonemd-generate: zonemd-sha384\n" \
                 "    serial-policy: increment\n"

    def wait_serial(self, serial, seconds=60):
        """The signer raises serials."""
        import dns.message
        deadline = time.monotonic() + seconds
        query = dns.message.make_query(self.zone, "SOA")
        while True:
            answer = dns.query.udp(query, "127.0.0.1", 5, port=self.port).answer
            if answer and answer[0][0].serial > serial:
                self.serial = answer[0][0].serial
                return
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.05)


class Nsd(Primary):
    """Its TLS knows no ALPN, so it is not what RFC 9103 section 7.1 wants."""
    program = "nsd"
    own_log = "nsd.log"

    def configure(self):
        text = (peers.NSD_SERVER + """\
  verbosity: 2
""").format(self.folder, self.port)
        if self.tls:
            text += '  ip-address: 127.0.0.1@{0}\n  tls-port: {0}\n'.format(self.tls_port)
            text += '  tls-service-pem: "%s"\n  tls-service-key: "%s"\n' % self.tls
        text += "remote-control:\n  control-enable: no\n"
        for key in self.keys:
            text += 'key:\n  name: "%s"\n  algorithm: %s\n  secret: "%s"\n' % key
        text += 'zone:\n  name: "%s"\n  zonefile: "%s"\n' % (self.zone, self.file)
        text += "  store-ixfr: yes\n  create-ixfr: yes\n"
        text += "".join("  provide-xfr: 127.0.0.1 %s\n" % key[0] for key in self.keys or [["NOKEY"]])
        text += "".join("  notify: 127.0.0.1@%d NOKEY\n" % port for port in self.notify)
        self.begin(["-d", "-c", self.write("nsd.conf", text)])


class Bind(Primary):
    program = "named"
    has_tls = True

    def configure(self):
        text = "".join('key "%s" { algorithm %s; secret "%s"; };\n' % key for key in self.keys)
        if self.tls:
            text += 'tls local { cert-file "%s"; key-file "%s"; protocols { TLSv1.3; }; };\n' % self.tls
        text += """options {{
  directory "{0}";
  pid-file "{0}/named.pid";
  session-keyfile "{0}/session.key";
  lock-file none;
  listen-on port {1} {{ 127.0.0.1; }};
""".format(self.folder, self.port)
        if self.tls:
            text += "  listen-on port %d tls local { 127.0.0.1; };\n" % self.tls_port
        text += """  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  notify explicit;
  notify-delay 0;
  notify-rate 1000;
  startup-notify-rate 1000;
  also-notify {{ {0} }};
  minimal-responses no;
}};
controls {{ }};
""".format(" ".join("127.0.0.1 port %d;" % port for port in self.notify))
        text += 'zone "%s" { type primary; file "%s"; ixfr-from-differences yes; check-names ignore;\n' % (
            self.zone, self.file)
        text += "  check-integrity no; allow-transfer { %s; }; };\n" % (
            "; ".join('key "%s"' % key[0] for key in self.keys) or "127.0.0.1")
        self.begin(["-g", "-c", self.write("named.conf", text)])


class PowerDns(Primary):
    """With the backend that reads BIND's files; it has no IXFR out."""
    program = "pdns_server"
    has_ixfr = False

    def configure(self):
        self.write("named.conf", 'zone "%s" { type master; file "%s"; };\n' % (self.zone.rstrip("."),
                                                                           self.file))
        text = """launch=bind
bind-config={0}/named.conf
bind-check-interval=0
local-address=127.0.0.1
local-port={1}
socket-dir={0}
primary=yes
allow-axfr-ips=127.0.0.1
only-notify=
also-notify={2}
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
guardian=no
""".format(self.folder, self.port, ",".join("127.0.0.1:%d" % port for port in self.notify))
        if self.keys:
            text += "bind-dnssec-db=%s\n" % self.path("keys.db")
        self.write("pdns.conf", text)
        if self.keys:
            self._util("create-bind-db", self.path("keys.db"))
            for key in self.keys:
                self._util("import-tsig-key", *key)
            self._util("set-meta", self.zone, "TSIG-ALLOW-AXFR",
                       *(key[0].rstrip(".") for key in self.keys))
        self.begin(["--config-dir=%s" % self.folder, "--daemon=no"])

    def _util(self, *arguments):
        subprocess.run([peers.find("pdnsutil"), "--config-dir=%s" % self.folder, *arguments], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _control(self, *arguments):
        subprocess.run([peers.find("pdns_control"), "--config-dir=%s" % self.folder, *arguments], check=True,
                       stdout=subprocess.DEVNULL)

    def reload(self):
        self._control("bind-reload-now", self.zone.rstrip("."))
        if self.notify:
            self._control("notify", self.zone.rstrip("."))


ALL = {"knot": Knot, "nsd": Nsd, "bind": Bind, "powerdns": PowerDns}
