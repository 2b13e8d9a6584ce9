# SPDX-License-Identifier: Apache-2.0
"""The images of a responder: loaded, rolled back, remembered for the next start, swapped under load."""
import json
import os
import re
import shutil
import threading
import time

import dnswire
import responder
import standstill
import stele

QUERY = dnswire.query("www.example.", "A")


def test_starts_without_an_image_and_takes_one(images, tmp_path):
    with responder.Node(tmp_path / "later") as node:
        status = node.request("status")
        assert status["image"] is None and not status["healthy"]
        assert node.ask([QUERY], tries_max=1) == [None]
        assert node.load(images[0])["ok"]
        assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
        counters = node.counters()
        assert counters["drop_no_image"] == 1 and counters["balance"] == 0


def test_load_and_rollback(images, node):
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
    loaded = node.load(images[1])
    assert loaded["ok"] and loaded["zones"] == 1, loaded
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"
    assert node.request("wait", zone="example.", serial=2, timeout_ms=60000)["ok"]
    assert node.request("rollback")["ok"]
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
    assert not node.request("wait", zone="example.", serial=2, timeout_ms=10)["ok"]


def test_waits_as_long_as_it_is_told_to(images, node):
    """However long that is: multiplied by a million these would be times long past."""
    for timeout_ms in (2 ** 63 - 1, 18446744073710):
        with node.begin("wait", zone="example.", serial=2, timeout_ms=timeout_ms) as waiting:
            # Its first look is behind it when others have been answered.
            assert node.request("ping")["ok"]
            assert node.load(images[1])["ok"]
            assert json.loads(waiting.recv(1 << 20))["ok"]
        assert node.request("rollback")["ok"]


def test_the_last_good_image_is_served_again(images, node):
    """Killed after a load, and after a rollback: what was served last comes back, not what is configured."""
    assert node.load(images[1])["ok"]
    node.kill()
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"
    assert node.load(images[0])["ok"] and node.request("rollback")["ok"]
    node.kill()
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"


def noted(node):
    """Changes when the responder notes what it serves."""
    return os.stat(os.path.join(node.config["state_dir"], "last-image.json")).st_ino


def wait_noted(node, before):
    end = time.monotonic() + 60
    while noted(node) == before:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_image_that_is_removed_is_served_again(images, node, tmp_path):
    """The responder has a name of its own for it, though who opened it has other mounts than the responder."""
    name = str(tmp_path / "image")
    shutil.copy(images[1], name)
    assert os.readlink("/proc/self/ns/mnt") != os.readlink("/proc/%d/ns/mnt" % node.process.pid)
    assert node.load(name)["ok"]
    os.unlink(name)
    node.kill()
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"


def test_a_rollback_outlives_the_name_of_its_file(images, node, tmp_path):
    """As images are pushed to a fleet: each takes the name of the one before."""
    name = str(tmp_path / "image")
    shutil.copy(images[0], name)
    assert node.load(name)["ok"]
    before = noted(node)
    stele.replace_image(name, images[1])
    assert node.load(name)["ok"]
    wait_noted(node, before)
    assert node.request("rollback")["ok"]
    node.kill()
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"


def test_a_load_does_not_wait_for_the_memory_of_it(images, node, tmp_path):
    """Another file of the same name is what a start would serve anyhow: that is noted later. What a link stands
    for is not."""
    name, link, new = (str(tmp_path / each) for each in ("image", "link", "new"))
    shutil.copy(images[0], name)
    assert node.load(name)["ok"]
    before = noted(node)
    stele.replace_image(name, images[1])
    assert node.load(name)["ok"]
    assert noted(node) == before
    wait_noted(node, before)

    os.symlink(images[0], link)
    assert node.load(link)["ok"]
    os.symlink(images[1], new)
    os.replace(new, link)
    assert node.load(link)["ok"]
    node.kill()
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"


def test_a_long_path_is_remembered(images, node, tmp_path):
    """Longer than what status shows of it: the file that has the name at the next start is served."""
    folder = tmp_path.joinpath(*["deep" * 50] * 4)
    folder.mkdir(parents=True)
    name = str(folder / "image")
    shutil.copy(images[0], name)
    assert node.load(name)["ok"]
    node.kill()
    stele.replace_image(name, images[1])
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"


