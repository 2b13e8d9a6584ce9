# SPDX-License-Identifier: Apache-2.0
"""The responder's life: wrong configurations, start, swaps under load, what it counts and tells."""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

import asking
import dnswire
import netns
import responder
import standstill
import stele

ROOT = responder.ROOT
EXAMPLE = os.path.join(ROOT, "config/examples/example.zone")
QUERY = dnswire.query("www.example.", "A")

needs_namespaces = pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not()))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return stele.two_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def node(images):
    with responder.Node(images[0]) as made:
        yield made


def address(reply):
    """The address in a reply to QUERY."""
    return ".".join(map(str, reply[-4:]))


# ---- configuration ----

def check(path):
    return subprocess.run([responder.binary(), "-c", str(path), "--check"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_example_is_right():
    done = check(os.path.join(ROOT, "config/responder.example.yaml"))
    assert (done.returncode, done.stderr) == (0, "")


def test_each_fault_has_its_place(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("image: relative\nports:\n  - device: eth0\n    cores: [1, 1]\nunknown: 1\n")
    done = check(path)
    assert done.returncode == 1
    assert "%s:1:8: " % path in done.stderr and "%s:5:1: " % path in done.stderr


def test_a_file_that_is_not_there(tmp_path):
    assert check(tmp_path / "none.yaml").returncode == 1
    done = subprocess.run([responder.binary(), "-c", tmp_path / "none.yaml"], text=True, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "none.yaml" in done.stderr


@pytest.mark.parametrize("words, status", [([], 2), (["-c"], 2), (["--nonsense"], 2), (["-h"], 0),
                                           (["--help"], 0), (["--version"], 0), (["-c", "x", "y"], 2),
                                           (["-c", "x", "--config", "x"], 2)])
def test_usage(words, status):
    done = subprocess.run([responder.binary(), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == status


def start_fails(image, change):
    node = responder.Node(image, change=change, start=False)
    try:
        with pytest.raises(responder.ResponderError) as error:
            node.start()
        return str(error.value), node.process.returncode
    finally:
        node.stop()


@needs_namespaces
def test_a_core_that_is_not_there(images):
    def change(config):
        config["ports"][0]["cores"] = [1023]
    text, status = start_fails(images[0], change)
    assert "core 1023 is not there" in text and status == 1


@needs_namespaces
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_a_core_that_nobody_is_given(images):
    """As with isolcpus: the responder's core is not in the affinity that it was started with."""
    given = min(os.sched_getaffinity(0))
    node = responder.Node(images[0], start=False)
    try:
        node.wrapper = ["taskset", "-c", str(given)]
        node.start()
        with open("/proc/%d/status" % node.process.pid, encoding="ascii") as status:
            assert "Cpus_allowed_list:\t%d\n" % given in status.read()    # the control thread's
        assert node.ask([QUERY])[0] is not None
    finally:
        node.stop()


@needs_namespaces
def test_a_namespace_that_is_not_there(images):
    def change(config):
        config["ports"][0]["exception"]["namespace"] = "nowhere"
    text, status = start_fails(images[0], change)
    assert "network namespace 'nowhere'" in text and status == 1


@needs_namespaces
def test_an_interface_that_is_not_there(images):
    def change(config):
        config["ports"][0].update({"device": "net_af_packet", "args": {"iface": "nothing0"}})
    text, status = start_fails(images[0], change)
    assert "there is no interface 'nothing0'" in text and status == 3


@needs_namespaces
def test_a_core_that_rests_does_not_stand_still(images):
    """Two looks at a core are never so close to each other that it may just be resting."""
    def rest(config):
        config["idle"] = {"mode": "sleep", "max_delay": "10ms"}

    def sleep_until(part):
        """Of a second, on the clock that the control thread looks at."""
        now = time.monotonic()
        time.sleep((part - now) % 1)

    with responder.Node(images[0], change=rest) as node:
        for _ in range(4):
            # The control thread looks again a second after this, and is asked right behind the full one.
            sleep_until(0.992)
            node.request("ping")
            time.sleep(1)
            sleep_until(0.0002)
            status = node.request("status")
            assert [core["state"] for core in status["cores"]] == ["running"] and status["healthy"]
        assert "stands still" not in node.log_text()


@needs_namespaces
def test_log_says_which_version(node):
    assert "ready: version %s; control socket" % node.request("ping")["version"] in node.log_text()


@needs_namespaces
def test_a_second_responder_with_the_same_control_socket(node):
    done = subprocess.run(node.wire.command(responder.binary(), "-c", node.write_config()), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 2 and node.control in done.stderr
    assert node.ask([QUERY])[0]


# ---- images ----

@needs_namespaces
def test_starts_without_an_image_and_takes_one(images, tmp_path):
    with responder.Node(tmp_path / "later") as node:
        status = node.request("status")
        assert status["image"] is None and not status["healthy"]
        assert node.ask([QUERY], tries_max=1) == [None]
        assert node.load(images[0])["ok"]
        assert address(node.ask([QUERY])[0]) == "198.51.100.1"
        counters = node.counters()
        assert counters["drop_no_image"] == 1 and counters["balance"] == 0


@needs_namespaces
def test_load_and_rollback(images, node):
    assert address(node.ask([QUERY])[0]) == "198.51.100.1"
    loaded = node.load(images[1])
    assert loaded["ok"] and loaded["zones"] == 1, loaded
    assert address(node.ask([QUERY])[0]) == "198.51.100.2"
    assert node.request("wait", zone="example.", serial=2, timeout_ms=60000)["ok"]
    assert node.request("rollback")["ok"]
    assert address(node.ask([QUERY])[0]) == "198.51.100.1"
    assert not node.request("wait", zone="example.", serial=2, timeout_ms=10)["ok"]


@needs_namespaces
def test_waits_as_long_as_it_is_told_to(images, node):
    """However long that is: multiplied by a million these would be times long past."""
    for timeout_ms in (2 ** 63 - 1, 18446744073710):
        with node.begin("wait", zone="example.", serial=2, timeout_ms=timeout_ms) as waiting:
            # Its first look is behind it when others have been answered.
            assert node.request("ping")["ok"]
            assert node.load(images[1])["ok"]
            assert json.loads(waiting.recv(1 << 20))["ok"]
        assert node.request("rollback")["ok"]


@needs_namespaces
def test_the_last_good_image_is_served_again(images, node):
    """Killed after a load, and after a rollback: what was served last comes back, not what is configured."""
    assert node.load(images[1])["ok"]
    node.kill()
    node.start()
    assert address(node.ask([QUERY])[0]) == "198.51.100.2"
    assert node.load(images[0])["ok"] and node.request("rollback")["ok"]
    node.kill()
    node.start()
    assert address(node.ask([QUERY])[0]) == "198.51.100.2"


def noted(node):
    """Changes when the responder notes what it serves."""
    return os.stat(os.path.join(node.config["state_dir"], "last-image.json")).st_ino


def wait_noted(node, before):
    end = time.monotonic() + 60
    while noted(node) == before:
        assert time.monotonic() < end
        time.sleep(0.05)


@needs_namespaces
def test_an_image_that_is_removed_is_served_again(images, node, tmp_path):
    """The responder has a name of its own for it, though who opened it has other mounts than the responder."""
    name = str(tmp_path / "image")
    shutil.copy(images[1], name)
    assert os.readlink("/proc/self/ns/mnt") != os.readlink("/proc/%d/ns/mnt" % node.process.pid)
    assert node.load(name)["ok"]
    os.unlink(name)
    node.kill()
    node.start()
    assert address(node.ask([QUERY])[0]) == "198.51.100.2"


@needs_namespaces
def test_a_rollback_outlives_the_name_of_its_file(images, node, tmp_path):
    """As images are pushed to a fleet: each takes the name of the one before."""
    name, new = (str(tmp_path / each) for each in ("image", "new"))
    shutil.copy(images[0], name)
    assert node.load(name)["ok"]
    before = noted(node)
    shutil.copy(images[1], new)
    os.replace(new, name)
    assert node.load(name)["ok"]
    wait_noted(node, before)
    assert node.request("rollback")["ok"]
    node.kill()
    node.start()
    assert address(node.ask([QUERY])[0]) == "198.51.100.1"


@needs_namespaces
def test_a_load_does_not_wait_for_the_memory_of_it(images, node, tmp_path):
    """Another file of the same name is what a start would serve anyhow: that is noted later. What a link stands
    for is not."""
    name, link, new = (str(tmp_path / each) for each in ("image", "link", "new"))
    shutil.copy(images[0], name)
    assert node.load(name)["ok"]
    before = noted(node)
    shutil.copy(images[1], new)
    os.replace(new, name)
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
    assert address(node.ask([QUERY])[0]) == "198.51.100.2"


@needs_namespaces
def test_a_long_path_is_remembered(images, node, tmp_path):
    """Longer than what status shows of it: the file that has the name at the next start is served."""
    folder = tmp_path.joinpath(*["deep" * 50] * 4)
    folder.mkdir(parents=True)
    name, new = str(folder / "image"), str(folder / "new")
    shutil.copy(images[0], name)
    assert node.load(name)["ok"]
    node.kill()
    shutil.copy(images[1], new)
    os.replace(new, name)
    node.start()
    assert address(node.ask([QUERY])[0]) == "198.51.100.2"


@needs_namespaces
def test_what_was_verified_is_not_verified_again(images, node):
    """After a start, an update and a damaged memory of it: always the same answers."""
    def restart(change=None):
        node.end()
        if change:
            change()
        open(node.log, "w", encoding="utf-8").close()
        node.start(verbose=True)
        assert address(node.ask([QUERY])[0]) == "198.51.100.2"
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


@needs_namespaces
def test_a_damaged_image_changes_nothing(images, node, tmp_path):
    damaged = tmp_path / "damaged"
    content = bytearray(images[1].read_bytes())
    content[content.index(bytes([198, 51, 100, 2]))] ^= 1
    damaged.write_bytes(content)
    response = node.load(damaged)
    assert not response["ok"] and "byte" in response["error"], response
    assert address(node.ask([QUERY])[0]) == "198.51.100.1"
    assert node.request("status")["image"]["generation"] == 1


@needs_namespaces
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
    assert {address(reply) for reply in replies} <= {"198.51.100.1", "198.51.100.2"}
    assert all(swaps)
    assert node.counters()["balance"] == 0


@needs_namespaces
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


@needs_namespaces
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
    assert address(node.ask([QUERY])[0]) == "198.51.100.1"
    assert node.load(images[1])["ok"] and node.request("reload")["ok"]
    assert address(node.ask([QUERY])[0]) == "198.51.100.2"
    assert node.request("rollback")["ok"]
    assert address(node.ask([QUERY])[0]) == "198.51.100.1"


@needs_namespaces
def test_zones_are_counted_by_name(images, node):
    node.ask([QUERY] * 10)
    node.ask([dnswire.query("no.example.", "A")] * 5)
    node.load(images[1])
    node.ask([QUERY] * 10)
    text = responder.stelectl("stats", "--zones", "--json", "--socket", node.control)
    zones = {zone["zone"]: zone for zone in json.loads(text)["zones"]}
    assert zones["example."]["answer"] >= 20 and zones["example."]["nxdomain"] >= 5, zones


@needs_namespaces
def test_zones_say_how_they_are_signed(node, tmp_path):
    for name in "nsec.test", "nsec3.test", "plain.test":
        stele.run("import", "--store", tmp_path / "store", "--zone", name,
                  os.path.join(ROOT, "tests/golden/zones", name + ".zone"))
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    assert node.load(tmp_path / "image")["ok"]
    signed = {zone["zone"]: zone["signed"] for zone in node.request("zones")["zones"]}
    assert signed == {"nsec.test.": "nsec", "nsec3.test.": "nsec3", "plain.test.": "none"}
    for zone, kind in signed.items():
        assert node.request("zone", zone=zone)["signed"] == kind


@needs_namespaces
def test_telemetry(images, node):
    """The same counters over DPDK's own socket."""
    node.ask([QUERY] * 10)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(20)
        sock.connect(node.request("status")["telemetry"])
        sock.recv(1 << 16)

        def ask(command):
            sock.send(command.encode())
            return json.loads(sock.recv(1 << 16))[command.split(",")[0]]

        assert ask("/stele/counters")["answered_udp4"] >= 10
        assert ask("/stele/counters,0")["balance"] == 0
        assert ask("/stele/zones") == ["example."]
        assert ask("/stele/zones,example.")["answer"] >= 10
        assert ask("/stele/zones,unknown.") is None


# ---- trace, drain, reload ----

@needs_namespaces
def test_trace_gives_the_reply_and_counts_nothing(node):
    before = node.counters()["answered_udp4"]
    text = responder.stelectl("trace", "www.example", "--socket", node.control)
    assert "198.51.100.1" in text and "zone example." in text
    assert node.counters()["answered_udp4"] == before


@needs_namespaces
def test_drain_turns_health_and_nothing_else(node):
    wait_healthy(node)
    assert node.request("drain")["drained"]
    status = node.request("status")
    assert status["drained"] and not status["healthy"]
    assert address(node.ask([QUERY])[0]) == "198.51.100.1"
    node.request("undrain")
    assert node.request("status")["healthy"]


def wait_healthy(node):
    deadline = time.monotonic() + 60
    while not node.request("status")["healthy"] and time.monotonic() < deadline:
        time.sleep(0.05)


@needs_namespaces
def test_reload_takes_new_secrets(images, tmp_path):
    """A cookie made with the old secret is good as long as that is in the file, and not after."""
    secrets = tmp_path / "secrets"

    def write(*lines):
        secrets.write_text("".join(line + "\n" for line in lines))
        secrets.chmod(0o600)

    def change(config):
        config["cookies"] = {"enabled": True, "secret_file": str(secrets)}

    write("00" * 16)
    with responder.Node(images[0], change=change) as node:
        cookie = cookie_of(node, b"client01")
        valid = node.counters()["cookie_valid"]
        cookie_of(node, cookie)
        assert node.counters()["cookie_valid"] == valid + 1
        write("11" * 16, "00" * 16)
        assert node.request("reload")["ok"]
        cookie_of(node, cookie)
        assert node.counters()["cookie_valid"] == valid + 2
        write("22" * 16)
        node.process.send_signal(1)    # SIGHUP is the same
        deadline = time.monotonic() + 60
        while "reloaded" not in node.log_text().split("reloaded", 1)[1] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert node.counters()["cookie_invalid"] == 0
        cookie_of(node, cookie)
        counters = node.counters()
        assert (counters["cookie_valid"], counters["cookie_invalid"]) == (valid + 2, 1)
        secrets.write_text("nonsense")
        assert not node.request("reload")["ok"]
        assert node.ask([QUERY])[0]


def cookie_of(node, cookie):
    """Ask with a cookie; the cookie of the reply."""
    query = dnswire.query("www.example.", "A", "plain", options=dnswire.option(10, cookie))
    reply = node.ask([query])[0]
    at = reply.index(struct.pack("!H", 10), len(QUERY) + 16)
    size = struct.unpack("!H", reply[at + 2:at + 4])[0]
    return reply[at + 4:at + 4 + size]
