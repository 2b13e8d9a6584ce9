# SPDX-License-Identifier: Apache-2.0
"""Knot DNS, NSD and unbound, each started for one test with a configuration of its own.

Everything lives in a temporary folder, the servers listen on free ports of 127.0.0.1, and they are
ended by the process id that was started here.
"""
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import asking
import dnswire

SBIN = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")


def find(program):
    """The path of a program, or None; /usr/sbin is often not in PATH of an ordinary user."""
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(SBIN))


GIVEN = set()


def free_port():
    """A port of 127.0.0.1 free for UDP and TCP alike, and never the same again. It stays free until a server takes it,
    and over a restart: the kernel gives none of these to connections that go out."""
    while True:
        port = random.randrange(10000, 32000)
        if port in GIVEN:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
             socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            GIVEN.add(port)
            return port


def end_with_parent():
    """Let the kernel end the server when the test run is killed (PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class PeerError(RuntimeError):
    """A peer did not start or did not load a zone."""


class Peer:
    """A server process; subclasses write the configuration and name the command."""
    program = ""
    own_log = None    # name of a file that it logs to

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="stele-peer-")
        self.port = free_port()
        self.log = os.path.join(self.folder, "log")
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, command, probes, seconds=60):
        """Until it answers each probe, or PeerError after so many seconds for one (None: as long as it lives)."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([find(self.program), *command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.folder,
                                            preexec_fn=end_with_parent)
        for probe in probes:
            if not asking.ask_until_answered(self.port, probe, self.process, seconds):
                text = self.log_text()
                self.stop()
                raise PeerError("%s does not answer %s\n%s" % (
                    self.program, dnswire.show(probe), text[-6000:]))

    def log_text(self):
        """What it printed, and what it wrote into a log of its own."""
        text = ""
        for path in self.log, self.own_log and self.path(self.own_log):
            if path and os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def ask(self, queries, tcp=False):
        return asking.ask_tcp(self.port, queries) if tcp else asking.ask_udp(self.port, queries)

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()


def soa_probes(zones):
    return [dnswire.query(name, "SOA") for name, _ in zones]


# What every knotd of a test begins with; {0} is its folder, {1} its port. More of the section `server` may follow.
KNOT_SERVER = """
control:
  listen: {0}/control
log:
  - target: stderr
    any: info
database:
  storage: {0}/db
server:
  rundir: {0}
  pidfile: {0}/knot.pid
  listen: 127.0.0.1@{1}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
"""


class Knot(Peer):
    """knotd, authoritative for [(name, file), ...]."""
    program = "knotd"

    def __init__(self, zones):
        super().__init__()
        text = (KNOT_SERVER + """\
  udp-max-payload: 1232
  tcp-idle-timeout: 20
  automatic-acl: off
  version: ""
  identity: ""
template:
  - id: default
    semantic-checks: off
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
""").format(self.folder, self.port)
        for name, path in zones:
            text += '  - domain: "%s"\n    file: "%s"\n' % (name.replace("\\", "\\\\"), path)
        os.mkdir(self.path("db"))
        self.start(["-c", self.write("knot.conf", text)], soa_probes(zones))


# What every nsd of a test begins with; {0} is its folder, {1} its port.
NSD_SERVER = """
server:
  ip-address: 127.0.0.1@{1}
  server-count: 1
  database: ""
  username: ""
  chroot: ""
  zonesdir: "{0}"
  zonelistfile: "{0}/zone.list"
  xfrdfile: "{0}/xfrd.state"
  xfrdir: "{0}"
  pidfile: "{0}/nsd.pid"
  logfile: "{0}/nsd.log"
"""


class Nsd(Peer):
    """nsd, authoritative for [(name, file), ...].

    Set so that it can be compared with Knot: minimal-responses leaves the apex NS out of positive
    replies, as Knot does, but it also leaves out the additional addresses of MX, SRV and NS answers,
    which Knot sends (choice "additional-addresses"). confine-to-zone keeps a CNAME chain inside its
    zone, as Knot does.
    """
    program = "nsd"
    own_log = "nsd.log"

    def __init__(self, zones, minimal=True):
        super().__init__()
        text = (NSD_SERVER + """\
  verbosity: 1
  ipv4-edns-size: 1232
  hide-version: yes
  hide-identity: yes
  minimal-responses: {2}
  confine-to-zone: yes
  round-robin: no
  refuse-any: no
  tcp-count: 50
  tcp-query-count: 0
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
""").format(self.folder, self.port, "yes" if minimal else "no")
        for name, path in zones:
            text += 'zone:\n  name: "%s"\n  zonefile: "%s"\n' % (name, path)
        self.start(["-d", "-c", self.write("nsd.conf", text)], soa_probes(zones))


class Unbound(Peer):
    """unbound, validating, which knows of the world only stub zones and their trust anchors.

    stubs: [zone name, ...], all served by 127.0.0.1 at stub_port; anchors: DS or DNSKEY records as text.
    """
    program = "unbound"

    def __init__(self, stubs, stub_port, anchors):
        super().__init__()
        self.write("anchors", "\n".join(anchors) + "\n")
        text = """
server:
  interface: 127.0.0.1
  port: {1}
  do-ip6: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{0}"
  pidfile: "{0}/unbound.pid"
  logfile: ""
  use-syslog: no
  verbosity: 1
  val-log-level: 2
  num-threads: 1
  module-config: "validator iterator"
  trust-anchor-file: "{0}/anchors"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  aggressive-nsec: no
  qname-minimisation: no
  harden-below-nxdomain: no
  minimal-responses: no
  prefetch: no
  msg-cache-size: 8m
  rrset-cache-size: 8m
  key-cache-size: 4m
  val-nsec3-keysize-iterations: "1024 150 2048 150 4096 150"
  edns-buffer-size: 1232
  outgoing-range: 256
  num-queries-per-thread: 256
  local-zone: "test." nodefault
remote-control:
  control-enable: no
""".format(self.folder, self.port)
        for name in stubs:
            text += 'stub-zone:\n  name: "%s"\n  stub-addr: 127.0.0.1@%d\n  stub-prime: no\n' % (
                name, stub_port)
        probe = dnswire.query("version.bind.", "TXT", flags=dnswire.RD, qclass=3)
        self.start(["-d", "-c", self.write("unbound.conf", text)], [])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if asking.ask_udp(self.port, [probe])[0]:
                return
        text = self.log_text()
        self.stop()
        raise PeerError("unbound does not answer\n" + text[-4000:])

    def ask(self, queries, tcp=False):
        """Few at a time and patiently: each may cost several queries to the server behind."""
        return asking.ask_udp(self.port, queries, window=16, tries_max=20)
