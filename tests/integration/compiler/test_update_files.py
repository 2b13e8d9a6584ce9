# SPDX-License-Identifier: Apache-2.0
"""What `update` and `compact` do with the file of an image: its garbage, its tail, its shards, its store."""
import functools
import json
import os
import random
import resource
import shutil
import struct
import subprocess
import threading

import pytest

import disks
import image_parts
import stele
from edited_zones import World

SEED = "ae83b0fbba327343dbc44c239e088823"


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


def test_tail_is_cut_while_the_image_is_opened(tmp_path):
    """Of an append that did not come to its end, which the next one takes away: no reader may fall over that."""
    world = World(str(tmp_path), "cut", [30], ("nsec",))
    size, done = os.path.getsize(world.image), threading.Event()

    def append_and_cut():
        while not done.wait(0.01):
            os.truncate(world.image, size + (64 << 20))
            done.wait(0.01)
            os.truncate(world.image, size)

    writer = threading.Thread(target=append_and_cut)
    writer.start()
    try:
        for _ in range(40):
            stele.run("stats", world.image)
    finally:
        done.set()
        writer.join()


def test_other_store_means_a_full_build(tmp_path):
    """Which is told: the zones of the image may be those of a store that was not meant."""
    world = World(str(tmp_path), "other", [30], ("plain",))
    os.rename(world.store, tmp_path / "old")
    world.load(world.zones[0])
    world.step()
    world.compare()
    assert world.results == ["rebuilt"]
    done = stele.run("update", "--store", tmp_path / "old", world.image)
    assert done.stderr == "stele-compile: warning: %s: it was of another store, and has the zones of %s now\n" % (
        world.image, tmp_path / "old")
    world.zones[0].edit()
    world.load(world.zones[0])
    stele.run("update", "--store", world.store, world.image)
    world.zones[0].edit()
    world.load(world.zones[0])
    assert stele.run("update", "--store", world.store, world.image).stderr == ""


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


def directory(path):
    """[(digest, size)] of all shards of an image."""
    with open(path, "rb") as file:
        return [(ref[32:], struct.unpack_from("<Q", ref, 8)) for ref in image_parts.refs(file.read())]


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


@pytest.mark.parametrize("command", ("import", "build", "update", "compact"))
def test_limit_of_file_sizes(command, tmp_path):
    """It is said, and nothing changes, as when the disk is full."""
    world = World(str(tmp_path), "limit", [30], ("plain",))
    zone, fresh = tmp_path / "zone", tmp_path / "new"
    if command != "import":
        world.zones[0].edit()
        world.load(world.zones[0])
    else:
        zone.write_text("@ 60 SOA ns h 9 1 1 1 1\n@ 60 NS ns.other.\n" + "".join(
            'h%d 60 TXT "%s"\n' % (i, "x" * 200) for i in range(20000)))
    before = open(world.image, "rb").read()
    limit = os.path.getsize(os.path.join(world.store, "data.mdb")) if command == "import" else 2000
    arguments = {"import": ("--store", world.store, "--zone", "two.test", zone), "compact": (world.image,),
                 "build": ("--store", world.store, "-o", fresh), "update": ("--store", world.store, world.image)}
    done = subprocess.run(
        [stele.binary(), command, *arguments[command]], stderr=subprocess.PIPE, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 3 and "File too large" in done.stderr, done
    assert open(world.image, "rb").read() == before and not fresh.exists()
    assert '"one.test."' in stele.run("zones", "--store", world.store, "--json").stdout
    stele.run("update", "--store", world.store, world.image)


def test_compact_finds_damage(tmp_path):
    """No copy takes the place of a damaged image: all that is wrong with it is wrong with that too."""
    world = World(str(tmp_path), "damaged", [30], ("nsec",))
    with open(world.image, "rb") as file:
        image = bytearray(file.read())
    off, size = image_parts.shards(image)[0]
    image[off + size - 1] ^= 1
    with open(world.image, "wb") as file:
        file.write(image)
    inode = os.stat(world.image).st_ino
    done = stele.run("compact", world.image, check=False)
    assert done.returncode == 1
    assert done.stderr == "stele-compile: %s: shard 0 at %d: wrong checksum\n" % (world.image, off)
    assert os.stat(world.image).st_ino == inode and os.listdir(tmp_path).count("updated") == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith("updated.")]


@pytest.mark.parametrize("command", ("compact", "update"))
def test_image_behind_a_link(command, tmp_path):
    """The link stays, and what it leads to is replaced: whoever serves that gets the change."""
    world = World(str(tmp_path), "link", [30], ("plain",))
    (tmp_path / "place").mkdir()
    target, link = tmp_path / "place" / "real", tmp_path / "link"
    os.rename(world.image, target)
    (tmp_path / "between").symlink_to("place/real")
    link.symlink_to(tmp_path / "between")
    before = target.stat().st_ino
    if command == "update":
        shutil.rmtree(world.store)      # another store means a full build
        world.load(world.zones[0])
    done = stele.run(command, *{"compact": (), "update": ("--store", world.store)}[command], link)
    assert done.stdout.startswith("%s: " % link)
    assert link.is_symlink() and os.readlink(tmp_path / "between") == "place/real"
    assert target.stat().st_ino != before and os.listdir(target.parent) == ["real"]
    world.zones[0].edit()
    world.load(world.zones[0])
    stele.run("update", "--store", world.store, link)
    assert " %d 3600 900 " % world.zones[0].serial in stele.run("dump", target).stdout
    link.unlink()
    link.symlink_to("nowhere")
    done = stele.run(command, *{"compact": (), "update": ("--store", world.store)}[command], link, check=False)
    assert done.returncode == 1 and str(link) in done.stderr and link.is_symlink()


@pytest.mark.parametrize("command", ("compact", "update", "build"))
def test_who_may_read_an_image_stays(command, tmp_path):
    """Whether a file is appended to or replaced, nobody knows beforehand: both leave mode and owner alone."""
    world = World(str(tmp_path), "modes", [30], ("plain",))
    os.chmod(world.image, 0o640)
    if os.geteuid() == 0:
        os.chown(world.image, 65534, 65534)
    before = os.stat(world.image)
    if command == "update":
        shutil.rmtree(world.store)      # another store means a full build
        world.load(world.zones[0])
    stele.run(command, *{"compact": (), "update": ("--store", world.store),
                         "build": ("--store", world.store, "-o")}[command], world.image)
    after = os.stat(world.image)
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
