# SPDX-License-Identifier: Apache-2.0
"""Images through the commands: good ones, damaged ones, torn ones, and what is not an image at all.

Every single-byte flip and every truncation of a small image is tried by tests/unit/image/test_image_flips.c,
in one process; here a few of them go the whole way through the program.
"""
import json
import os
import random
import shutil

import pytest

import stele

ZONES = os.path.join(stele.ROOT, "tests/golden/zones")
NAMES = ["long-nsec.test", "long-nsec3.test", "nsec.test", "nsec3.test", "optout.test", "plain.test"]
ROOT_SZ = 256
PAGE = 4096


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A store with all golden zones and an image of it."""
    folder = tmp_path_factory.mktemp("image")
    store, image = folder / "store", folder / "good.image"
    for name in NAMES:
        stele.run("import", "--store", store, "--zone", name, os.path.join(ZONES, name + ".zone"))
    stele.run("build", "--store", store, "-o", image)
    return folder, store, image


def refused(path):
    """verify, dump and stats all exit with 1 and name the file and the fault; returns the text."""
    texts = []
    for command in ("verify", "dump", "stats"):
        done = stele.run(command, path, check=False)
        assert done.returncode == 1, (command, done.returncode, done.stderr)
        assert done.stdout == ""
        assert done.stderr.startswith("stele-compile: %s: " % path)
        assert done.stderr.count("\n") == 1
        texts.append(done.stderr)
    return texts[0]


def write(path, data):
    path.write_bytes(data)
    return path


def test_good(world):
    _, _, image = world
    text = stele.run("verify", image).stdout
    assert "6 zones" in text and str(image.stat().st_size) in text
    report = json.loads(stele.run("verify", image, "--json").stdout)
    assert report["zones"] == 6 and report["torn_bytes"] == 0


def test_stats(world):
    _, _, image = world
    report = json.loads(stele.run("stats", image, "--json", "--zones").stdout)
    assert sum(report["sections"].values()) == report["bytes"] == image.stat().st_size
    kinds = report["names_by_kind"]
    assert sum(kinds[k] for k in kinds if k != "wildcard") == report["names"]
    assert kinds["delegation"] == 2 * 6 and kinds["wildcard"] == 2 * 6
    assert [z["zone"] for z in report["zone_list"]] == [name + "." for name in NAMES]
    assert sum(z["rrs"] for z in report["zone_list"]) == report["rrs"]
    assert sum(z["names"] for z in report["zone_list"]) == report["names"]
    text = stele.run("stats", image, "--zones").stdout
    assert "long-nsec3.test." in text and "signatures" in text


@pytest.mark.parametrize("zone", NAMES)
def test_dump_is_the_zone(world, zone):
    """What the image serves is what the store holds, to the letter."""
    _, store, image = world
    dump = stele.run("dump", image, "--zone", zone).stdout.splitlines()
    export = stele.run("export", "--store", store, zone).stdout.splitlines()
    records = [line for line in dump if not line.startswith(";; ")]
    assert sorted(records) == sorted(line for line in export if not line.startswith(";"))
    heads = [line for line in dump if line.startswith(";; ")]
    assert heads[0].startswith(";; zone %s. serial 2026010101, " % zone)
    assert ";; cut.%s. delegation" % zone in heads
    assert ";; ns.cut.%s. occluded" % zone in heads
    assert ";; c.%s. empty non-terminal" % zone in heads
    assert ";; wild.%s. empty non-terminal, has a wildcard" % zone in heads


def test_dump_order(world):
    """Zones and names in canonical order; --zone picks the same lines out of the whole."""
    _, _, image = world
    whole = stele.run("dump", image).stdout
    assert whole == "".join(stele.run("dump", image, "--zone", name).stdout for name in NAMES)
    owners = [line.split()[1] for line in whole.splitlines()
              if line.startswith(";; ") and line.split()[1].endswith(".plain.test.")]
    keys = [[label.encode().decode("unicode_escape") for label in owner.rstrip(".").split(".")[::-1]]
            for owner in owners if "\\" not in owner]
    assert keys == sorted(keys) and len(keys) > 20


def test_no_image(world):
    folder, _, _ = world
    refused(write(folder / "empty", b""))
    refused(write(folder / "text", b"not an image\n" * 1000))
    refused(write(folder / "zeros", bytes(65536)))
    refused(write(folder / "magic", b"STELEIMG" + bytes(65536)))
    refused(folder)
    done = stele.run("verify", folder / "absent", check=False)
    assert done.returncode == 1 and "absent" in done.stderr
    assert stele.run("verify", check=False).returncode == 2
    assert stele.run("dump", folder / "zeros", "--zone", "..", check=False).returncode in (1, 2)


def test_no_zone(world):
    _, _, image = world
    done = stele.run("dump", image, "--zone", "absent.test", check=False)
    assert done.returncode == 1 and "absent.test" in done.stderr and done.stdout == ""


def test_flips(world):
    folder, _, image = world
    good = image.read_bytes()
    dice = random.Random(1)
    spots = [0, 9, 20, 30, len(good) - ROOT_SZ, len(good) - 1] + [dice.randrange(len(good)) for _ in range(30)]
    for at in spots:
        bad = bytearray(good)
        bad[at] ^= 1 << dice.randrange(8)
        path = write(folder / "flipped", bytes(bad))
        done = stele.run("verify", path, check=False)
        if done.returncode == 0:   # a byte that nobody reads: then nothing has changed
            assert stele.run("dump", path).stdout == stele.run("dump", image).stdout
        else:
            refused(path)


def test_truncations(world):
    folder, _, image = world
    good = image.read_bytes()
    for size in (1, 63, 64, PAGE, PAGE + ROOT_SZ, len(good) // 2, len(good) - ROOT_SZ, len(good) - 1):
        refused(write(folder / "cut", good[:size]))


def test_foreign_tail(world, tmp_path):
    """A tail that holds a root, complete and in its place, but of another image."""
    _, store, image = world
    folder = tmp_path
    shutil.copytree(store, folder / "store")
    other = folder / "other.image"
    stele.run("build", "--store", folder / "store", "-o", other)
    assert other.stat().st_size == image.stat().st_size
    zone = folder / "plain.test.zone"
    with open(os.path.join(ZONES, "plain.test.zone"), encoding="utf-8") as file:
        zone.write_text(file.read().replace("2026010101", "2026010102"))
    stele.run("import", "--store", folder / "store", "--zone", "plain.test", zone)
    stele.run("update", "--store", folder / "store", other)
    good = image.read_bytes()
    tail = other.read_bytes()[len(good):]
    assert b"STELROOT" in tail
    torn = write(folder / "torn", good + tail)
    assert json.loads(stele.run("verify", torn, "--json").stdout)["torn_bytes"] == len(tail)
    assert stele.run("dump", torn).stdout == stele.run("dump", image).stdout


def test_torn_update(world, tmp_path):
    """An update that was cut off anywhere leaves the image that was there before."""
    _, store, image = world
    folder = tmp_path
    shutil.copytree(store, folder / "store")
    updated = folder / "updated.image"
    shutil.copy(image, updated)
    zone = folder / "plain.test.zone"
    with open(os.path.join(ZONES, "plain.test.zone"), encoding="utf-8") as file:
        zone.write_text(file.read().replace("2026010101", "2026010102") + "added A 192.0.2.77\n")
    stele.run("import", "--store", folder / "store", "--zone", "plain.test", zone)
    stele.run("update", "--store", folder / "store", updated)
    before, after = stele.run("dump", image).stdout, stele.run("dump", updated).stdout
    assert "added.plain.test." in after and "added.plain.test." not in before
    old, new = image.read_bytes(), updated.read_bytes()
    assert new[:len(old)] == old
    for size in [len(old) + 1, len(old) + 64, (len(old) + len(new)) // 2, len(new) - ROOT_SZ, len(new) - 1]:
        torn = write(folder / "torn", new[:size])
        report = json.loads(stele.run("verify", torn, "--json").stdout)
        assert report["torn_bytes"] == size - len(old)
        assert stele.run("dump", torn).stdout == before
    # The next update begins where the torn one did.
    stele.run("update", "--store", folder / "store", torn)
    assert stele.run("dump", torn).stdout == after
    # A root that is there but damaged is not a torn tail: nothing older is served for it.
    bad = bytearray(new)
    bad[-200] ^= 4
    assert "damaged" in refused(write(folder / "bad-root", bytes(bad)))
