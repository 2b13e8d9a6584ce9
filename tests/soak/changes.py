# SPDX-License-Identifier: Apache-2.0
"""Those who change zones, each a thread with a zone of its own: UPDATEs, zone files, an editor at the primary, and
the members of a catalog.

Each change is entered into the zone's history before it is sent, and tried until it is acknowledged: it has its own
serial, and a prerequisite that only the serial before fulfils, so to send it twice is to make it once.
"""
import random
import subprocess
import threading
import time

import dns.exception
import dns.query
import dns.rcode
import dns.rdata
import dns.tsig
import dns.update

import mgmtd
import responder
import stele
import world as soak_world
from history import GONE, History
from signed import TTL, Signer

NAMES = ["h%03d" % number for number in range(150)]
DATAGRAM_MAX = 1200     # the port takes no fragments


def soa_text(zone, serial):
    return "ns.{0} host.{0} {1} 2 1 86400 60".format(zone, serial)


def zone_text(zone, serial, texts):
    """With all names as absolute ones, and the SOA in the first line."""
    return "{0} {1} IN SOA {2}\n{0} {1} IN NS ns.{0}\nns.{0} {1} IN A 192.0.2.1\n".format(
        zone, TTL, soa_text(zone, serial)) + "".join(
        '%s.%s %d IN TXT "%s"\n' % (label, zone, TTL, text) for label, text in sorted(texts.items()))


class Changer(threading.Thread):
    """Changes something again and again. `faults`: what should not have been."""

    def __init__(self, world, seed, name, pause_s):
        super().__init__(daemon=True, name=name)
        self.world, self.pause_s = world, pause_s
        self.rng = random.Random("%s %s" % (seed, name))
        self.halted, self.paused, self.faults = threading.Event(), threading.Event(), []
        self.changes = self.tries = self.repeats = 0

    def run(self):
        try:
            while not self.halted.wait(self.pause_s * self.rng.uniform(0.5, 1.5)):
                if not self.paused.is_set():
                    self.change()
        except Exception as error:    # told in the balance
            self.faults.append("%s ended: %r" % (self.name, error))

    def change(self):
        """One change, until it is acknowledged."""
        raise NotImplementedError

    def again(self):
        """After a try without success: False when it has been given up."""
        if self.halted.is_set() and time.monotonic() > self.end:
            self.faults.append("%s: a change is not acknowledged after all" % self.name)
            return False
        time.sleep(0.05)
        return True

    def halt(self, seconds=60):
        self.end = time.monotonic() + seconds
        self.halted.set()
        self.join(seconds + 30)
        if self.is_alive():
            self.faults.append("%s does not end" % self.name)


class ZoneChanger(Changer):
    """Of a zone with a TXT record for each name, kept in `texts`."""

    def __init__(self, world, seed, zone, pause_s, share=0.03):
        super().__init__(world, seed, zone, pause_s)
        self.zone, self.share = zone, share
        self.serial, self.texts = 1, {label: "first" for label in NAMES}
        self.history = History(zone, 1, self.values(self.texts))

    def text(self):
        return zone_text(self.zone, self.serial, self.texts)

    def values(self, texts):
        return dict(texts)

    def next(self):
        """{label: text or None}: a random change, entered as one of the next serial."""
        cnt = max(1, round(self.rng.random() * 2 * self.share * len(NAMES)))
        changes = {}
        for label in self.rng.sample(NAMES, cnt):
            if label in self.texts and self.rng.random() < 0.3:
                changes[label] = GONE
            else:
                changes[label] = "s%d-%08x" % (self.serial + 1, self.rng.getrandbits(32))
        self.serial += 1
        for label, text in changes.items():
            if text is GONE:
                self.texts.pop(label, None)
            else:
                self.texts[label] = text
        return changes

    def acknowledged(self):
        self.changes += 1
        self.history.acknowledge(self.serial)


