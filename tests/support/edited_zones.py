# SPDX-License-Identifier: Apache-2.0
"""Random zones that live through random edits, and an image of them that is updated all along.

Names, cuts, wildcards, aliases and glue come and go, between them denial chains (structural ones: signatures
of the right form that validate nothing) of every kind.
"""
import base64
import hashlib
import json
import os
import random

import stele
from dnswire import name_to_wire, query

TYPES = ("A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DS", "NSEC", "DNSKEY", "NSEC3PARAM", "SRV",
         "DNAME", "ANY")
LABELS = ("a", "b", "c", "d", "www", "mail", "ns1", "ns2", "x", "*", "k9", "zz-top")
MODES = ("plain", "nsec", "nsec3", "optout")


class Model:
    """A zone as {owner labels, rightmost last: {type: [rdata]}}, relative to the apex, which is ()."""

    def __init__(self, name, mode, rng, size):
        self.name, self.mode, self.rng, self.serial = name, mode, rng, 1
        self.salt = "ab12"
        self.nodes = {(): {"NS": ["ns1", "ns.other.test."], "MX": ["10 mail"]}}
        self.seen = set()   # every owner there ever was
        for _ in range(size):
            self.add()

    # -- edits -------------------------------------------------------------------------------------
    def target(self):
        if self.rng.random() < 0.25:
            return "ns.%s.other.test." % self.rng.choice(LABELS[:4])
        owner = self.rng.choice(list(self.nodes)) if self.rng.random() < 0.6 else self.owner()
        return ".".join(owner + (self.name + ".",))

    def owner(self):
        depth = self.rng.choice((1, 1, 1, 2, 2, 3, 4))
        owner = tuple(self.rng.choice(LABELS) for _ in range(depth))
        if self.rng.random() < 0.3:
            below = self.rng.choice(list(self.nodes))
            owner = (owner[:1] + below)[:5]
        if self.rng.random() < 0.5 and "*" not in owner:
            owner = ("h%d" % self.rng.randrange(300),) + owner[1:]
        return owner

    def rdata(self, rtype):
        rng = self.rng
        return {
            "A": lambda: "192.0.2.%d" % rng.randrange(256),
            "AAAA": lambda: "2001:db8::%x" % rng.randrange(65536),
            "TXT": lambda: '"text %d"' % rng.randrange(1000),
            "NS": self.target,
            "CNAME": self.target,
            "DNAME": self.target,
            "MX": lambda: "%d %s" % (rng.randrange(20), self.target()),
            "SRV": lambda: "1 2 53 " + self.target(),
            "HTTPS": lambda: "1 " + self.rng.choice((".", self.target())),
            "DS": lambda: "%d 13 2 %s" % (rng.randrange(65536), "%064x" % rng.getrandbits(256)),
        }[rtype]()

    def add(self):
        owner = self.owner()
        if not owner or any("DNAME" in self.nodes.get(owner[i:], {}) for i in range(1, len(owner) + 1)):
            return
        rtype = self.rng.choice(("A", "A", "A", "AAAA", "TXT", "NS", "NS", "CNAME", "DNAME", "MX", "SRV", "HTTPS"))
        node = self.nodes.get(owner, {})
        if "CNAME" in node or (rtype == "CNAME" and node):
            return
        if rtype == "DNAME" and ("NS" in node or self.below(owner) or "DNAME" in node):
            return
        if rtype == "NS" and ("*" in owner or "DNAME" in node):
            return
        count = 1 if rtype in ("CNAME", "DNAME") else self.rng.choice((1, 1, 2, 3))
        self.nodes.setdefault(owner, {})[rtype] = sorted({self.rdata(rtype) for _ in range(count)})
        if rtype == "NS" and self.rng.random() < 0.4:
            self.nodes[owner]["DS"] = [self.rdata("DS")]
        self.seen.add(owner)

    def below(self, owner):
        return any(other != owner and other[len(other) - len(owner):] == owner for other in self.nodes)

    def drop(self):
        owners = [owner for owner in self.nodes if owner]
        if not owners:
            return
        owner = self.rng.choice(owners)
        node = self.nodes[owner]
        rtype = self.rng.choice(sorted(node))
        del node[rtype]
        if rtype == "NS":
            node.pop("DS", None)
        if not node:
            del self.nodes[owner]

    def edit(self):
        for _ in range(self.rng.choice((1, 1, 1, 2, 5, 20))):
            self.rng.choice((self.add, self.drop))()
        if self.rng.random() < 0.05:
            self.mode = self.rng.choice(MODES)
        if self.rng.random() < 0.03:
            self.salt = "%04x" % self.rng.getrandbits(16)
        self.serial += 1

    # -- what there is -----------------------------------------------------------------------------
    def cut_above(self, owner):
        return any("NS" in self.nodes.get(owner[i:], {}) for i in range(1, len(owner)))

    def text(self, owner):
        return ".".join(owner + (self.name + ".",))

    def lines(self):
        """The zone file."""
        soa = "ns1 hostmaster %d 3600 900 1209600 %d" % (self.serial, 300)
        nodes = {owner: dict(node) for owner, node in self.nodes.items()}
        nodes[()]["SOA"] = [soa]
        if self.mode != "plain":
            nodes[()]["DNSKEY"] = ["257 3 13 " + base64.b64encode(b"k" * 64).decode()]
        chain = []
        if self.mode in ("nsec3", "optout"):
            nodes[()]["NSEC3PARAM"] = ["1 0 0 " + self.salt]
            chain = self.nsec3(nodes)
        elif self.mode == "nsec":
            self.nsec(nodes)
        out = ["$ORIGIN %s." % self.name, "$TTL 3600"]
        for owner, node in nodes.items():
            signed = self.mode != "plain" and not self.cut_above(owner)
            is_cut = owner and "NS" in node
            for rtype, rdatas in node.items():
                out += ["%s %s %s" % (self.text(owner), rtype, rdata) for rdata in rdatas]
                if signed and (not is_cut or rtype in ("DS", "NSEC")):
                    out.append(self.signature(self.text(owner), rtype))
        for owner, rdata in chain:
            out += ["%s 300 NSEC3 %s" % (owner, rdata), self.signature(owner, "NSEC3", 300)]
        return out

    def signature(self, owner, rtype, ttl=3600):
        digest = hashlib.sha512(("%s %s" % (owner, rtype)).encode()).digest()
        return "%s %d RRSIG %s 13 %d %d 20400101000000 20200101000000 4711 %s. %s" % (
            owner, ttl, rtype, owner.count(".") - (owner.startswith("*")), ttl, self.name,
            base64.b64encode(digest).decode())

    def bits(self, owner, node, extra):
        """The types that a denial record lists."""
        if owner and "NS" in node:
            kept = [rtype for rtype in node if rtype in ("NS", "DS")]
            return kept + extra + (["RRSIG"] if "DS" in node or "NSEC" in extra else [])
        return [rtype for rtype in node if rtype not in extra] + extra + (["RRSIG"] if node or extra else [])

    def nsec(self, nodes):
        owners = sorted((owner for owner in nodes if not self.cut_above(owner)),
                        key=lambda owner: [label.encode() for label in reversed(owner)])
        for i, owner in enumerate(owners):
            following = owners[(i + 1) % len(owners)]
            types = self.bits(owner, nodes[owner], ["NSEC"])
            nodes[owner]["NSEC"] = [" ".join([self.text(following)] + types)]

    def nsec3(self, nodes):
        """[(owner, rdata)]: all names, empty non-terminals too; with opt-out no insecure delegations."""
        names = {}
        for owner, node in nodes.items():
            if self.cut_above(owner):
                continue
            if self.mode == "optout" and owner and "NS" in node and "DS" not in node:
                continue
            for i in range(len(owner) + 1):
                names.setdefault(owner[i:], {})
            names[owner] = node
        hashes = {}
        for owner, node in names.items():
            digest = hashlib.sha1(name_to_wire(self.text(owner)) + bytes.fromhex(self.salt)).digest()
            hashes[base64.b32hexencode(digest).decode().lower()] = self.bits(owner, node, [])
        order = sorted(hashes)
        flags = 1 if self.mode == "optout" else 0
        return [("%s.%s." % (label, self.name),
                 "1 %d 0 %s %s %s" % (flags, self.salt, order[(i + 1) % len(order)], " ".join(hashes[label])))
                for i, label in enumerate(order)]

    def questions(self, limit):
        owners = {()}
        for owner in self.seen | set(self.nodes):
            for i in range(len(owner)):
                owners.add(owner[i:])
        owners = sorted(owners)
        if len(owners) > limit:
            owners = self.rng.sample(owners, limit)
        names = set(owners)
        for owner in owners:
            names.add(("no-such",) + owner)
            if self.rng.random() < 0.3:
                names.add(("deep", "no-such") + owner)
                names.add(("*",) + owner)
        return [query(self.text(name), rtype, edns)
                for name in sorted(names) for rtype in TYPES for edns in (None, "do")]


