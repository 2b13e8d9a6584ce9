# SPDX-License-Identifier: Apache-2.0
"""`update` gives the answers that a fresh `build` gives, byte for byte.

Random zones live through random edits: names, cuts, wildcards, aliases and glue come and go, between
them denial chains (structural ones: signatures of the right form that validate nothing) of every kind.
After each edit the image that was updated all along is compared with one built anew, with another seed.
"""
import base64
import functools
import hashlib
import json
import os
import random
import shutil
import struct

import pytest

import disks
import stele
from dnswire import name_to_wire, query

TYPES = ("A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DS", "NSEC", "DNSKEY", "NSEC3PARAM", "SRV",
         "DNAME", "ANY")
LABELS = ("a", "b", "c", "d", "www", "mail", "ns1", "ns2", "x", "*", "k9", "zz-top")
MODES = ("plain", "nsec", "nsec3", "optout")
SEED = "ae83b0fbba327343dbc44c239e088823"


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
            "DS": lambda: "%d 13 2 %s" % (rng.randrange(65536), "%064x" % rng.getrandbits(256)),
        }[rtype]()

    def add(self):
        owner = self.owner()
        if not owner or any("DNAME" in self.nodes.get(owner[i:], {}) for i in range(1, len(owner) + 1)):
            return
        rtype = self.rng.choice(("A", "A", "A", "AAAA", "TXT", "NS", "NS", "CNAME", "DNAME", "MX", "SRV"))
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


@pytest.mark.parametrize("mode", MODES)
def test_one_zone(tmp_path, mode):
    world = live(tmp_path, "one " + mode, 8, [40], (mode,))
    assert "appended" in world.results


@pytest.mark.parametrize("seed", range(2))
def test_several_zones(tmp_path, seed):
    live(tmp_path, "several %d" % seed, 8, [30, 200, 10, 60])


@pytest.mark.parametrize("mode", MODES[1:])
def test_chain_in_shards(tmp_path, mode):
    world = live(tmp_path, "shards " + mode, 3, [900], (mode,), limit=300)
    assert "appended" in world.results


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_many_lives(tmp_path, seed):
    live(tmp_path, "life %d" % seed, 30, [60, 300, 20, 150])


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES[1:])
def test_chain_in_many_shards(tmp_path, mode):
    world = live(tmp_path, "many shards " + mode, 6, [60000], (mode,), limit=2000)
    assert "appended" in world.results


# Records of p.one.test as they are at first, after a first commit, after a second one. What comes or
# goes below p makes p be looked at before its own change comes up.
CUTS = {
    "comes": ("p A 192.0.2.1\nd.p A 192.0.2.2\ne.f.d.p A 192.0.2.3",
              "p A 192.0.2.1\nd.p A 192.0.2.2\ne.f.d.p A 192.0.2.3\nc.p A 192.0.2.4",
              "p NS ns.other.\nd.p A 192.0.2.2\ne.f.d.p A 192.0.2.3\nc.p A 192.0.2.4"),
    "comes_two_labels_up": ("d.p A 192.0.2.2", "d.p A 192.0.2.2\na.b.c.p A 192.0.2.4",
                            "p NS ns.other.\nd.p A 192.0.2.2\na.b.c.p A 192.0.2.4"),
    "goes": ("p NS ns1.p\np NS ns2.p\nns1.p A 192.0.2.1\nns2.p A 192.0.2.2\na.b.p NS ns2.p\nc.a.b.p A 192.0.2.3",
             "p NS ns1.p\np NS ns2.p\nns2.p A 192.0.2.2\na.b.p NS ns2.p\nc.a.b.p A 192.0.2.3",
             "ns2.p A 192.0.2.2\na.b.p NS ns2.p\nc.a.b.p A 192.0.2.3"),
}


