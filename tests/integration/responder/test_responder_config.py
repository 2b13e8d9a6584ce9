# SPDX-License-Identifier: Apache-2.0
"""What stops the responder from starting, and what does not: configurations, cores, namespaces, interfaces."""
import os
import pwd
import subprocess
import time

import pytest

import dnswire
import responder

QUERY = dnswire.query("www.example.", "A")


def check(path, *more):
    return subprocess.run([responder.binary(), "-c", str(path), "--check", *more], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_example_is_right():
    done = check(os.path.join(responder.ROOT, "config/responder.example.yaml"))
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


@pytest.mark.parametrize("change, status, words", [
    ({}, 0, []),
    ({"user": "nobody-of-this-name"}, 1, ["there is no user 'nobody-of-this-name'"]),
    ({"cookies": {"secret_file": "/nonexistent/secrets"}}, 1, ["/nonexistent/secrets: No such file"]),
    ({"main_core": 1022}, 1, ["main_core 1022 is not there"]),
    ({"main_core": 1022, "cookies": {"secret_file": "/nonexistent/secrets"}}, 1, ["main_core", "/secrets"]),
    # However few there are: while it runs, it has them.
    ({"memory": {"huge_pages": "1G"}}, 0, []),
], ids=lambda value: ",".join(value) if isinstance(value, dict) else "")
def test_check_of_files(images, change, status, words):
    """What the configuration names is looked at; --check alone looks at none of it."""
    node = responder.Node(images[0], change=lambda config: config.update(change), start=False)
    try:
        path = node.write_config()
        assert check(path).returncode == 0
        done = check(path, "--files")
        assert done.returncode == status and len(done.stderr.splitlines()) == len(words), done
        for word in words:
            assert word in done.stderr, done
    finally:
        node.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_check_of_files_as_its_user(images):
    """A secret that only root may read is there at the start, and for no reload."""
    node = responder.Node(images[0], start=False)
    try:
        secrets = os.path.join(node.folder, "secrets")
        with open(os.open(secrets, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write("00" * 16 + "\n")
        node.config.update(user="nobody", cookies={"secret_file": secrets})
        os.chmod(node.folder, 0o755)
        done = check(node.write_config(), "--files")
        assert done.returncode == 3 and secrets + ": Permission denied" in done.stderr, done
        os.chown(secrets, pwd.getpwnam("nobody").pw_uid, -1)
        assert check(node.write_config(), "--files").returncode == 0
    finally:
        node.stop()


@pytest.mark.parametrize("words, status", [([], 2), (["-c"], 2), (["--nonsense"], 2), (["-h"], 0),
                                           (["--help"], 0), (["--version"], 0), (["-c", "x", "y"], 2),
                                           (["-c", "x", "--config", "x"], 2),
                                           (["-c", "x", "--files"], 2)])
def test_usage(words, status):
    done = subprocess.run([responder.binary(), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == status


HUGE_PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"


@pytest.mark.skipif(not os.path.exists(HUGE_PAGES), reason="a kernel without huge pages")
@pytest.mark.parametrize("free, pages, warned", [(3, "auto", True), (0, "auto", False), (3, "none", False)])
def test_huge_pages_that_are_too_few(images, tmp_path, free, pages, warned):
    """Those that are there help nobody: it serves from plain pages, and says so louder than where there are none."""
    stated = tmp_path / "free"
    stated.write_text("%d\n" % free)
    node = responder.Node(images[0], change=lambda config: config["memory"].update(huge_pages=pages), start=False)
    # As if the kernel had said so.
    node.wrapper = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" %s && exec "$@"' % HUGE_PAGES, str(stated)]
    try:
        node.start()
        if node.request("status")["arena"]["pages"] != "plain pages":
            pytest.skip("this machine has huge pages to give")
        assert ("6 MB of huge pages were free" in node.log_text()) == warned, node.log_text()
    finally:
        node.stop()


def start_fails(image, change):
    node = responder.Node(image, change=change, start=False)
    try:
        with pytest.raises(responder.ResponderError) as error:
            node.start()
        return str(error.value), node.process.returncode
    finally:
        node.stop()


def test_a_core_that_is_not_there(images):
    def change(config):
        config["ports"][0]["cores"] = [1023]
    text, status = start_fails(images[0], change)
    assert "core 1023 is not there" in text and status == 1


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


def test_a_namespace_that_is_not_there(images):
    def change(config):
        config["ports"][0]["exception"]["namespace"] = "nowhere"
    text, status = start_fails(images[0], change)
    assert "network namespace 'nowhere'" in text and status == 1


def test_an_interface_that_is_not_there(images):
    def change(config):
        config["ports"][0].update({"device": "net_af_packet", "args": {"iface": "nothing0"}})
    text, status = start_fails(images[0], change)
    assert "there is no interface 'nothing0'" in text and status == 3


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


def test_log_says_which_version(node):
    assert "ready: version %s; control socket" % node.request("ping")["version"] in node.log_text()


def test_a_second_responder_with_the_same_control_socket(node):
    done = subprocess.run(node.wire.command(responder.binary(), "-c", node.write_config()), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 3 and node.control in done.stderr
    assert node.ask([QUERY])[0]
