# SPDX-License-Identifier: Apache-2.0
"""Requests that neither stelectl nor the daemon would send, at the control sockets of both servers.

Each request gets one response that is an object with "ok", and a refusal says of what kind it is; afterwards the
server is the one that it was. lib/ctl alone is fuzzed (fuzz_control) and tested (test_ctl.c); here it is what the
operations make of their members.
"""
import array
import json
import os
import random
import re
import socket

import documents
import mgmtd
import responder
import stele

ZONE = "control.test"
TEXT = "$TTL 60\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"
MESSAGE_MAX = 196608
KINDS = {"input", "notfound", "stale", "usage", "system"}
QUERY = "00010000000100000000000001610000010001"    # a. A

# What is in no place right, or in few.
VALUES = [
    None, True, False, 0, -1, 1, 2 ** 31, 2 ** 32, 2 ** 63 - 1, -2 ** 63, 0.5, 1e308,
    "", ".", "..", "a..b", "a" * 64, "a." * 128, "\\", "\\300", "\\25", "\\000.",
    "control.test", "control.test.", "CONTROL.TEST", "\u00fc.test", "\U0001f600",
    "/", "/dev/null", "/etc/shadow", "x" * 70000, "00", "0" * 23, "0" * 24, "zz" * 12, "ff" * 65535,
    QUERY, [], [[]], {}, {"op": "status"}, ["a"] * 1000,
]
RIGHT = {"zone": ZONE, "serial": 7, "timeout_ms": 0, "query": QUERY, "client": "192.0.2.1", "tcp": False,
         "path": "/nowhere", "force": False, "limit": 1, "after": None}
# Whole messages that are no request.
MESSAGES = [
    b"", b" ", b"\0", b"null", b"[]", b"{}", b'"op"', b"1", b"{", b"}", b'{"op"}', b'{"op":}',
    b'{"op":"status"', b'{"op":1}', b'{"op":null}',
    b'{"op":""}', b'{"op":"STATUS"}', b'{"op":"status\\u0000"}', b'{"op":"status","op":"zones"}',
    b'{"op":"status"}{"op":"status"}', b'{"op":"status"}\0', b'\xef\xbb\xbf{"op":"status"}', b'{"op":"\xff"}',
    b'{"op":"status","x":1}', b"[" * 5000, b'{"a":' * 5000, b"\xff" * MESSAGE_MAX, b" " * MESSAGE_MAX,
    b'{"op":"' + b"x" * (MESSAGE_MAX - 9) + b'"}', b'{"op":"zone","zone":"' + b"\\u0001" * 30000 + b'"}',
]


def operations(server):
    """{operation: members}, as docs/control-protocol.md has them."""
    text = documents.text("docs/control-protocol.md")
    both = text.split("## Operations of the responder")[1].split("## Operations of the daemon")
    parts = re.findall(r"^### ([a-z, ]+)\n(.*?)(?=^### |\Z)", both[server], re.M | re.S)
    of_responder = dict(re.findall(r"^### ([a-z, ]+)\n(.*?)(?=^### |\Z)", both[0], re.M | re.S))
    found = {"ping": []}
    for names, body in parts:
        for name in names.split(", "):
            if "As with the responder" in body or "As there" in body:
                body = of_responder[name]
            found[name] = [word for word in re.findall(r"`([a-z_]+)\??`", body.partition("→")[0])
                           if word in RIGHT]
    return found


class Socket:
    """A connection that is made anew when the server has closed it."""

    def __init__(self, path):
        self.path, self.sock = path, None

    def ask(self, message, fds=()):
        """The response; None if the connection was closed instead."""
        if self.sock is None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.sock.settimeout(120)
            self.sock.connect(self.path)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sock.sendmsg([message], ancillary)
            text = self.sock.recv(1 << 20)
        except (BrokenPipeError, ConnectionResetError):
            text = b""
        if not text:
            self.close()
            return None
        response = json.loads(text)
        assert isinstance(response["ok"], bool)
        if not response["ok"]:
            assert response["kind"] in KINDS and isinstance(response["error"], str)
        return response

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None


def requests(members, seed):
    """What the members of an operation might be, each wrong alone, and several at once."""
    good = {name: RIGHT[name] for name in members if name != "after"}
    yield good
    yield {**good, "surplus": 1}
    for name in members:
        yield {key: value for key, value in good.items() if key != name}
        for value in VALUES:
            yield {**good, name: value}
    choose = random.Random(seed)
    for _ in range(50):
        yield {name: choose.choice(VALUES) for name in members if choose.random() < 0.8}


def storm(path, server):
    connection = Socket(path)
    for message in MESSAGES:
        response = connection.ask(message)
        assert response is None or not response["ok"], message[:60]
        assert connection.ask(b'{"op":"ping"}')["ok"]
    asked = 0
    for op, members in operations(server).items():
        for number, request in enumerate(requests(members, op)):
            if op == "wait" and isinstance(request.get("timeout_ms", 1), (int, float)):
                request["timeout_ms"] = min(request.get("timeout_ms", 0), 0)    # nobody waits here
            fds = [os.open("/dev/null", os.O_RDONLY)] if number % 7 == 3 else []
            message = json.dumps({"op": op, **request}).encode()
            if len(message) <= MESSAGE_MAX:
                connection.ask(message, fds)
                asked += 1
            for fd in fds:
                os.close(fd)
        assert connection.ask(b'{"op":"ping"}')["ok"], op
    connection.close()
    return asked


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_daemon():
    assert set(operations(1)) == {"ping", "status", "zones", "zone", "wait", "transfer", "notify", "reload"}
    with mgmtd.Daemon({"zones": [{"name": ZONE}]}, data={ZONE: TEXT}) as daemon:
        daemon.wait(ZONE, 7)
        before, pid = descriptors(daemon.process.pid), daemon.process.pid
        assert storm(daemon.control, 1) > 300
        daemon.wait_for(lambda: descriptors(pid) <= before)
        assert daemon.process.pid == pid and daemon.serial(ZONE) == 7
        assert daemon.json("zones")["total"] == 1


def test_responder(namespaces):
    assert set(operations(0)) == {"ping", "status", "zones", "zone", "load", "rollback", "wait", "reload", "drain",
                                  "undrain", "stats", "trace"}
    with stele.Stele([("example.", os.path.join(stele.ROOT, "config/examples/example.zone"))]) as zones:
        with responder.Node(zones.image) as node:
            before, served = descriptors(node.process.pid), node.request("status")["image"]
            assert storm(node.control, 0) > 500
            status = node.request("status")
            assert status["image"]["generation"] == served["generation"] and status["healthy"]
            assert node.process.poll() is None and descriptors(node.process.pid) <= before + 1
            assert node.counters()["balance"] == 0
            assert node.end() == 0
