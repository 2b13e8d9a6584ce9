# SPDX-License-Identifier: Apache-2.0
"""The servers of update-to-served: Stele takes UPDATEs; Knot does, or follows Stele; NSD follows one of them."""
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import time

import dns.message

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

ZONE = "big.test"
START_S = None   # a start is not what is measured, and takes minutes for millions of signed names


class Asked:
    """A socket to ask one server with."""

    def __init__(self, sock, address):
        self.sock, self.address = sock, address
        self.unanswered = 0     # queries
        self.sock.settimeout(0.2)
        self.sock.connect(address)

    def has(self, name):
        query = dns.message.make_query(name, "TXT").to_wire()
        self.sock.send(query)
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            try:
                reply = self.sock.recv(4096)
            except (socket.timeout, ConnectionRefusedError):
                break
            if reply[:2] == query[:2]:
                return reply[3] & 15 == 0 and reply[6:8] != b"\0\0"
        self.unanswered += 1
        return False


class Stele:
    """The daemon on 127.0.0.1, the responder on a TAP port. Tells those who follow it, by their ports."""

    def __init__(self, zone, temp, followers=()):
        import mgmtd
        import responder
        import stele
        self.folder = tempfile.mkdtemp(prefix="stele-bench-", dir=temp)
        self.node = self.daemon = None
        store = os.path.join(self.folder, "store")
        stele.run("import", "--store", store, "--zone", ZONE, zone)
        image = os.path.join(self.folder, "image")
        stele.run("build", "--store", store, "-o", image)
        arena = "%dM" % (3 * os.path.getsize(image) // 2**20 + 64)

        def change(config):
            config["memory"]["image_arena"] = arena
        self.node = responder.Node(image, change=change)
        self.daemon = mgmtd.Daemon({
            "responder": self.node.control,
            "acls": [{"id": "all", "prefixes": ["127.0.0.0/8"]}],
            "remotes": [{"id": "f%d" % port, "addresses": ["127.0.0.1"], "port": port} for port in followers],
            "templates": [{"id": "default", "allow_update": ["all"], "allow_transfer": ["all"],
                           "notify": ["f%d" % port for port in followers]}],
            "zones": [{"name": ZONE}],
        }, folder=self.folder)
        self.daemon.wait(ZONE, 1, 3600)
        sock = self.node.client.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        self.asked = Asked(sock, (responder.V4, 53))
        self.port = self.daemon.port

    def steps(self):
        """What the daemon says of the last round, in milliseconds."""
        status = self.daemon.json("status")
        return status.get("publisher", status)

    def stop(self):
        for part in self.daemon, self.node:
            if part:
                part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def local(port):
    return Asked(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), ("127.0.0.1", port))


class Knot:
    """Takes UPDATEs; sends NOTIFY and IXFR to `secondary` if there is one. Its journal is synced, as it is
    unless one chooses otherwise. With a primary it follows that, on the given port."""

    def __init__(self, zone, temp, secondary_port=None, port=None, primary_port=None):
        import peers
        self.peer = peer = peers.Peer()
        peer.program = "knotd"
        peer.port = port or peer.port
        shutil.rmtree(peer.folder)
        peer.folder = tempfile.mkdtemp(prefix="stele-bench-knot-", dir=temp)
        peer.log = peer.path("log")
        os.mkdir(peer.path("db"))
        text = """
server:
  rundir: {folder}
  pidfile: {folder}/knot.pid
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
control:
  listen: {folder}/control
log:
  - target: stderr
    any: info
database:
  storage: {folder}/db
remote:
  - id: secondary
    address: 127.0.0.1@{secondary}
  - id: primary
    address: 127.0.0.1@{primary}
acl:
  - id: local
    address: 127.0.0.0/8
    action: [update, transfer, notify]
zone:
  - domain: {zone}.
    file: {file}
    zonefile-sync: -1
    zonefile-load: {load}
    journal-content: {journal}
    acl: local
    {notify}
    {master}
""".format(folder=peer.folder, port=peer.port, secondary=secondary_port or 53, zone=ZONE, file=zone,
           primary=primary_port or 53, load="whole" if primary_port else "difference-no-serial",
           journal="changes" if primary_port else "all",
           notify="notify: secondary" if secondary_port else "",
           master="master: primary" if primary_port else "")
        self.port = primary_port or peer.port
        peer.start(["-c", peer.write("knot.conf", text)], peers.soa_probes([(ZONE, zone)]), START_S)
        self.asked = local(peer.port)

    def stop(self):
        self.peer.stop()


class Nsd:
    """Follows its primary, from the zone as it is at the start."""

    def __init__(self, zone, temp, port, primary_port):
        import peers
        self.peer = peer = peers.Peer()
        peer.program = "nsd"
        shutil.rmtree(peer.folder)
        peer.folder = tempfile.mkdtemp(prefix="stele-bench-nsd-", dir=temp)
        peer.log, peer.port = peer.path("log"), port
        shutil.copy(zone, peer.path("zone"))
        text = """
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  database: ""
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  logfile: "{folder}/nsd.log"
  xfrd-reload-timeout: 0
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "{zone}"
  zonefile: "zone"
  allow-notify: 127.0.0.1 NOKEY
  request-xfr: 127.0.0.1@{primary} NOKEY
""".format(folder=peer.folder, port=port, primary=primary_port, zone=ZONE)
        self.port = primary_port
        peer.start(["-d", "-c", peer.write("nsd.conf", text)], peers.soa_probes([(ZONE, zone)]), START_S)
        self.asked = local(port)

    def stop(self):
        self.peer.stop()


def start_unsigned(arguments, zone):
    """Knot takes UPDATEs itself, NSD follows it."""
    import peers
    servers = {}
    try:
        if "stele" in arguments.servers:
            servers["stele"] = Stele(zone, arguments.temp)
        if "knot" in arguments.servers or "nsd" in arguments.servers:
            port = peers.free_port() if "nsd" in arguments.servers else None
            servers["knot"] = Knot(zone, arguments.temp, port)
            if port:
                servers["nsd"] = Nsd(zone, arguments.temp, port, servers["knot"].port)
    except BaseException:
        stop_servers(servers)
        raise
    return servers


def start_signed(arguments, zone):
    """Knot refuses UPDATEs of RRSIG and NSEC3 (`knot_rrtype_is_ddns_forbidden`), so both follow Stele."""
    import peers
    servers = {}
    ports = {name: peers.free_port() for name in ("knot", "nsd") if name in arguments.servers}
    try:
        servers["stele"] = stele = Stele(zone, arguments.temp, ports.values())
        if "knot" in ports:
            servers["knot"] = Knot(zone, arguments.temp, port=ports["knot"], primary_port=stele.port)
        if "nsd" in ports:
            servers["nsd"] = Nsd(zone, arguments.temp, ports["nsd"], stele.port)
    except BaseException:
        stop_servers(servers)
        raise
    return servers


def stop_servers(servers):
    for server in servers.values():
        server.stop()
