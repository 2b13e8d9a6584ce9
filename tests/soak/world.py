# SPDX-License-Identifier: Apache-2.0
"""The whole system of a soak, in namespaces of its own, and the ways to hurt it.

    client namespace --- veth --- stele-responder (AF_PACKET) --- TAP --- the node's namespace:
        stele-mgmtd, its primaries (two Knots), its secondary (a Knot)

The process of the soak itself enters the node's namespace, so everything that it starts is there. Only the main
thread may start what is to live on: the kernel ends a process with the thread that started it (peers.end_with_parent).
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import dns.query

import certificates
import frames
import mgmtd
import netns
import peers
import primaries
import responder
import servers
import stele
from ring import Rings

KEY, ALGORITHM = "change.test.", "hmac-sha256"
MAC, CLIENT_MAC = "02:00:5e:10:00:01", "02:00:5e:10:00:c1"
RING = 512            # frames that a queue of AF_PACKET holds
LOOKS = 100           # at a ring that a flood fills, until it is seen empty
RINGLESS = 512        # its socket holds 256 small ones before that, with net.core.rmem_default as it comes
BURST = 32
DRAIN_S = 20
AFTERMATH_S = 3       # connections notice a death as late as this
UPDATED, SIGNED, IMPORTED, RECEIVED, RECEIVED_SIGNED = (
    "updated.test.", "signed.test.", "imported.test.", "received.test.", "received-signed.test.")
CATALOG = "catalog.test."
MEMBERS = ["member%d.test" % number for number in range(6)]
MEMBER_TEXT = "@ 60 IN SOA ns host 1 2 1 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n"
assert bytes.fromhex(MAC.replace(":", "")) == frames.OURS
assert bytes.fromhex(CLIENT_MAC.replace(":", "")) == frames.CLIENT


def enter(namespace):
    """For this thread and those that it starts."""
    fd = os.open("/run/netns/" + namespace.name, os.O_RDONLY)
    try:
        if netns.LIBC.setns(fd, netns.CLONE_NEWNET):
            raise OSError("setns")
    finally:
        os.close(fd)


@contextlib.contextmanager
def logging_to(path):
    """Programs that start meanwhile with this file as standard error write severities into it."""
    with open(path, "ab") as file:
        stat = os.fstat(file.fileno())
    os.environ["JOURNAL_STREAM"] = "%d:%d" % (stat.st_dev, stat.st_ino)
    try:
        yield
    finally:
        del os.environ["JOURNAL_STREAM"]


class Daemon(mgmtd.Daemon):
    """Its configuration and its log are not on the small disk, its data is."""

    def __init__(self, folder, disk):
        os.mkdir(folder)
        super().__init__(folder=folder, keys={KEY: ALGORITHM}, start=False)
        self.store, self.image = os.path.join(disk, "store"), os.path.join(disk, "image")
        self.config.update({"store": self.store, "image": self.image, "state_dir": os.path.join(disk, "state")})

    def start(self):
        with logging_to(self.log):
            super().start()


class Node(responder.Node):
    def start(self, verbose=False):
        with logging_to(self.log):
            super().start(verbose)
        self.pin_neighbours()

    def pin_neighbours(self):
        """Floods forge ARP too, and what a kernel believes is not what is looked at here."""
        for address in responder.V4, responder.V6:
            self.client.ip("neigh", "replace", address, "lladdr", MAC, "dev", self.interface, "nud", "permanent")
        for address in responder.CLIENT4, responder.CLIENT6:
            self.node.ip("neigh", "replace", address, "lladdr", CLIENT_MAC, "dev", "kernel0", "nud", "permanent")

    def counters_of(self, path):
        """What the file says, of a responder that lives or of one that died, and what its law leaves over."""
        stats = json.loads(responder.stelectl("stats", "--json", "--file", path))
        return {**stats["total"], **stats.get("global", {}), "balance": stats["balance"]}

    def wire_counts(self):
        """What the kernel counted at the responder's end of the cable."""
        text = subprocess.run(["ip", "-n", self.wire.name, "-s", "-j", "link", "show", "dev", "wire0"],
                              check=True, stdout=subprocess.PIPE).stdout
        stats = json.loads(text)[0]["stats64"]
        return {"rx": stats["rx"]["packets"], "tx": stats["tx"]["packets"]}


