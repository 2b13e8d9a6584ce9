# SPDX-License-Identifier: Apache-2.0
"""A start serves from the mapping of the image's file, and moves the image into the arena behind that."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import threading
import time

import pytest

import dnswire
import responder
import standstill
import stele

QUERY = dnswire.query("www.example.", "A")
UNCHANGED, COMPARED, IN_FULL = ("mapped, verified before and unchanged since",
                                "mapped, verified before and compared with its digests",
                                "mapped and verified in full")

pytestmark = pytest.mark.usefixtures("namespaces")


class Started:
    """A responder whose image is a file that the test may change, and whose moves wait for `gate`."""

    def __init__(self, folder, image):
        self.image = str(folder / "image")
        shutil.copy(image, self.image)
        rest(self.image)
        self.gate, self.start_gate = str(folder / "gate"), str(folder / "start-gate")
        self.nice_gate = folder / "nice-gate"
        self.node = responder.Node(self.image, start=False)
        self.state = self.node.config["state_dir"]

    def start(self, closed=False):
        """The log of this start, up to its first answer."""
        if closed:
            open(self.gate, "w", encoding="ascii").close()
        open(self.node.log, "w", encoding="ascii").close()
        library = os.path.join(os.path.dirname(os.path.dirname(responder.binary())),
                               "tests/integration/responder/libmove_gate.so")
        before = dict(os.environ)
        os.environ.update(LD_PRELOAD=library, STELE_MOVE_GATE=self.gate,
                          STELE_START_GATE=self.start_gate, STELE_NICE_GATE=str(self.nice_gate),
                          ASAN_OPTIONS="verify_asan_link_order=0:" + before.get("ASAN_OPTIONS", ""))
        try:
            self.node.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        if not closed:
            self.wait_moved()
        return self.node.log_text()

    def open_gate(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.gate)

    def served_from(self):
        image = self.node.request("status")["image"]
        return image and image["served_from"]

    def wait_moved(self):
        """Until it is moved, and what the next start needs is saved: requests of the loader wait for that."""
        responder.wait_until(lambda: self.served_from() == "arena")
        self.node.request("rollback")

    def ask(self):
        return dnswire.last_address(self.node.ask([QUERY])[0])

    def restart(self, change=None):
        self.node.end()
        if change:
            change()
        return self.start()

    def stop(self):
        self.nice_gate.unlink(missing_ok=True)
        self.open_gate()
        self.node.stop()


def rest(path):
    """Until the file has not changed for a second: of one that just has, no stamp is kept."""
    while time.time() < os.stat(path).st_ctime + 1.1:
        time.sleep(0.1)


@pytest.fixture
def started(images, tmp_path):
    made = Started(tmp_path, images[0])
    try:
        yield made
    finally:
        made.stop()


def change_byte(path, old, new):
    """In place; the times of the file are put back as far as that can be done."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        content = file.read()
        file.seek(content.index(old))
        file.write(new)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_mtime_ns == before.st_mtime_ns


DATA, WRONG = bytes([198, 51, 100, 1]), bytes([198, 51, 100, 9])


def test_verified_once_then_compared_then_taken(started):
    assert IN_FULL in started.start() and started.ask() == "198.51.100.1"
    assert UNCHANGED in started.restart() and started.ask() == "198.51.100.1"
    assert "compared" not in started.node.log_text()
    log = started.restart(lambda: os.utime(started.image))
    assert COMPARED in log and started.ask() == "198.51.100.1"
    rest(started.image)
    assert COMPARED in started.restart(lambda: os.unlink(started.state + "/stamp"))
    assert UNCHANGED in started.restart()
    assert IN_FULL in started.restart(lambda: os.unlink(started.state + "/verified"))
    assert UNCHANGED in started.restart()
    assert started.node.counters()["balance"] == 0


def test_findings_that_come_with_the_image(started, images):
    """Of whoever verified it elsewhere. Those of another image, or that others may have written, are of no use."""
    def given(image, mode=0o600):
        shutil.rmtree(started.state)
        os.mkdir(started.state)
        stele.run("verify", image, "--findings", started.state)
        os.chmod(started.state + "/verified", mode)

    given(started.image)
    assert COMPARED in started.start() and started.ask() == "198.51.100.1"
    assert IN_FULL in started.restart(lambda: given(images[1])) and started.ask() == "198.51.100.1"
    assert IN_FULL in started.restart(lambda: given(started.image, 0o620))
    assert "a file that only its owner" in started.node.log_text()
    started.node.end()
    change_byte(started.image, DATA, WRONG)
    with pytest.raises(stele.SteleError):
        given(started.image)
    assert os.listdir(started.state) == []