@pytest.mark.parametrize("way", CUTS)
@pytest.mark.parametrize("reverse", (False, True))
def test_a_cut_changes_after_a_name_below_it(tmp_path, way, reverse):
    store, zone, image, fresh = (tmp_path / name for name in ("store", "zone", "image", "fresh"))
    steps = CUTS[way][::-1] if reverse else CUTS[way]
    for serial, records in enumerate(steps):
        zone.write_text("$TTL 300\n@ SOA ns h %d 1 1 1 1\n@ NS ns.other.\n%s\n" % (serial, records))
        stele.run("import", "--store", store, "--zone", "one.test", zone)
        if serial == 0:
            stele.run("build", "--store", store, "-o", image, "--seed", SEED)
    done = json.loads(stele.run("update", "--store", store, "--json", image).stdout)
    assert done["result"] == "appended"
    stele.run("verify", image)
    stele.run("build", "--store", store, "-o", fresh, "--seed", SEED)
    assert stele.run("dump", image).stdout == stele.run("dump", fresh).stdout


def test_nothing_to_do(tmp_path):
    world = World(str(tmp_path), "nothing", [5], ("plain",))
    before = open(world.image, "rb").read()
    done = stele.run("update", "--store", world.store, world.image)
    assert "nothing to do" in done.stdout
    assert open(world.image, "rb").read() == before


def load_wide(folder, serial):
    """A zone in which each serial changes a few names, of all shards."""
    zone = folder / "zone"
    with open(zone, "w", encoding="ascii") as file:
        file.write("@ 60 SOA ns hostmaster %d 60 60 60 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n" % serial)
        for i in range(25000):
            file.write('h%d 60 TXT "%s %d"\n' % (i, "x" * 200, serial if i % 997 == 0 else 0))
    stele.run("import", "--store", folder / "store", "--zone", "one.test", zone)


