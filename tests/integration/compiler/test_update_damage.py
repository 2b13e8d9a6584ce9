# SPDX-License-Identifier: Apache-2.0
"""`update` of a damaged image: what it reads is compared with its sums, so that no damage gets into a new shard.

Every byte of a small image is tried by tests/unit/compiler/test_build_damage.c; here are denial chains, and the
program.
"""
import random

import pytest

import image_parts
import stele
from edited_zones import World

ZONE = "@ 60 SOA ns h %d 60 60 60 60\n@ 60 NS ns\nns 60 A 192.0.2.1\nwww 60 A 192.0.2.%d\nbank 60 A 203.0.113.77\n"


def test_damage_is_not_made_good(tmp_path):
    """Of a record beside the one that changes, such that the checksum of its reply stays as it is."""
    store, image, zone = (tmp_path / name for name in ("store", "image", "zone"))
    for serial in (1, 2):
        zone.write_text(ZONE % (serial, serial))
        stele.run("import", "--store", store, "--zone", "d.example", zone)
        if serial == 1:
            stele.run("build", "--store", store, "-o", image)
    good = image.read_bytes()
    assert good.count(bytes((203, 0, 113, 77))) == 1
    damaged = good.replace(bytes((203, 0, 113, 77)), bytes((113, 77, 203, 0)))
    image.write_bytes(damaged)
    for _ in range(2):
        done = stele.run("update", "--store", store, image, check=False)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith("stele-compile: %s: shard 0 at " % image) and "wrong checksum" in done.stderr
        assert image.read_bytes() == damaged
    stele.run("build", "--store", store, "-o", image)
    assert "203.0.113.77" in stele.run("query", image, "bank.d.example").stdout


def test_which_zones_a_partial_image_has(tmp_path):
    """Its apexes say so where it is built anew: they are not taken from a damaged table."""
    image, zone = tmp_path / "image", tmp_path / "zone"
    zone.write_text(ZONE % (1, 1))
    for store in ("one", "two"):
        stele.run("import", "--store", tmp_path / store, "--zone", "d.example", zone)
        stele.run("import", "--store", tmp_path / store, "--zone", "f.example", zone)
    stele.run("build", "--store", tmp_path / "one", "-o", image, "--only", "d.example")
    good = image.read_bytes()
    off, size = image_parts.shards(good)[1]
    assert good[off:off + size].count(b"\1d\7example\0") >= 1
    damaged = good[:off] + good[off:off + size].replace(b"\1d\7example\0", b"\1f\7example\0") + good[off + size:]
    image.write_bytes(damaged)
    done = stele.run("update", "--store", tmp_path / "two", image, check=False)
    assert done.returncode == 1 and "shard 1 at %d: wrong checksum" % off in done.stderr
    assert image.read_bytes() == damaged


def some_places(rng, image):
    """Heads of shards and a few more bytes of each; references, superblock and root."""
    for off, size in image_parts.shards(image):
        yield from range(off, off + 28, 3)
        yield off + size - 1
        yield from (off + rng.randrange(size) for _ in range(4))
    for off in image_parts.page_offs(image):
        yield from range(off, off + 64, 7)
    yield from range(8, 64, 11)
    yield from range(image_parts.root_off(image) + 8, image_parts.root_off(image) + 136, 13)


@pytest.mark.parametrize("mode", ("nsec", "nsec3"))
def test_chain_in_shards(mode, tmp_path):
    """A name comes, and another goes: shards of the chain are made again, and what they carry over too."""
    rng = random.Random(mode)
    world = World(str(tmp_path), "damage " + mode, [30], (mode,))
    zone = world.zones[0]
    zone.nodes.update({("t%d" % i,): {"A": ["192.0.2.1"]} for i in range(5000)})
    world.load(zone)
    stele.run("build", "--store", world.store, "-o", world.image)
    good = open(world.image, "rb").read()
    del zone.nodes[("t2500",)]
    zone.nodes[("fresh",)] = {"A": ["192.0.2.1"]}
    zone.serial += 1
    world.load(zone)

    def is_refused(image):
        with open(world.image, "wb") as file:
            file.write(image)
        done = stele.run("update", "--store", world.store, "--no-sync", world.image, check=False)
        assert done.returncode in (0, 1), done.stderr
        assert done.returncode == 0 or open(world.image, "rb").read() == image
        assert done.returncode == 1 or "appended" in done.stdout
        return done.returncode == 1

    assert len(image_parts.shards(good)) >= 5
    assert not is_refused(good)
    served = stele.run("dump", world.image).stdout
    refused = unread = 0
    for place in some_places(rng, good):
        image = bytearray(good)
        image[place] ^= 1 << rng.randrange(8)
        if is_refused(image):
            refused += 1
        elif stele.run("verify", world.image, check=False).returncode == 0:
            assert stele.run("dump", world.image).stdout == served, place
        else:
            unread += 1     # it is where it was, and is still found
    assert refused > unread
