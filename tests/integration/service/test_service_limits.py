# SPDX-License-Identifier: Apache-2.0
"""Rates of replies over UDP: what a forged address can make the daemon send to its victim."""
import os
import resource
import socket
import struct
import time

import pytest

import dnswire
import service
import stele

ZONES = [("plain.test", os.path.join(stele.ROOT, "tests/golden/zones/plain.test.zone"))]
ASK = dnswire.query("www.plain.test.", "A")
NSID = dnswire.query("plain.test.", "SOA", "plain", options=b"\0\3\0\0")
LIMITS = ("enabled: true\nwindow: 1s\nanswers_per_second: 5\nnxdomains_per_second: 5\nerrors_per_second: 5\n"
          "slip: %d\n")
CNT = 200


@pytest.fixture(scope="module")
def image():
    with stele.Stele(ZONES) as built:
        yield built


@pytest.fixture
def running(image):
    with service.Service(image.image, rrl=LIMITS % 0) as started:
        yield started


def replies_to(running, message, client="127.0.0.1", cnt=CNT):
    """What comes back of as many queries; the daemon has seen all of them when it ends."""
    before = running.counters()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((client, 0))
        sock.connect(("127.0.0.1", running.port))
        sock.settimeout(20)
        for sent in range(cnt):
            sock.send(struct.pack("!H", sent) + message[2:])
            if sent % 50 == 49:     # not more than a socket holds
                running.wait_for(lambda now: now["udp_queries"] - before["udp_queries"] > sent)
        after = running.wait_for(lambda now: now["udp_replies"] + now["dropped"] - before["udp_replies"]
                                 - before["dropped"] >= cnt)
        replies = [sock.recv(65535) for _ in range(after["udp_replies"] - before["udp_replies"])]
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):     # no more than those that were counted
            sock.recv(65535)
    assert after["dropped"] - before["dropped"] == cnt - len(replies)
    return replies, {name: after[name] - before[name] for name in after}


def most_since(begin):
    """Replies that LIMITS may let through from then until now: a window's, those of the time, and what is begun."""
    return 5 * (time.monotonic() - begin + 1) + 2


@pytest.mark.parametrize("message", [
    ASK,
    dnswire.query("none.plain.test.", "A"),
    dnswire.query("elsewhere.test.", "A"),          # REFUSED by the engine
    dnswire.query("plain.test.", "SOA", opcode=2),  # NOTIMP by what is behind it
], ids=["answer", "nxdomain", "refused", "notimp"])
def test_a_flood_is_limited(running, message):
    begin = time.monotonic()
    replies, counted = replies_to(running, message)
    assert 1 <= len(replies) <= most_since(begin)
    assert counted["rrl_dropped"] == counted["dropped"] == CNT - len(replies)


def test_who_is_not_limited(running):
    """Other prefixes, TCP, and clients with a valid cookie, whatever comes from their address."""
    assert len(replies_to(running, ASK)[0]) < CNT
    assert len(replies_to(running, ASK, client="127.0.7.1", cnt=1)[0]) == 1
    with running.connect() as connection:
        for _ in range(CNT):
            assert connection.ask(ASK)[3] & 15 == dnswire.NOERROR
        # A cookie of the client alone; the server's half stands in the reply.
        reply = connection.ask(dnswire.query("www.plain.test.", "A", "plain", options=b"\0\x0a\0\x08clientco"))
    at = reply.index(b"clientco")
    cookie = reply[at:at + 24]
    message = dnswire.query("www.plain.test.", "A", "plain",
                            options=b"\0\x0a" + struct.pack("!H", len(cookie)) + cookie)
    assert len(replies_to(running, message)[0]) == CNT


def test_slip(image):
    with service.Service(image.image, rrl=LIMITS % 1) as running:
        begin = time.monotonic()
        replies, counted = replies_to(running, ASK)
        assert len(replies) == CNT and counted["rrl_dropped"] == 0
        empty = [reply for reply in replies if reply[2] & 2]
        assert len(empty) == counted["rrl_slipped"] >= CNT - most_since(begin)
        assert all(len(reply) == len(ASK) and reply[6:8] == b"\0\0" for reply in empty)


def test_reload(running):
    """Without limits all is answered, with them again it is not; who is over a rate stays so if nothing has
    changed."""
    assert len(replies_to(running, ASK)[0]) < CNT
    assert running.reload(answers="nsid: other") == "ok"
    assert b"\0\3\0\5other" in running.ask_udp(NSID, client="127.0.7.1")     # of another prefix
    assert running.reload(rrl="enabled: false\n") == "ok"
    assert len(replies_to(running, ASK)[0]) == CNT
    assert running.reload(rrl=LIMITS % 0) == "ok"
    assert len(replies_to(running, ASK)[0]) < CNT
    assert running.reload(rrl=LIMITS % 0 + "exempt: [127.0.0.0/8]\n") == "ok"
    assert len(replies_to(running, ASK)[0]) == CNT


def test_high_rates(image):
    """The highest rate that as many threads may have goes beside low ones, which hold; one more is told."""
    high = (LIMITS % 0).replace("answers_per_second: 5", "answers_per_second: 200000")
    with service.Service(image.image, threads=2, rrl=high) as running:
        assert len(replies_to(running, ASK)[0]) == CNT
        assert len(replies_to(running, dnswire.query("elsewhere.test.", "A"))[0]) < CNT
        assert "answers_per_second is 200001" in running.reload(rrl=high.replace("200000", "200001"))
        assert len(replies_to(running, dnswire.query("elsewhere.test.", "A"))[0]) < CNT


def address_space(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmSize:"))


@pytest.mark.parametrize("before", ["enabled: false\n", LIMITS % 0], ids=["off", "on"])
def test_no_memory(image, before):
    """A reload that finds no memory for the table says so and changes nothing at all."""
    with service.Service(image.image, rrl=before) as running:
        pid = running.process.pid
        used = address_space(pid)
        if used > 1 << 40:
            pytest.skip("a sanitizer has all of the address space")
        resource.prlimit(pid, resource.RLIMIT_AS, (used + (256 << 20),) * 2)
        answer = running.reload(answers="nsid: other", rrl=LIMITS % 0 + "table_size: 1G\n")
        assert "memory" in answer
        assert b"other" not in running.ask_udp(NSID)
        assert (len(replies_to(running, ASK)[0]) < CNT) == (before != "enabled: false\n")
        assert running.reload(answers="nsid: other", rrl=LIMITS % 0) == "ok"
        assert len(replies_to(running, ASK)[0]) < CNT