def test_compacting_is_put_off(tmp_path):
    """An update that somebody waits for leaves the garbage, `compact` takes it away, and answers stay."""
    store, image = (str(tmp_path / name) for name in ("store", "image"))
    load = functools.partial(load_wide, tmp_path)

    def update(*options):
        return json.loads(stele.run("update", "--store", store, "--json", *options, image).stdout)

    load(1)
    stele.run("build", "--store", store, "-o", image)
    for serial in range(2, 8):
        load(serial)
        assert update("--no-compact")["result"] == "appended"
    before = os.path.getsize(image)
    names = stele.run("dump", image).stdout
    stele.run("update", "--store", store, image)
    assert os.path.getsize(image) == before     # nothing to do, not even that

    done = json.loads(stele.run("compact", "--json", image).stdout)
    assert done["bytes_before"] == before and done["bytes"] == os.path.getsize(image) < before / 2
    stele.run("verify", image)
    assert stele.run("dump", image).stdout == names

    for serial in range(8, 13):
        load(serial)
        results = update()["result"]
    assert results in ("appended", "compacted") and os.path.getsize(image) < before
    missing = stele.run("compact", str(tmp_path / "none"), check=False)
    assert missing.returncode == 1 and "none" in missing.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_no_room_for_a_copy(tmp_path):
    """The change is in the image, so the update has not failed, whatever becomes of the garbage."""
    store, load = str(tmp_path / "store"), functools.partial(load_wide, tmp_path)
    with disks.small_disk(200) as folder:
        image, filler = (os.path.join(folder, name) for name in ("image", "filler"))
        load(1)
        stele.run("build", "--store", store, "-o", image)
        for serial in range(2, 8):
            load(serial)
            done = stele.run("update", "--store", store, "--json", "--no-compact", image)
        appended = json.loads(done.stdout)["appended_bytes"]
        load(8)
        disks.fill(filler)
        os.truncate(filler, os.path.getsize(filler) - appended * 3 // 2)
        done = stele.run("update", "--store", store, "--json", image)
        result = json.loads(done.stdout)
        assert result["result"] == "appended" and "No space left" in result["reason"]
        assert done.stderr.startswith("stele-compile: warning: %s: its garbage stays: " % image)
        assert sorted(os.listdir(folder)) == ["filler", "image"]
        assert " 8 60 60 60 60" in stele.run("dump", image).stdout
        os.unlink(filler)
        load(9)
        done = stele.run("update", "--store", store, "--json", image)
        assert json.loads(done.stdout)["result"] == "compacted" and done.stderr == ""


def test_no_sync_makes_the_same_file(tmp_path):
    world = World(str(tmp_path), "unsynced", [40], ("nsec3",))
    other = str(tmp_path / "other")
    for _ in range(4):
        shutil.copy(world.image, other)
        world.zones[0].edit()
        world.load(world.zones[0])
        now = stele.run("update", "--store", world.store, "--json", world.image)
        unsynced = stele.run("update", "--store", world.store, "--json", "--no-sync", other)
        now, unsynced = (json.loads(done.stdout) for done in (now, unsynced))
        assert unsynced["result"] == now["result"] == "appended"
        assert unsynced["sync_seconds"] == 0 < now["sync_seconds"]
        assert open(world.image, "rb").read() == open(other, "rb").read()
    again = stele.run("update", "--store", world.store, "--no-sync", other)
    assert again.stdout.count("nothing to do") == 1


def test_torn_tail_is_cut(tmp_path):
    world = World(str(tmp_path), "torn", [30], ("nsec",))
    with open(world.image, "ab") as file:
        file.write(b"torn" * 5000)
    world.step()
    world.compare()
    assert world.results == ["appended"]


def test_other_store_means_a_full_build(tmp_path):
    world = World(str(tmp_path), "other", [30], ("plain",))
    shutil.rmtree(world.store)
    world.load(world.zones[0])
    world.step()
    world.compare()
    assert world.results == ["rebuilt"]


@pytest.mark.parametrize("commits", [1, 2])
def test_store_put_back_from_a_copy(tmp_path, commits):
    """Its generations count on from there: those that were lost are not those that come after, of the same numbers."""
    world = World(str(tmp_path), "back", [30], ("nsec3",))
    copy = str(tmp_path / "copy")
    shutil.copytree(world.store, copy)
    world.zones[0].edit()
    world.load(world.zones[0])
    stele.run("update", "--store", world.store, world.image)
    shutil.rmtree(world.store)
    shutil.move(copy, world.store)
    for _ in range(commits):
        world.zones[0].edit()
        world.load(world.zones[0])
    done = json.loads(stele.run("update", "--store", world.store, "--json", world.image).stdout)
    lost = done["from_generation"]
    assert done["result"] == "rebuilt" and done["generation"] == lost - 1 + commits
    assert "generation %d of the store is not the one that the image is of" % lost in done["reason"]
    world.compare()
    assert "nothing to do" in stele.run("update", "--store", world.store, world.image).stdout


def test_chosen_zones_stay_the_only_ones(tmp_path):
    world = World(str(tmp_path), "only", [30, 30], ("plain",))
    stele.run("build", "--store", world.store, "-o", world.image, "--only", "one.test")
    world.grow()
    world.load(world.zones[1])
    done = stele.run("update", "--store", world.store, "--json", world.image)
    assert json.loads(done.stdout)["result"] in ("appended", "rebuilt")
    stele.run("verify", world.image)
    answerer = stele.Answerer(world.image)
    reply, = answerer.ask([query("two.test.", "SOA")])
    answerer.stop()
    assert reply[3] & 15 == 5   # REFUSED


def test_chosen_zones_may_be_removed_and_imported_again(tmp_path):
    """Such a zone has another id in the store. It comes back, and what others import meanwhile does not."""
    store, image, zone = tmp_path / "store", tmp_path / "image", tmp_path / "zone"

    def load(name, address):
        zone.write_text("@ 60 SOA ns h 1 60 60 60 60\n@ 60 NS ns.other.\nw 60 A %s\n" % address)
        stele.run("import", "--store", store, "--zone", name, zone)

    for name in ("a.test", "b.test", "c.test"):
        load(name, "192.0.2.1")
    stele.run("build", "--store", store, "-o", image, "--seed", SEED, "--only", "a.test", "b.test")
    for name in ("a.test", "c.test"):
        stele.run("remove", "--store", store, name)
        load(name, "192.0.2.2")
    load("d.test", "192.0.2.2")
    done = json.loads(stele.run("update", "--store", store, "--json", image).stdout)
    assert done["result"] == "appended"
    stele.run("verify", image)
    fresh = tmp_path / "fresh"
    stele.run("build", "--store", store, "-o", fresh, "--seed", SEED, "--only", "a.test", "b.test")
    assert stele.run("dump", image).stdout == stele.run("dump", fresh).stdout
    answerer = stele.Answerer(image)
    replies = answerer.ask([query("w.%s.test." % name, "A") for name in "abcd"])
    answerer.stop()
    assert [reply[3] & 15 for reply in replies] == [0, 0, 5, 5]
    assert [reply[-1] for reply in replies[:2]] == [2, 1]


def root_of(image):
    root = image[(len(image) - 256) // 4096 * 4096:][:256]
    assert root[:8] == b"STELROOT"
    return root


def first_page(image):
    """Where the references of the first 64 shards stand."""
    top, = struct.unpack_from("<Q", root_of(image), 48)
    return struct.unpack_from("<Q", image, top)[0]


def directory(path):
    """[(digest, size)] of all shards of an image, as docs/image-format.md describes it."""
    with open(path, "rb") as file:
        image = file.read()
    shard_cnt, = struct.unpack_from("<I", root_of(image), 12)
    assert shard_cnt <= 64
    refs = (image[first_page(image) + 64 * shard:][:64] for shard in range(shard_cnt))
    return [(ref[32:], struct.unpack_from("<Q", ref, 8)) for ref in refs]


def test_replaced_records_give_the_shards_of_a_build(tmp_path):
    """Where no name comes or goes, updated shards are those of a build with the same seed, to the byte."""
    rng = random.Random("replaced")
    zone, store = tmp_path / "zone", tmp_path / "store"
    updated, fresh = tmp_path / "updated", tmp_path / "fresh"
    addresses = {"h%d.%d" % (i, i % 700): ["10.0.0.1"] for i in range(40000)}

    def load(serial):
        lines = ["$ORIGIN z.test.", "$TTL 300", "@ SOA ns h %d 1 1 1 1" % serial, "@ NS ns.other.test."]
        lines += ["%s A %s" % (owner, a) for owner, all_of_it in addresses.items() for a in all_of_it]
        zone.write_text("\n".join(lines) + "\n")
        stele.run("import", "--store", store, "--zone", "z.test", zone)

    load(1)
    stele.run("build", "--store", store, "-o", updated, "--seed", SEED)
    shards = 0
    # One record; some in a shard, longer and shorter; more of them than are replaced one by one.
    for serial, cnt in enumerate((1, 0, 20, 60, 2000), 2):
        for owner in rng.sample(sorted(addresses), cnt):
            addresses[owner] = ["10.0.%d.%d" % (serial, i) for i in range(rng.randrange(1, 5))]
        load(serial)
        done = json.loads(stele.run("update", "--store", store, "--json", updated).stdout)
        assert (done["result"], done["names"]) == ("appended", cnt + 1)
        shards = max(shards, done["shards"])
        stele.run("verify", updated)
        stele.run("build", "--store", store, "-o", fresh, "--seed", SEED)
        assert directory(updated) == directory(fresh), (serial, cnt)
    assert shards > 2


def test_damaged_shard_stops_an_update(tmp_path):
    """Only shards that an update needs are read. One whose head is damaged is named, and nothing changes."""
    world = World(str(tmp_path), "damaged", [30], ("nsec",))
    image = bytearray(open(world.image, "rb").read())
    shard_off, = struct.unpack_from("<Q", image, first_page(image))
    image[shard_off + 16] ^= 1   # the size of the only shard of names
    with open(world.image, "wb") as file:
        file.write(image)
    world.zones[0].edit()
    world.load(world.zones[0])
    done = stele.run("update", "--store", world.store, world.image, check=False)
    assert done.returncode == 1 and "shard 0" in done.stderr and "its head" in done.stderr
    assert open(world.image, "rb").read() == image
