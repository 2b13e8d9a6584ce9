# SPDX-License-Identifier: Apache-2.0
"""`update` gives the answers that a fresh `build` gives, byte for byte.

After each edit of random zones the image that was updated all along is compared with one built anew, with
another seed.
"""
import json
import random

import pytest

import stele
from dnswire import query
from edited_zones import MODES, Model, World, live

SEED = "ae83b0fbba327343dbc44c239e088823"


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


def test_a_cut_above_most_of_the_names(tmp_path):
    """One owner changed, and the image is built anew all the same, as that is the shorter way."""
    store, zone, image = (tmp_path / name for name in ("store", "zone", "image"))
    for serial, cut in ((1, ""), (2, "p NS ns.other.\n"), (3, "")):
        zone.write_text("$TTL 300\n@ SOA ns h %d 1 1 1 1\n@ NS ns.other.\n"
                        "%s$GENERATE 1-6000 h$.p A 192.0.2.1\n" % (serial, cut))
        stele.run("import", "--store", store, "--zone", "one.test", zone)
        if serial == 1:
            stele.run("build", "--store", store, "-o", image)
            continue
        done = json.loads(stele.run("update", "--store", store, "--json", image).stdout)
        assert done["result"] == "rebuilt" and done["reason"].startswith("much changed")
        stele.run("verify", image)


def test_nothing_to_do(tmp_path):
    world = World(str(tmp_path), "nothing", [5], ("plain",))
    before = open(world.image, "rb").read()
    done = stele.run("update", "--store", world.store, world.image)
    assert "nothing to do" in done.stdout
    assert open(world.image, "rb").read() == before


def test_zones_go_and_come_anew_in_one_update(tmp_path):
    """Of some zones nothing is left, others are there again with other names, and one has another salt."""
    store, zone, image, fresh = (tmp_path / name for name in ("store", "zone", "image", "fresh"))
    names = ["z%d.test" % i for i in range(40)]

    def load(name, labels, salt="aa"):
        model = Model(name, "nsec3", random.Random(name), 0)
        model.salt = salt
        model.nodes.update({(label,): {"A": ["192.0.2.1"]} for label in labels})
        zone.write_text("\n".join(model.lines()) + "\n")
        stele.run("import", "--store", store, "--zone", name, zone)

    for name in names:
        load(name, ("a", "b", "c"))
    stele.run("build", "--store", store, "-o", image, "--seed", SEED)
    stele.run("remove", "--store", store, *names[:30])
    for name in names[:15]:
        load(name, ("b", "d"))
    load(names[-1], ("a", "c", "d"), "bb")
    load("new.test", ("a",))
    done = json.loads(stele.run("update", "--store", store, "--json", image).stdout)
    assert done["result"] == "appended"
    stele.run("verify", image)
    stele.run("build", "--store", store, "-o", fresh, "--seed", SEED)
    assert stele.run("dump", image).stdout == stele.run("dump", fresh).stdout


@pytest.mark.parametrize("first, then", (("nsec3", "optout"), ("optout", "nsec3")))
def test_opt_out_of_a_short_chain(tmp_path, first, then):
    world = World(str(tmp_path), "opt-out", [20], (first,))
    world.zones[0].mode = then
    world.step()
    assert world.results == ["appended"]
    stele.run("build", "--store", world.store, "-o", world.fresh)
    assert stele.run("dump", world.image).stdout == stele.run("dump", world.fresh).stdout


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

    # One that an update has found gone is chosen no longer.
    stele.run("remove", "--store", store, "a.test")
    stele.run("update", "--store", store, image)
    load("a.test", "192.0.2.3")
    stele.run("update", "--store", store, image)
    stele.run("build", "--store", store, "-o", fresh, "--seed", SEED, "--only", "b.test")
    assert stele.run("dump", image).stdout == stele.run("dump", fresh).stdout