class World:
    def __init__(self, zones, disk_mb=1024):
        """`zones`: {name: text} of those that are ours and those of Knot."""
        self.folder = tempfile.mkdtemp(prefix="stele-soak-")
        self.disk = os.path.join(self.folder, "disk")
        self.node = self.daemon = self.upstream = self.signer = self.downstream = None
        self.mounted, self.epochs, self.troubles = False, [], []
        self.lock = threading.Lock()
        self.deaths = {"responder": 0, "daemon": 0}
        self.kept = lambda: 0      # frames that the kernel kept, by who sends them
        try:
            self._build(zones, disk_mb)
        except BaseException:
            self.stop()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    # ---- the beginning ----

    def _build(self, zones, disk_mb):
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % disk_mb, "none", self.disk], check=True)
        self.mounted = True
        self.daemon = Daemon(self.path("mgmtd"), self.disk)
        ours = {name: zones[name] for name in (UPDATED, SIGNED, IMPORTED)}
        for name, text in {**ours, **dict.fromkeys(MEMBERS, MEMBER_TEXT)}.items():
            self.daemon.load(name, text)
        stele.run("build", "--store", self.daemon.store, "-o", self.daemon.image)
        self._make_node()
        enter(self.node.node)
        self.node.start()
        self.begin_epoch()
        # The ports have to be known before anybody starts, since all tell one another.
        self.daemon.port = peers.free_port()
        key = [(KEY, ALGORITHM, mgmtd.SECRET)]
        self.upstream = primaries.Knot(RECEIVED, zones[RECEIVED], key, [self.daemon.port])
        self.signer = primaries.KnotSigning(RECEIVED_SIGNED, zones[RECEIVED_SIGNED], key, [self.daemon.port])
        self.downstream = self._make_downstream()
        self.daemon.config.update(self._config(MEMBERS[:3]))
        self.daemon.write_config()
        self.daemon.start()

    def _make_node(self):
        def change(config):
            config["state_dir"] = os.path.join(self.disk, "responder")
            os.mkdir(config["state_dir"])
            config["memory"]["image_arena"] = "256M"
            config["ports"][0]["exception"]["rate"] = 5000
            config["cookies"]["enabled"] = True
            config["rrl"] = {"enabled": True, "answers_per_second": 100, "nxdomains_per_second": 100,
                             "errors_per_second": 20, "exempt": [responder.CLIENT4 + "/32", responder.CLIENT6 + "/128"]}

        self.node = Node(self.daemon.image, port="af_packet", change=change, start=False)
        self.node.log = self.path("responder.log")
        for namespace, interface, mac in ((self.node.wire, "wire0", MAC),
                                          (self.node.client, self.node.interface, CLIENT_MAC)):
            namespace.ip("link", "set", interface, "address", mac)

    def _make_downstream(self):
        remote = 'remote:\n  - id: stele\n    address: 127.0.0.1@%d\n    key: "%s"\n' % (self.daemon.port, KEY)
        zone = "master: stele\nacl: [all, signed]\nzonefile-load: none\nzonefile-sync: -1\njournal-content: all"
        template = "template:\n  - id: member\n" + "".join("    %s\n" % line for line in zone.splitlines())
        zones = [(name, zone) for name in (UPDATED, SIGNED, IMPORTED, RECEIVED, RECEIVED_SIGNED)]
        zones.append((CATALOG, zone + "\ncatalog-role: interpret\ncatalog-template: member"))
        return servers.Knot(zones, {KEY: ALGORITHM}, extra=remote + template)

    def _config(self, members):
        certificate, key = certificates.Authority(self.folder).issue("ns.soak.test")
        port = self.daemon.port
        told = {"allow_transfer": ["key"], "notify": ["down"]}
        return {
            "responder": self.node.control, "log": {"format": "json"}, "threads": 2,
            "tls": {"certificate": certificate, "key": key},
            "listen": [{"address": "127.0.0.1", "port": port}, {"address": responder.V4}, {"address": responder.V6},
                       {"address": responder.V4, "tls": True}],
            "acls": [{"id": "key", "keys": [KEY]}],
            "remotes": [
                {"id": "up", "addresses": ["127.0.0.1"], "port": self.upstream.port, "key": KEY},
                {"id": "signer", "addresses": ["127.0.0.1"], "port": self.signer.port, "key": KEY},
                {"id": "down", "addresses": ["127.0.0.1"], "port": self.downstream.port, "key": KEY}],
            "templates": [
                {"id": "default", "allow_update": ["key"], **told},
                {"id": "received", "primaries": ["up"], "refresh_min": "1s", "retry_min": "1s", **told},
                {"id": "signer", "primaries": ["signer"], "refresh_min": "1s", "retry_min": "1s", **told},
                {"id": "catalog", "catalog": "producer", **told},
                {"id": "listed", "catalog_zone": CATALOG, **told}],
            "zones": self.zones_with(members),
        }

    @staticmethod
    def zones_with(members):
        return [{"name": name} for name in (UPDATED, SIGNED, IMPORTED)] + [
            {"name": RECEIVED, "template": "received"}, {"name": RECEIVED_SIGNED, "template": "signer"},
            {"name": CATALOG, "template": "catalog"}] + [
            {"name": name, "template": "listed"} for name in members]

    # ---- the packets of each life of the responder ----

    def begin_epoch(self):
        self.stats_path = self.node.request("stats")["path"]
        self.rings = Rings(self.node.process.pid)
        self.ringless = self._ringless()

    def _ringless(self):
        """At most so many frames came when a socket of the driver was there and its ring was not.

        The driver asks for frames with socket(2) and for the ring some calls later: the kernel counts what comes in
        between, and throws it away when it makes the ring. This is what a responder lacks from its start, so the least
        that it lacks while it reads: the rest is in its ring.
        """
        least = None
        for _ in range(LOOKS):
            received = self.node.counters_of(self.stats_path)["rx_packets"]
            self.rings.look()
            lacking = self.rings.seen - self.rings.full - received
            least = lacking if least is None else min(least, lacking)
            if least <= 0:
                break
            time.sleep(0.01)
        return least

    def _end_epoch(self, killed):
        self.rings.close()
        counters = self.node.counters_of(self.stats_path)
        self.epochs.append({"counters": counters, "killed": killed, "seen": self.rings.seen, "full": self.rings.full,
                            "ringless": self.ringless, "nobody": 0, "unsure": 0, "kept": 0})

    def _received(self):
        return self.node.wire_counts()["rx"]

    def kill_responder(self, meanwhile=lambda: None, then=lambda: None):
        """And start it again. Frames that come while there is no ring are counted at the cable; those that come while
        cable and ring are looked at, one after the other, are those of which one cannot be sure."""
        kept = self.kept()
        self.node.kill()
        first = self._received()
        # Its counters are in a file of shared memory, which nobody has removed.
        self._end_epoch(True)
        gone = self._received()
        meanwhile()
        self.node.start()
        self.begin_epoch()
        back = self._received()
        self.rings.look()
        last = self._received()
        self.epochs[-1].update(nobody=back - gone - self.rings.seen, unsure=gone - first + last - back,
                               kept=self.kept() - kept)
        self.deaths["responder"] += 1
        then()

    def end_responder(self):
        """In order, when nothing is sent any more and it has read what there was."""
        end = time.monotonic() + DRAIN_S
        while time.monotonic() < end:
            self.rings.look()
            received = self.node.counters_of(self.stats_path)["rx_packets"]
            if received + self.ringless >= self.rings.seen - self.rings.full:
                break
            time.sleep(0.2)
        self._end_epoch(False)
        return self.node.end()

    # ---- what is hurt ----

    @contextlib.contextmanager
    def trouble(self):
        """Connections may be cut from now on until a little after the end."""
        entry = [time.monotonic(), float("inf")]
        with self.lock:
            self.troubles.append(entry)
        try:
            yield
        finally:
            entry[1] = time.monotonic() + AFTERMATH_S

    def excuse(self, seconds):
        """The time until now is one of trouble that was not ours."""
        now = time.monotonic()
        with self.lock:
            self.troubles.append([now - seconds - AFTERMATH_S, now + AFTERMATH_S])

    def is_troubled(self, begin, end):
        with self.lock:
            return any(first <= end and begin <= last for first, last in self.troubles)

    def kill_daemon(self):
        self.daemon.end(signal.SIGKILL)
        self.deaths["daemon"] += 1
        self.daemon.start()

    def kill_both(self, daemon_first):
        """The addresses that the daemon listens on are gone with the responder, and come with it."""
        self.daemon.end(signal.SIGKILL)
        if daemon_first:
            self.kill_responder(meanwhile=self.daemon.start)
        else:
            self.kill_responder(then=self.daemon.start)
        self.deaths["daemon"] += 1

    def compilers(self):
        """The processes that the daemon runs: {pid: state}"""
        found, process = {}, self.daemon.process
        for task in os.listdir("/proc/%d/task" % process.pid) if process else ():
            with contextlib.suppress(OSError):
                with open("/proc/%d/task/%s/children" % (process.pid, task), encoding="ascii") as file:
                    for child in file.read().split():
                        with open("/proc/%s/stat" % child, encoding="ascii") as stat:
                            found[int(child)] = stat.read().rpartition(")")[2].split()[0]
        return found

    def is_copying(self):
        """Whether a compiler that runs is one that copies the image."""
        for child in self.compilers():
            with contextlib.suppress(OSError), open("/proc/%d/cmdline" % child, "rb") as file:
                if b"compact" in file.read().split(b"\0"):
                    return True
        return False

    def kill_compiler(self, rng, seconds=3):
        end = time.monotonic() + seconds
        while True:
            for child in self.compilers():
                time.sleep(rng.random() * 0.03)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    return True
            if time.monotonic() > end:
                return False

    @contextlib.contextmanager
    def full_disk(self):
        filler = os.path.join(self.disk, "filler")
        try:
            with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 4096)
            yield
        finally:
            os.unlink(filler)

    # ---- the end ----

    def logs(self):
        return {"mgmtd": self.daemon.log, "responder": self.node.log}

    def stop(self):
        for part in self.daemon, self.downstream, self.signer, self.upstream, self.node:
            if part:
                with contextlib.suppress(Exception):
                    part.stop()
        if self.mounted:
            subprocess.run(["umount", "-l", self.disk], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, message, way, timeout=2):
        """One question over a way: "port" or "daemon" by UDP, "tcp"."""
        if way == "port":
            return self.node.client.call(dns.query.udp, message, responder.V4, timeout)
        if way == "tcp":
            return dns.query.tcp(message, "127.0.0.1", timeout, self.daemon.port)
        return dns.query.udp(message, "127.0.0.1", timeout, self.daemon.port)
