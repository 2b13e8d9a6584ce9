# SPDX-License-Identifier: Apache-2.0
"""A responder whose machine fails it, or of which several things are wanted at once: descriptors, disks, loads and
reloads, drains and rollbacks, an end in the middle of it all."""
import array
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import threading

import pytest

import disks
import dnswire
import responder

QUERY = dnswire.query("www.example.", "A")


def preload(node, fault):
    library = os.path.join(os.path.dirname(os.path.dirname(responder.binary())),
                           "tests/integration/responder/libport_fault.so")
    node.wrapper = ["env", "LD_PRELOAD=" + library, "STELE_PORT_FAULT=" + fault,
                    "ASAN_OPTIONS=verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")]


def start_with_fault(image, fault, kind="tap"):
    """Its exit status, and what it says of why it does not start."""
    node = responder.Node(image, change=lambda config: config["ports"][0]["exception"].update(kind=kind), start=False)
    preload(node, fault)
    try:
        with pytest.raises(responder.ResponderError):
            node.start()
        return node.process.returncode, node.log_text()
    finally:
        node.stop()


def test_a_port_that_does_not_start(images):
    """Why is said after all has been taken down, which a driver's hold on its buffers must not keep it from."""
    status, log = start_with_fault(images[0], "start")
    assert status == 3 and "port 'port0': does not start: Input/output error" in log, log


def test_a_virtio_interface_that_takes_no_settings(images):
    """Its device runs by then: it is stopped, or it would not close, and hold on to the interface and to buffers."""
    status, log = start_with_fault(images[0], "interface", "virtio-user")
    assert "exception path: interface 'kernel0' does not take a MAC address: No such device" in log, log
    assert status == 3 and "Cannot close started device" not in log, log


def capabilities(pid):
    """{name of a thread: its capabilities} of all threads."""
    found = {}
    for thread in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
             open("/proc/%d/task/%s/status" % (pid, thread), encoding="ascii") as status:
            fields = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
            found["main" if int(thread) == pid else fields["Name"]] = int(fields["CapPrm"], 16)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_keeps_what_a_card_of_the_kernel_needs(images):
    """Its driver goes through the kernel, by the main thread. Who reads images and packets has no need of it."""
    def change(config):
        config["ports"][0].update(device="0000:7f:1f.7", args={}, exception={"kind": "none"})
        config["user"] = "nobody"

    node = responder.Node(images[0], port="file", change=change, start=False)
    preload(node, "bifurcated")
    try:
        os.chmod(node.folder, 0o777)
        os.chmod(node.config["state_dir"], 0o777)
        node.start()
        assert node.request("zones")["ok"]    # by the loader
        kept = capabilities(node.process.pid)
        assert kept.pop("main") == 1 << 12 | 1 << 13
        assert "stele-loader" in kept and not any(kept.values()), kept
    finally:
        node.stop()


def behind_the_last(pid):
    """The first descriptor behind all that a process has. Below it, what waits for a connection keeps some."""
    return max(int(name) for name in os.listdir("/proc/%d/fd" % pid)) + 1


