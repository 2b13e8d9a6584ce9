# SPDX-License-Identifier: Apache-2.0
"""Sudden death and full disks: nothing acknowledged is lost, and store, image and answers agree afterwards.

A primary takes UPDATEs without end, a secondary follows it by IXFR, a responder (as root) serves the
secondary's image. In each round one process is killed at a random moment, or a disk is filled, and what was
killed is started again, as a service manager does it.
"""
import contextlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.update
import pytest

import disks
import mgmtd
import netns
import peers
import stele

ZONE = "faults.test"
TEXT = "$TTL 60\n@ SOA ns hostmaster 1 2 1 86400 60\n@ NS ns\nns A 192.0.2.1\n" + "".join(
    "h%d A 198.51.100.%d\n" % (i, i % 250) for i in range(3000))
SETTLE_S = 60


class Updates(threading.Thread):
    """Sends UPDATEs one after another, each until it is acknowledged: adding twice is adding once."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.daemon_of_zone = daemon
        self.acknowledged, self.refused = [], 0
        self.stopped = threading.Event()
        self.paused, self.idle = threading.Event(), threading.Event()

    def run(self):
        number = 0
        while not self.stopped.is_set():
            name = "u%d" % number
            update = dns.update.Update(ZONE)
            update.add(name, 60, "TXT", "x" * 100)
            try:
                response = dns.query.udp(update, "127.0.0.1", 1, self.daemon_of_zone.port)
            except (dns.exception.DNSException, OSError):
                time.sleep(0.02)
                continue    # it may have been committed all the same, so there is no rest here
            if response.rcode() == dns.rcode.NOERROR:
                self.acknowledged.append(name)
                number += 1
            else:
                self.refused += 1
                time.sleep(0.02)
            while self.paused.is_set() and not self.stopped.is_set():
                self.idle.set()
                time.sleep(0.01)
            self.idle.clear()

    def pause(self):
        """Until nothing is under way."""
        self.idle.clear()
        self.paused.set()
        assert self.idle.wait(SETTLE_S)

    def wait_for_more(self, cnt):
        goal, end = len(self.acknowledged) + cnt, time.monotonic() + SETTLE_S
        while len(self.acknowledged) < goal:
            assert time.monotonic() < end, "no UPDATE is acknowledged any more: %s" % (
                self.daemon_of_zone.log_text()[-4000:])
            time.sleep(0.005)

    def stop(self):
        self.stopped.set()
        self.join(20)


def children(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(OSError), open("/proc/%d/task/%s/children" % (pid, task),
                                                encoding="ascii") as file:
            found += [int(child) for child in file.read().split()]
    return found


def kill_child(daemon, rng):
    """The compiler that the daemon runs, at some moment of its life; False if none was met."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for child in children(daemon.process.pid):
            time.sleep(rng.random() * 0.02)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                return True
    return False


def exported(daemon):
    """All records, one a line, in order."""
    return sorted(stele.run("export", "--store", daemon.store, ZONE).stdout.splitlines())


def stored_serial(daemon):
    """Of the store: what is served may not have it yet."""
    soa, = (line for line in exported(daemon) if line.split()[3] == "SOA")
    return int(soa.split()[6])


