# SPDX-License-Identifier: Apache-2.0
"""How the responder ends: told to, in the middle of its work, without a worker that hangs, by sudden death."""
import contextlib
import os
import shutil
import signal
import socket
import struct
import threading
import time

import pytest

import dnswire
import responder
import standstill

QUERY = dnswire.query("www.example.", "A")


def test_it_ends_when_it_is_told_to(images):
    with responder.Node(images[0]) as node:
        node.ask([QUERY] * 10)
        assert node.end() == 0
        assert not os.path.exists(node.control)


def client_socket(node):
    """Connected to the responder, from its client's namespace."""
    sock = node.client.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0)
    sock.connect((responder.V4, 53))
    return sock


def numbered(number):
    return struct.pack("!H", number) + QUERY[2:]


def numbers_of_replies(sock):
    """Of all that have come so far."""
    found = []
    try:
        while True:
            reply = sock.recv(4096)
            assert dnswire.last_address(reply) == "198.51.100.1"
            found.append(struct.unpack("!H", reply[:2])[0])
    except BlockingIOError:
        return found


@pytest.mark.parametrize("port", ["tap", "af_packet"])
def test_what_came_before_the_end_is_answered(images, port):
    """It stands still while queries come, and is told to end before it goes on."""
    cnt = 200
    with responder.Node(images[0], port=port) as node, client_socket(node) as sock:
        node.ask([QUERY])    # both know the way to each other
        node.process.send_signal(signal.SIGSTOP)
        for number in range(cnt):
            sock.send(numbered(number))
        node.process.terminate()
        node.process.send_signal(signal.SIGCONT)
        assert node.process.wait(60) == 0
        assert numbers_of_replies(sock) == list(range(cnt))


def test_it_ends_in_the_middle_of_its_work(images):
    """Up to the last query that was answered, none is missing."""
    with responder.Node(images[0], port="af_packet") as node, client_socket(node) as sock:
        node.ask([QUERY])
        sent, answered, is_told = 0, [], False
        while node.process.poll() is None:
            sock.send(numbered(sent))
            sent += 1
            answered += numbers_of_replies(sock)
            if len(answered) >= 300 and not is_told:
                node.process.terminate()
                is_told = True
            time.sleep(0.001)
        answered += numbers_of_replies(sock)
        assert node.process.returncode == 0
        assert answered == list(range(len(answered))) and 300 <= len(answered) <= sent < 65536


def test_what_the_kernel_is_given_before_the_end_gets_there(images):
    """What workers have handed over and counted is on its way when they end."""
    cnt = 100
    with responder.Node(images[0]) as node, \
            node.node.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as listener, \
            node.client.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as sock:
        listener.settimeout(20)
        listener.bind((responder.V4, 5300))
        sock.sendto(b"first", (responder.V4, 5300))
        assert listener.recv(100) == b"first"
        path = node.request("stats")["path"]
        with standstill.stopped(standstill.named(node.process.pid, "stele-kernel")):
            punted = node.counters()["punt_udp_port"] + cnt
            for number in range(cnt):
                sock.sendto(b"%d" % number, (responder.V4, 5300))
            responder.wait_until(lambda: node.counters()["punt_udp_port"] == punted)
            node.process.terminate()
            # Next is the exception path, whose thread cannot go before it goes on.
            responder.wait_until(lambda: not os.path.exists(path))
            time.sleep(0.1)
        assert node.process.wait(60) == 0
        assert [int(listener.recv(100)) for _ in range(cnt)] == list(range(cnt))


def test_what_the_service_manager_is_told(images):
    """Each start waits for READY=1; here is the rest of sd_notify(3)."""
    def heard(line):
        """All that is said up to this line, the watchdog's word left out unless it is that."""
        words = []
        while not words or words[-1] != line:
            word = notify.recv(4096).decode()
            if word != "WATCHDOG=1" or word == line:
                words.append(word)
        return words

    with responder.Node(images[0]) as node, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.settimeout(30)
        notify.bind(os.path.join(node.folder, "notify"))
        assert heard("WATCHDOG=1") == ["WATCHDOG=1"]
        node.process.send_signal(signal.SIGHUP)
        assert heard("READY=1") == ["RELOADING=1", "READY=1"]
        node.process.terminate()
        assert heard("STOPPING=1") == ["STOPPING=1"]
        assert node.end() == 0


def test_the_unit_waits_for_its_words():
    """What it says is asked for, and what it takes to end fits into the time that it has."""
    with open(os.path.join(responder.ROOT, "config/systemd/stele-responder.service.in"),
              encoding="ascii") as file:
        unit = dict(line.strip().split("=", 1) for line in file if "=" in line and line[0] != "#")
    assert unit["Type"] == "notify" and int(unit["WatchdogSec"]) > 1
    assert int(unit["TimeoutStopSec"]) > 10


def test_it_ends_without_a_worker_that_hangs(images):
    """Also while a load waits for that worker."""
    def change(config):
        config["idle"] = {"mode": "busy"}

    with responder.Node(images[0], change=change) as node:
        thread = standstill.worker(node.process.pid)
        loading = threading.Thread(target=load_quietly, args=(node, images[1]))
        with standstill.stopped(thread, ends=True):
            loading.start()
            node.process.terminate()
            os.waitpid(thread, standstill.WALL)    # it goes with the process
        assert node.process.wait(30) == 3
        loading.join()
        assert "worker 0 on core %d has not ended for 10 s" % responder.last_core() in node.log_text()
        assert not os.path.exists(node.control) and not os.path.exists(node.control + ".stats")


def test_it_runs_without_root(images):
    def change(config):
        config["user"] = "nobody"
        folder = os.path.dirname(config["control"])
        os.chmod(folder, 0o755)    # for the image, and the socket that is told of the start
        config["image"] = shutil.copy(images[0], folder)

    with responder.Node(images[0], change=change) as node:
        for task in os.listdir("/proc/%d/task" % node.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                 open("/proc/%d/task/%s/status" % (node.process.pid, task), encoding="ascii") as file:
                fields = dict(line.split(":\t", 1) for line in file if ":\t" in line)
                assert fields["Uid"].split()[1] != "0" and int(fields["CapEff"], 16) == 0, fields
                # Nor does a setuid program lead back.
                assert fields["NoNewPrivs"] == "1\n", fields
        assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
        assert node.load(images[1])["ok"]
        assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.2"
        with responder.Listener(node.node) as listener:
            assert node.client.call(listener.fetch) == b"hello"


def test_killed_under_load_and_started_again(images, node):
    """Nothing that it leaves behind is in the way of the next start."""
    for _ in range(3):
        asker = threading.Thread(target=ask_quietly, args=(node,))
        asker.start()
        swapper = threading.Thread(target=load_quietly, args=(node, images[1]))
        swapper.start()
        time.sleep(0.05)
        node.kill()
        asker.join()
        swapper.join()
        node.start()
        assert dnswire.last_address(node.ask([QUERY])[0]) in ("198.51.100.1", "198.51.100.2")
        assert node.counters()["balance"] == 0


def ask_quietly(node):
    try:
        node.ask([QUERY] * 2000, tries_max=1)
    except OSError:
        pass    # the interface goes with the responder


def load_quietly(node, image):
    try:
        node.load(image)
    except (OSError, ValueError):
        pass    # it was killed before it could say anything