def test_of_a_file_that_just_changed_no_stamp_is_kept(started):
    started.start()
    # Touched while the responder is down; a start within a second reads it, but may have missed a change.
    os.utime(started.image)
    log = started.restart(lambda: os.utime(started.image))
    if time.time() < os.stat(started.image).st_ctime + 1:
        assert COMPARED in log
        assert COMPARED in started.restart()


def test_a_changed_byte_is_found_though_the_time_is_put_back(started):
    started.start()
    assert UNCHANGED in started.restart()
    started.node.end()
    change_byte(started.image, DATA, WRONG)
    log = started.start(closed=True)
    assert "is refused" in log and "wrong digest" in log
    assert started.served_from() is None and started.node.ask([QUERY], tries_max=1) == [None]


def test_a_damaged_stamp_counts_for_nothing(started):
    def damage():
        with open(started.state + "/stamp", "r+b") as file:
            content = bytearray(file.read())
            content[len(content) // 2] ^= 1
            file.seek(0)
            file.write(content)

    started.start()
    log = started.restart(damage)
    assert COMPARED in log and "damaged: not its digest" in log
    started.node.end()
    os.chmod(started.state + "/stamp", 0o666)
    log = started.start()
    assert COMPARED in log and "not a file that only its owner" in log


def test_answers_while_it_is_moved(started):
    started.start(closed=True)
    assert started.served_from() == "mapping" and started.ask() == "198.51.100.1"
    status = started.node.request("status")
    assert status["arena"]["used"] < status["image"]["bytes"] and not status["withdrawn"]
    started.open_gate()
    started.wait_moved()
    assert started.ask() == "198.51.100.1" and started.node.counters()["balance"] == 0


def test_a_load_waits_for_the_move(images, started):
    started.start(closed=True)
    responses = []
    loading = threading.Thread(target=lambda: responses.append(started.node.load(images[1])))
    loading.start()
    time.sleep(0.2)
    assert not responses and started.ask() == "198.51.100.1"
    started.open_gate()
    loading.join()
    assert responses[0]["ok"] and started.ask() == "198.51.100.2"
    assert started.served_from() == "arena"
    assert started.node.request("rollback")["ok"] and started.ask() == "198.51.100.1"


def test_a_move_that_a_worker_holds_up(images, started):
    """That says nothing against the image, which stays. A load is refused with it, and both go on when the worker does."""
    started.node.config["idle"] = {"mode": "busy"}    # one that sleeps holds no image, and holds up nobody
    started.nice_gate.touch()
    started.start(closed=True)
    with standstill.stopped(standstill.worker(started.node.process.pid)):
        started.nice_gate.unlink()
        started.open_gate()
        response = started.node.load(images[1])
        assert not response["ok"] and "worker 0 on core" in response["error"], response
        assert started.served_from() == "mapping" and not started.node.request("status")["withdrawn"]
        stats = responder.stelectl("stats", "--json", "--socket", started.node.control)
        assert json.loads(stats)["globals"]["loads_refused"] == 1
    assert started.ask() == "198.51.100.1"
    assert started.node.load(images[1])["ok"] and started.ask() == "198.51.100.2"
    assert started.node.request("rollback")["ok"] and started.ask() == "198.51.100.1"


def test_a_worker_that_stops_when_a_load_has_waited_for_it(images, started, tmp_path):
    """The image is published by then, and that worker is the one that has not seen it: the load says which. What is
    served is remembered all the same."""
    started.node.config["idle"] = {"mode": "busy"}
    started.start()
    (tmp_path / "other").mkdir()
    other, gate = tmp_path / "other/image", pathlib.Path(started.start_gate)
    shutil.copy(images[1], other)
    gate.touch()

    def threads():
        return set(os.listdir("/proc/%d/task" % started.node.process.pid))

    before = threads()
    try:
        with open(other, "rb") as file, started.node.begin("load", fd=file.fileno(), path=str(other)) as loading:
            # It reads; and the thread that waits for the worker meanwhile, made before, has ended.
            responder.wait_until(lambda: os.path.exists(started.start_gate + ".reached"))
            responder.wait_until(lambda: not threads() - before)
            with standstill.stopped(standstill.worker(started.node.process.pid)):
                gate.unlink()
                response = json.loads(loading.recv(1 << 20))
    finally:
        gate.unlink(missing_ok=True)
    assert re.search("worker 0 on core [0-9]+ stands still: all others serve the image", response["error"]), response
    assert started.ask() == "198.51.100.2"
    with open(started.state + "/last-image.json", encoding="utf-8") as remembered:
        assert json.load(remembered)["path"] == str(other)
    assert started.node.load(other)["unchanged"]
    stats = json.loads(responder.stelectl("stats", "--zones", "--json", "--socket", started.node.control))
    assert [zone["serial"] for zone in stats["zones"] if zone["zone"]] == [2], stats


def test_killed_while_it_is_moved(started):
    for _ in range(2):
        assert IN_FULL in started.start(closed=True)
        assert started.ask() == "198.51.100.1"
        started.node.kill()
    # What was not proven in the arena was not saved.
    assert not os.path.exists(started.state + "/verified")
    started.open_gate()
    assert IN_FULL in started.start()
    assert UNCHANGED in started.restart()


def test_it_ends_while_it_is_moved(started):
    started.start(closed=True)
    ending = threading.Timer(0.5, started.open_gate)
    ending.start()
    assert started.node.end() == 0
    ending.join()
    assert "withdrawn" not in started.node.log_text()


def test_it_ends_while_it_starts(started):
    """What takes long then, reading and verifying an image, is given up for it."""
    gate = pathlib.Path(started.start_gate)
    gate.touch()
    pathlib.Path(started.node.log).touch()
    starting = threading.Thread(target=start_quietly, args=(started,))
    starting.start()
    try:
        # It is about to read.
        responder.wait_until(lambda: "images are kept in" in started.node.log_text())
        started.node.process.terminate()
        responder.wait_until(lambda: "told to end" in started.node.log_text())
    finally:
        gate.unlink()
        starting.join()
    assert started.node.process.wait(60) == 0
    started.open_gate()
    assert "given up" in started.node.log_text() and IN_FULL not in started.node.log_text()
    assert IN_FULL in started.start() and started.ask() == "198.51.100.1"


def start_quietly(started):
    """It may end before or behind its word that it is ready, and takes the interface with it."""
    with contextlib.suppress(Exception):
        started.start(closed=True)


def test_a_file_that_is_replaced_while_it_is_moved(images, started):
    """What is mapped is the old one, under whatever name, or none."""
    started.start(closed=True)
    stele.replace_image(started.image, images[1])
    assert started.ask() == "198.51.100.1"
    os.unlink(started.image)
    assert started.ask() == "198.51.100.1"
    started.open_gate()
    started.wait_moved()
    assert started.ask() == "198.51.100.1" and not started.node.request("status")["withdrawn"]


@pytest.mark.parametrize("known", [False, True])
def test_a_copy_that_is_wrong_is_withdrawn(started, known):
    """Somebody writes into the file while it is served: no answers, and a loud word. The next image is taken."""
    if known:
        started.start()
        started.node.end()
    started.start(closed=True)
    assert started.ask() == "198.51.100.1"
    change_byte(started.image, DATA, WRONG)
    started.open_gate()
    responder.wait_until(lambda: started.node.request("status")["withdrawn"])
    responder.wait_until(lambda: started.served_from() is None)
    status = started.node.request("status")
    assert status["image"] is None and not status["healthy"]
    assert started.node.ask([QUERY], tries_max=1) == [None]
    assert "is withdrawn" in started.node.log_text() and "wrong digest" in started.node.log_text()
    counters = started.node.counters()
    assert counters["balance"] == 0
    change_byte(started.image, WRONG, DATA)
    assert started.node.load(started.image)["ok"] and started.ask() == "198.51.100.1"
    assert started.served_from() == "arena"


def test_the_image_before_is_served_when_the_last_is_withdrawn(images, started, tmp_path):
    """The file of the last load goes bad while it is served from; the configured one is whole."""
    other = str(tmp_path / "other")
    shutil.copy(images[1], other)
    started.start()
    assert started.node.load(other)["ok"]
    started.node.end()
    started.start(closed=True)
    assert started.ask() == "198.51.100.2"
    change_byte(other, bytes([198, 51, 100, 2]), WRONG)
    started.open_gate()
    responder.wait_until(lambda: started.node.request("status")["withdrawn"])
    responder.wait_until(lambda: started.served_from() == "arena")
    assert started.ask() == "198.51.100.1"


def test_a_file_that_is_cut_ends_the_process_with_a_word(started):
    started.start(closed=True)
    assert started.ask() == "198.51.100.1"
    os.truncate(started.image, 0)
    started.node.ask([QUERY], tries_max=1)
    assert started.node.process.wait(30) == -7    # SIGBUS
    assert "was cut, or cannot be read" in started.node.log_text()