class Updater(ZoneChanger):
    """By UPDATE, signed by TSIG, to the daemon itself and through the port."""

    def change(self):
        before = self.serial
        message = self.message(before, self.next())
        for tried in range(1 << 30):
            self.tries += 1
            answer = self.send(message)
            if answer == dns.rcode.NOERROR or (tried and answer == dns.rcode.NXRRSET):
                self.repeats += answer != dns.rcode.NOERROR
                self.acknowledged()
                return
            if answer not in (None, dns.rcode.SERVFAIL):
                self.faults.append("%s: UPDATE to serial %d, try %d: %s" % (
                    self.zone, self.serial, tried + 1, dns.rcode.to_text(answer)))
                self.halted.set()
                return
            if not self.again():
                return

    def new_message(self, before):
        message = dns.update.UpdateMessage(self.zone)
        message.present(self.zone, rdata("SOA", soa_text(self.zone, before)))
        message.use_tsig(dns.tsig.Key(soak_world.KEY, mgmtd.SECRET, soak_world.ALGORITHM))
        return message

    def message(self, before, changes):
        self.history.send(self.serial, self.values(changes))
        message = self.new_message(before)
        for label, text in changes.items():
            message.delete(label, "TXT")
            if text is not GONE:
                message.add(label, TTL, "TXT", '"%s"' % text)
        message.add("@", TTL, rdata("SOA", soa_text(self.zone, self.serial)))
        return message

    def send(self, message):
        """The rcode, or None if there is no answer."""
        ways = ["loop", "loop", "tcp"] + ["port"] * (len(message.to_wire()) <= DATAGRAM_MAX)
        way, port = self.rng.choice(ways), self.world.daemon.port
        try:
            if way == "tcp":
                return dns.query.tcp(message, "127.0.0.1", 2, port).rcode()
            if way == "port":
                return self.world.node.client.call(dns.query.udp, message, responder.V4, 2).rcode()
            return dns.query.udp(message, "127.0.0.1", 2, port).rcode()
        except (dns.exception.DNSException, OSError, EOFError):
            return None


def rdata(kind, text):
    return dns.rdata.from_text("IN", kind, text, relativize=False)


class SigningUpdater(Updater):
    """Of a signed zone: signatures and the chain come with each change. Values are texts with their signatures."""

    def __init__(self, world, seed, zone, pause_s):
        self.signer = Signer(zone, 1, {label: "first" for label in NAMES})
        super().__init__(world, seed, zone, pause_s, share=0.01)

    def text(self):
        return self.signer.zone_file()

    def values(self, texts):
        return {label: GONE if text is GONE else "%s %s" % (text, self.signer.signature(label, "TXT"))
                for label, text in texts.items()}

    def message(self, before, changes):
        removed, added = self.signer.change(self.serial, changes)
        self.history.send(self.serial, self.values(changes))
        message = self.new_message(before)
        for owner, kind, data in removed:
            message.delete(owner, rdata(kind, data))
        for owner, kind, data in added:
            message.add(owner, TTL, rdata(kind, data))
        return message


class Importer(ZoneChanger):
    """By zone files, as an operator imports them beside the daemon."""

    def change(self):
        self.history.send(self.serial + 1, self.values(self.next()))
        path = self.world.path("imported.zone")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.text())
        while True:
            self.tries += 1
            done = stele.run("import", "--store", self.world.daemon.store, "--zone", self.zone, path, check=False)
            if done.returncode == 0:
                self.acknowledged()
                return
            if done.returncode != 3:
                self.faults.append("%s: import: %d %s" % (self.zone, done.returncode, done.stderr))
            if not self.again():
                return


class PrimaryEditor(ZoneChanger):
    """By edits of the file of a Knot, which tells us; `acknowledged` is what Knot serves."""

    def change(self):
        self.history.send(self.serial + 1, self.values(self.next()))
        self.tries += 1
        self.world.upstream.update(self.text())
        self.acknowledged()


class SigningEditor(ZoneChanger):
    """The same where Knot signs, and so gives serials of its own: compared as a whole at the end."""

    def change(self):
        self.next()
        self.serial = self.world.signer.serial + 1
        self.tries += 1
        self.world.signer.update(self.text())
        self.changes += 1


class CatalogChanger(Changer):
    """Members come and go, by a reload of the configuration."""

    def __init__(self, world, seed, pause_s):
        super().__init__(world, seed, soak_world.CATALOG, pause_s)
        self.members = soak_world.MEMBERS[:3]

    def change(self):
        self.members = [name for name in soak_world.MEMBERS if self.rng.random() < 0.5]
        daemon = self.world.daemon
        daemon.config["zones"] = soak_world.World.zones_with(self.members)
        daemon.write_config()
        while True:
            self.tries += 1
            try:
                done = daemon.ctl("reload", check=False)
            except subprocess.SubprocessError:
                done = None
            if done and done.returncode == 0:
                self.changes += 1
                return
            if not self.again():
                return