class World:
    """Zones, a store, and the image that is updated all along."""

    def __init__(self, folder, seed, sizes, modes=MODES):
        self.rng = random.Random(seed)
        self.store = os.path.join(folder, "store")
        self.image = os.path.join(folder, "updated")
        self.fresh = os.path.join(folder, "fresh")
        self.folder, self.sizes, self.modes = folder, list(sizes), modes
        self.zones, self.results = [], []
        self.grow()
        self.load(self.zones[0])
        stele.run("build", "--store", self.store, "-o", self.image)

    def grow(self):
        if self.sizes:
            number = len(self.zones)
            name = ("one.test", "two.test", "sub.one.test", "b")[number % 4]
            mode = self.modes[self.rng.randrange(len(self.modes))]
            self.zones.append(Model(name, mode, self.rng, self.sizes.pop(0)))

    def load(self, zone):
        path = os.path.join(self.folder, "zone")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(zone.lines()) + "\n")
        stele.run("import", "--store", self.store, "--zone", zone.name, path)

    def step(self):
        if self.sizes and self.rng.random() < 0.3:
            self.grow()
            self.load(self.zones[-1])
        else:
            # What one update finds is often the work of several commits: an owner changes more than
            # once, and owners change in any order.
            for _ in range(self.rng.choice((1, 1, 2, 3))):
                for zone in self.rng.sample(self.zones, self.rng.randrange(1, len(self.zones) + 1)):
                    zone.edit()
                    self.load(zone)
        done = json.loads(stele.run("update", "--store", self.store, "--json", self.image).stdout)
        self.results.append(done["result"])
        stele.run("verify", self.image)

    def compare(self, limit=120):
        stele.run("build", "--store", self.store, "-o", self.fresh)
        answerers = [stele.Answerer(path, tcp=True) for path in (self.image, self.fresh)]
        try:
            for zone in self.zones:
                queries = zone.questions(limit)
                updated, fresh = (answerer.ask(queries) for answerer in answerers)
                for message, one, other in zip(queries, updated, fresh):
                    assert one == other, "%s (%s)\nquery   %s\nupdated %s\nfresh   %s" % (
                        zone.name, zone.mode, message.hex(), one and one.hex(), other and other.hex())
        finally:
            for answerer in answerers:
                answerer.stop()


def live(folder, seed, steps, sizes, modes=MODES, limit=120):
    world = World(str(folder), seed, sizes, modes)
    for _ in range(steps):
        world.step()
        world.compare(limit)
    return world