def ask_over(sock, op, fd=None, **members):
    ancillary = [] if fd is None else [
        (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    sock.sendmsg([json.dumps({"op": op, **members}).encode()], ancillary)
    return json.loads(sock.recv(1 << 20))


@pytest.mark.parametrize("free", range(5))
def test_a_load_without_descriptors(images, node, free):
    """It is served and remembered, or refused: however many are free, a start leads to what was served last."""
    pid = node.process.pid
    node.request("rollback")    # behind the work of the start, in which descriptors come and go
    with node.begin("ping") as sock, open(images[1], "rb") as file:
        assert json.loads(sock.recv(1 << 20))["ok"]
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (behind_the_last(pid) + free, before[1]))
        response = ask_over(sock, "load", fd=file.fileno(), path=str(images[1]))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    served = dnswire.last_address(node.ask([QUERY])[0])
    assert served == ("198.51.100.2" if response["ok"] else "198.51.100.1"), response
    assert response["ok"] or response["kind"] == "system", response
    warned = "will not be remembered" in node.log_text()
    node.kill()
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == served or warned
    assert node.load(images[0])["ok"] and node.load(images[1])["ok"]


def open_descriptors(node):
    return len(os.listdir("/proc/%d/fd" % node.process.pid))


def test_a_client_that_goes_in_the_middle_of_its_load(images, node):
    """The load goes on without it, and leaves no descriptor behind."""
    node.request("rollback")
    before = None
    for i in range(60):
        with open(images[(i + 1) % 2], "rb") as file:
            node.begin("load", fd=file.fileno(), path=str(images[(i + 1) % 2])).close()
        if i % 10 == 9:
            node.request("rollback")    # behind all that were asked for
            before = before or open_descriptors(node)
    assert node.load(images[1])["ok"]
    node.request("zones")
    # The image before, too, or one of each. A client's connection is closed a moment after it went.
    responder.wait_until(lambda: open_descriptors(node) <= before + 1)
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"


def test_a_full_disk_for_the_state(images):
    """What is loaded is served, though it cannot be remembered; and is remembered when there is room again."""
    with disks.small_disk(1) as disk:
        def change(config):
            config["state_dir"] = disk

        with responder.Node(images[0], change=change) as node:
            node.request("rollback")
            filler = os.path.join(disk, "filler")
            disks.fill(filler)
            assert node.load(images[1])["ok"]
            assert "will not be remembered" in node.log_text()
            assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"
            os.unlink(filler)
            assert node.load(images[1])["ok"]
            node.kill()
            node.start()
            assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"


def test_an_image_that_the_next_start_will_not_find(images, node):
    """As one below /tmp, of which a service sees another: the answer says so, and a start serves what was before."""
    responder.stelectl("--socket", node.control, "load", images[0])
    hidden = os.path.join(node.folder, "hidden")
    os.mkdir(hidden)
    # In a mount namespace of its own, so that the responder has no such path; the descriptor is of another disk, too.
    load = """mount -t tmpfs none %s && cp %s %s/image && exec %s --socket %s load %s/image""" % (
        hidden, images[1], hidden, responder.program("stelectl", "STELECTL", "mgmt"), node.control, hidden)
    done = subprocess.run(["unshare", "-m", "sh", "-c", load], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "is served" in done.stdout, done
    assert done.stderr.startswith("stelectl: warning: the image is served, but will not be remembered"), done
    assert hidden in done.stderr and len(done.stderr.splitlines()) == 1, done
    assert "will not be remembered" in node.log_text()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"
    node.kill()
    node.start()
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
    assert "warning" not in node.load(images[1])


@contextlib.contextmanager
def repeated(work):
    """A thread that does it again and again; its results, of which there is one at least."""
    results, stop = [], threading.Event()

    def run():
        while not stop.is_set() or not results:
            results.append(work(len(results)))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        stop.set()
        thread.join()


def test_reloads_during_loads(images, tmp_path):
    """Of secrets that are right and of some that are not, by signal and by request."""
    secrets = tmp_path / "secrets"

    def change(config):
        config["cookies"] = {"enabled": True, "secret_file": str(secrets)}

    def write(text):
        secrets.with_suffix(".new").write_text(text)
        secrets.with_suffix(".new").chmod(0o600)
        secrets.with_suffix(".new").rename(secrets)

    write("00" * 16 + "\n")
    with responder.Node(images[0], change=change) as node, \
            repeated(lambda i: node.load(images[(i + 1) % 2])) as loads, \
            repeated(lambda i: node.ask([QUERY] * 100)) as asked:
        for i in range(20):
            write("%032x\n" % i)
            node.process.send_signal(signal.SIGHUP)
            assert node.request("reload")["ok"]
            write("nonsense\n")
            response = node.request("reload")
            assert not response["ok"] and "secrets:1:1" in response["error"], response
    assert all(load["ok"] for load in loads), loads
    assert {dnswire.last_address(reply) for replies in asked for reply in replies} <= \
        {"198.51.100.1", "198.51.100.2"}


def test_drained_while_images_change(images, node):
    """Nothing but its own end ends a drain."""
    responder.wait_until(lambda: node.request("status")["healthy"])
    assert node.request("drain")["drained"]
    for step in (lambda: node.load(images[1]), lambda: node.request("rollback"),
                 lambda: node.request("reload"), lambda: node.load(images[1])):
        assert step()["ok"]
        status = node.request("status")
        assert status["drained"] and not status["healthy"], status
        assert node.ask([QUERY])[0]
    assert not node.request("undrain")["drained"]
    assert node.request("status")["healthy"]
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"


@pytest.mark.parametrize("port", ["tap", "af_packet"])
def test_all_is_counted_at_an_end_under_load(images, port, tmp_path):
    """Queries, loads and reloads when it is told to end: its last counters are those of what it has answered."""
    with responder.Node(images[0], port=port) as node:
        node.ask([QUERY])
        path = node.request("stats")["path"]
        kept = path + ".kept"
        os.link(path, kept)
        try:
            with repeated(lambda i: quietly(lambda: node.load(images[(i + 1) % 2]))) as loads, \
                    repeated(lambda i: quietly(lambda: node.ask([QUERY] * 500, tries_max=1))):
                responder.wait_until(lambda: len(loads) > 3)
                node.process.send_signal(signal.SIGHUP)
                node.process.terminate()
                assert node.process.wait(60) == 0, node.log_text()
            stats = json.loads(responder.stelectl("stats", "--json", "--file", kept))
        finally:
            os.unlink(kept)
        assert stats["balance"] == 0, stats
        total = stats["total"]
        assert total["answered_udp4"] > 0 and total["tx_packets"] > 0
        node.start()
        assert node.ask([QUERY])[0]


def quietly(work):
    """Its result; None if the responder, or its interface, is gone."""
    with contextlib.suppress(OSError, ValueError):
        return work()
    return None
