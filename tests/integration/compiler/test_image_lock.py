# SPDX-License-Identifier: Apache-2.0
"""Whoever puts a file in the place of an image waits for its lock, and so do those behind."""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

import stele

NOBODY = 65534
ZONE = "@ 60 SOA ns h %d 60 60 60 60\n@ 60 NS ns.other.\n"


@pytest.fixture(name="store")
def fixture_store(tmp_path):
    store = tmp_path / "store"
    load(store, 1)
    return store


def load(store, serial):
    path = store.parent / "zone"
    path.write_text(ZONE % serial)
    stele.run("import", "--store", store, "--zone", "one.test", path)


@contextlib.contextmanager
def started(*arguments):
    process = subprocess.Popen([stele.binary(), *map(str, arguments)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def waits_for(process, path):
    """Whether it waits for the lock of the file that is there now: known when it does, or has ended."""
    inode = ":%d" % os.stat(path).st_ino
    while process.poll() is None:
        with open("/proc/locks", encoding="ascii") as file:
            for words in map(str.split, file):
                if words[1:3] == ["->", "FLOCK"] and words[5] == str(process.pid) and words[6].endswith(inode):
                    return True
        time.sleep(0.01)
    return False


def generation(image):
    return json.loads(stele.run("stats", "--json", image).stdout)["generation"]


def test_build_waits_for_the_lock(tmp_path, store):
    """As of somebody who compacts the image, and would put the old one back over the new one."""
    image, compacted = tmp_path / "image", tmp_path / "compacted"
    stele.run("build", "--store", store, "-o", image)
    shutil.copy(image, compacted)
    before = image.read_bytes()
    load(store, 2)
    with open(image, "rb") as holder, open(compacted, "rb") as next_holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        fcntl.flock(next_holder, fcntl.LOCK_EX)
        with started("build", "--store", store, "-o", image) as build:
            assert waits_for(build, image)
            assert image.read_bytes() == before
            # The holder replaces the image: what counts from now on is the lock of the new file.
            os.rename(compacted, image)
            holder.close()
            assert waits_for(build, image)
            assert image.read_bytes() == before
            next_holder.close()
            assert build.wait() == 0
    assert generation(image) == 2
    assert sorted(os.listdir(tmp_path)) == ["image", "store", "zone"]


def test_build_locks_an_image_that_may_only_be_read(tmp_path, store):
    image = tmp_path / "image"
    stele.run("build", "--store", store, "-o", image)
    image.chmod(0o444)
    load(store, 2)
    with open(image, "rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with started("build", "--store", store, "-o", image) as build:
            assert waits_for(build, image)
            holder.close()
            assert build.wait() == 0
    assert generation(image) == 2


@contextlib.contextmanager
def folder_of_nobody():
    """With a store: pytest's folders are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        load(folder / "store", 1)
        for path in (folder, folder / "store", *(folder / "store").iterdir()):
            os.chown(path, NOBODY, NOBODY)
        yield folder


def as_nobody(*arguments):
    done = subprocess.run([stele.binary(), *arguments], user=NOBODY, group=NOBODY, extra_groups=[],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


needs_two_users = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")


@needs_two_users
def test_build_over_an_image_that_may_not_be_read():
    """Somebody else's, in a folder of one's own: there is no lock to be had."""
    with folder_of_nobody() as folder:
        image = folder / "image"
        stele.run("build", "--store", folder / "store", "-o", image)
        image.chmod(0o600)
        load(folder / "store", 2)
        as_nobody("build", "--store", folder / "store", "-o", image)
        assert generation(image) == 2 and image.stat().st_uid == NOBODY


@needs_two_users
def test_rights_of_a_group_that_cannot_be_kept():
    """Of the group of an image that somebody else replaces. They were not given to the group that he has."""
    with folder_of_nobody() as folder:
        image = folder / "image"
        stele.run("build", "--store", folder / "store", "-o", image)
        for mode, kept in ((0o640, 0o600), (0o664, 0o604)):
            os.chown(image, 0, 0)
            image.chmod(mode)
            as_nobody("build", "--store", folder / "store", "-o", image)
            now = image.stat()
            assert (now.st_uid, now.st_gid, now.st_mode & 0o777) == (NOBODY, NOBODY, kept)
        image.chmod(0o640)
        as_nobody("build", "--store", folder / "store", "-o", image)
        assert image.stat().st_mode & 0o777 == 0o640


@needs_two_users
def test_build_in_a_folder_that_may_not_be_read():
    """To write is enough."""
    with folder_of_nobody() as folder:
        place = folder / "place"
        place.mkdir()
        os.chown(place, NOBODY, NOBODY)
        place.chmod(0o300)
        as_nobody("build", "--store", folder / "store", "-o", place / "image")
        assert generation(place / "image") == 1


def test_build_over_nothing(tmp_path, store):
    """Nothing is there to lock, be it that the name is new or that it leads nowhere."""
    image, link = tmp_path / "image", tmp_path / "link"
    link.symlink_to("nowhere")
    for path in (image, link):
        stele.run("build", "--store", store, "-o", path)
        assert generation(path) == 1 and not path.is_symlink()


def test_update_that_builds_anew_does_not_wait_for_itself(tmp_path, store):
    image, other = tmp_path / "image", tmp_path / "other"
    stele.run("build", "--store", store, "-o", image)
    other.mkdir()
    load(other / "store", 7)
    done = json.loads(stele.run("update", "--store", other / "store", "--json", image).stdout)
    assert done["result"] == "rebuilt"