class World:
    """A primary, a secondary, and a responder where one can be had."""

    def __init__(self, seed, with_responder):
        self.rng = random.Random(seed)
        self.node = self.secondary = self.primary = None
        port = peers.free_port()
        self.primary = mgmtd.Daemon({
            "acls": [{"id": "local", "prefixes": ["127.0.0.0/8"]}],
            "remotes": [{"id": "secondary", "addresses": ["127.0.0.1"], "port": port}],
            "templates": [{"id": "default", "allow_update": ["local"], "allow_transfer": ["local"],
                           "notify": ["secondary"]}],
            "zones": [{"name": ZONE}],
        }, data={ZONE: TEXT})
        config = {
            "listen": [{"address": "127.0.0.1", "port": port}],
            "remotes": [{"id": "primary", "addresses": ["127.0.0.1"], "port": self.primary.port}],
            "templates": [{"id": "default", "primaries": ["primary"], "refresh_min": "1s",
                           "retry_min": "1s"}],
            "zones": [{"name": ZONE}],
        }
        self.secondary = mgmtd.Daemon(config, start=False)
        self.secondary.port = port
        if with_responder:
            self.start_responder()
            config["responder"] = self.node.control
            self.secondary.config.update(config)
            self.secondary.write_config()
        self.secondary.start()
        self.secondary.wait(ZONE, 1, SETTLE_S)
        self.updates = Updates(self.primary)
        self.updates.start()

    def start_responder(self):
        import responder
        folder = tempfile.mkdtemp(prefix="stele-faults-")
        try:
            first = os.path.join(folder, "zone")
            with open(first, "w", encoding="ascii") as file:
                file.write("@ SOA ns host 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n")
            stele.run("import", "--store", folder + "/store", "--zone", "first.test", first)
            stele.run("build", "--store", folder + "/store", "-o", folder + "/image")
            self.node = responder.Node(folder + "/image")
        finally:
            shutil.rmtree(folder)

    def hurt(self):
        """Kills something, and starts it again where nobody else does; what it was."""
        time.sleep(self.rng.random() * 0.15)
        victims = ["primary", "secondary", "compiler of the primary", "compiler of the secondary"]
        victim = self.rng.choice(victims + ["responder"] * (self.node is not None))
        if victim == "responder":
            self.node.kill()
            self.node.process.wait()
            self.node.start()
        elif victim.startswith("compiler"):
            kill_child(self.primary if victim.endswith("primary") else self.secondary, self.rng)
        else:
            daemon = getattr(self, victim)
            daemon.end(signal.SIGKILL)
            daemon.start()
        return victim

    def check(self, what):
        """When all have caught up: the same everywhere, and all that was acknowledged."""
        self.updates.pause()
        try:
            serial = stored_serial(self.primary)
            for daemon in self.primary, self.secondary:
                daemon.wait(ZONE, serial, SETTLE_S)
            wanted = exported(self.primary)
            assert exported(self.secondary) == wanted, what
            names = {line.split()[0].split(".")[0] for line in wanted}
            lost = [name for name in self.updates.acknowledged if name not in names]
            assert not lost, (what, lost[:10])
            for daemon in self.primary, self.secondary:
                stele.run("verify", daemon.path("image"))
                self.check_answers(what, lambda message, port=daemon.port: dns.query.udp(
                    message, "127.0.0.1", 5, port))
            if self.node:
                from responder import V4
                self.check_answers(what, lambda message: self.node.client.call(
                    dns.query.udp, message, V4, 5))
        finally:
            self.updates.paused.clear()

    def check_answers(self, what, ask):
        sample = self.updates.acknowledged[-3:] + self.rng.sample(
            self.updates.acknowledged, min(5, len(self.updates.acknowledged)))
        for name in sample:
            message = dns.message.make_query("%s.%s" % (name, ZONE), "TXT")
            for _ in range(5):
                try:
                    assert ask(message).answer, (what, name)
                    break
                except dns.exception.Timeout:
                    continue
            else:
                raise AssertionError("%s: no answer for %s" % (what, name))

    def stop(self):
        if getattr(self, "updates", None):
            self.updates.stop()
        for part in self.secondary, self.primary, self.node:
            if part:
                part.stop()


def live_through(seed, rounds, with_responder):
    world = World(seed, with_responder)
    try:
        for number in range(rounds):
            world.updates.wait_for_more(world.rng.randrange(1, 20))
            victim = world.hurt()
            world.updates.wait_for_more(3)
            world.check("round %d: %s" % (number, victim))
        assert len(world.updates.acknowledged) > 3 * rounds
    finally:
        world.stop()


def test_sudden_deaths():
    live_through("a few", 6, False)


def test_sudden_deaths_with_a_responder(namespaces):
    live_through("a few with a responder", 4, True)


@pytest.mark.slow
def test_a_hundred_sudden_deaths():
    live_through("a hundred", 100, netns.why_not() is None)


# ---- a full disk ----

@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_full_disk():
    """Refused while it is full, never acknowledged in vain; goes on by itself when there is room."""
    with disks.small_disk(24) as folder:
        daemon = mgmtd.Daemon({
            "acls": [{"id": "local", "prefixes": ["127.0.0.0/8"]}],
            "templates": [{"id": "default", "allow_update": ["local"]}],
            "zones": [{"name": ZONE}],
        }, data={ZONE: TEXT}, folder=folder)
        updates = Updates(daemon)
        updates.start()
        try:
            # No image is made while the disk is full.
            daemon.wait_for(lambda: daemon.query(ZONE, "SOA").answer)
            filler, began = os.path.join(folder, "filler"), time.monotonic()
            for _ in range(3):
                updates.wait_for_more(10)
                disks.fill(filler)
                before, end = updates.refused, time.monotonic() + SETTLE_S
                while updates.refused < before + 10:
                    assert time.monotonic() < end, "nothing is refused\n" + daemon.log_text()[-4000:]
                    time.sleep(0.01)
                # It answers all the while.
                assert daemon.query(ZONE, "SOA").answer
                os.unlink(filler)
            # What is one and the same has not filled the log: five lines a minute. The log is on that disk too, and may
            # lack all of them.
            minutes = (time.monotonic() - began) // 60 + 2
            assert daemon.log_text().count("update-failed") <= 5 * minutes
            updates.wait_for_more(10)
            updates.pause()
            daemon.wait(ZONE, stored_serial(daemon), SETTLE_S)
            names = {line.split()[0].split(".")[0] for line in exported(daemon)}
            assert not [name for name in updates.acknowledged if name not in names]
            stele.run("verify", daemon.path("image"))
            for name in updates.acknowledged[-10:]:
                assert daemon.query("%s.%s" % (name, ZONE), "TXT").answer, name
        finally:
            updates.stop()
            daemon.stop()