def test_what_was_verified_is_not_verified_again(images, node):
    """After a start, an update and a damaged memory of it: always the same answers."""
    def restart(change=None):
        node.end()
        if change:
            change()
        open(node.log, "w", encoding="utf-8").close()
        node.start(verbose=True)
        assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"
        wait_saved()
        return node.log_text()

    def wait_saved():
        """What the next start needs is saved behind the move, for which the loader's other requests wait."""
        end = time.monotonic() + 60
        while node.request("status")["image"]["served_from"] != "arena":
            assert time.monotonic() < end
            time.sleep(0.02)
        node.request("rollback")

    def damage():
        content = bytearray(open(verified, "rb").read())
        content[len(content) // 2] ^= 1
        with open(verified, "wb") as file:
            file.write(content)

    verified = os.path.join(node.config["state_dir"], "verified")
    assert node.load(images[1])["ok"]
    assert os.stat(verified).st_mode & 0o777 == 0o600
    assert "verified before" in restart()
    log = restart(damage)
    assert "verified before" not in log and "verified again: %s: damaged" % verified in log
    assert "verified before" in restart()    # it was saved again
    log = restart(lambda: os.unlink(verified))
    assert "verified before" not in log and "verified again" not in log


def test_a_damaged_image_changes_nothing(images, node, tmp_path):
    damaged = tmp_path / "damaged"
    content = bytearray(images[1].read_bytes())
    content[content.index(bytes([198, 51, 100, 2]))] ^= 1
    damaged.write_bytes(content)
    response = node.load(damaged)
    assert not response["ok"] and "byte" in response["error"], response
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
    assert node.request("status")["image"]["generation"] == 1


def test_swaps_under_load_lose_no_query(images, node):
    """Queries all the time while images change places: each gets one of the two answers, and is counted."""
    stop, swaps = threading.Event(), []

    def swap():
        while not stop.is_set():
            swaps.append(node.load(images[(len(swaps) + 1) % 2])["ok"])

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        replies = node.ask([QUERY] * 1000)
        # At least five swaps see queries, however long one takes on a busy machine.
        while len(swaps) < 5 and all(swaps):
            replies += node.ask([QUERY] * 1000)
    finally:
        stop.set()
        thread.join()
    assert {dnswire.last_address(reply) for reply in replies} <= {"198.51.100.1", "198.51.100.2"}
    assert all(swaps)
    assert node.counters()["balance"] == 0


def test_no_query_is_counted_without_its_zone(images, node):
    """While images change places, each reply counts for the zone that it is from."""
    before = zone_answers(node)
    for i in range(40):
        assert node.load(images[(i + 1) % 2])["ok"]
        assert all(node.ask([QUERY] * 25))
    swaps, stop = [], threading.Event()

    def swap():
        while not stop.is_set():
            swaps.append(node.load(images[len(swaps) % 2])["ok"])

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        sent = sum(len(node.ask([QUERY] * 1000)) for _ in range(5))
    finally:
        stop.set()
        thread.join()
    after = zone_answers(node)
    assert after["example."] - before.get("example.", 0) >= 1000 + sent
    assert after.get(None, 0) == before.get(None, 0), after


def zone_answers(node):
    """{zone: answers}; None: of zones without a counter of their own."""
    stats = json.loads(responder.stelectl("stats", "--json", "--zones", "--socket", node.control))
    return {zone["zone"]: zone["answer"] for zone in stats["zones"]}


def test_a_worker_that_stands_still_is_named(images):
    """Nothing is loaded meanwhile, the control socket lives, and all goes on when the worker does."""
    def change(config):
        config["idle"] = {"mode": "busy"}    # one that sleeps holds no image, and holds up nobody

    with responder.Node(images[0], change=change) as node:
        still_is_named(images, node)


def still_is_named(images, node):
    thread = standstill.worker(node.process.pid)
    assert node.request("reload")["ok"]
    with standstill.stopped(thread):
        response = node.load(images[1])
        assert not response["ok"] and "worker 0 on core" in response["error"], response
        core = node.request("status")["cores"][0]
        assert core["state"] == "stuck"
        assert re.search(r"worker 0 on core %d stands still$" % core["core"], node.log_text(), re.M)
        assert node.request("status")["image"]["generation"] == 1
        assert node.request("reload")["ok"]          # taken, and seen when it goes on
        assert not node.request("reload")["ok"]
        response = node.request("rollback")
        assert not response["ok"]
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
    assert node.load(images[1])["ok"] and node.request("reload")["ok"]
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"
    assert node.request("rollback")["ok"]
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
