# SPDX-License-Identifier: Apache-2.0
"""docs/control-protocol.md names all that the two servers say over their control sockets."""
import re

import dnswire
import documents
import mgmtd
import responder

PAGE = "docs/control-protocol.md"
# Numbers by the names of the metrics, as the page says; "ok" is of all responses.
BY_METRICS, OF_ALL = ("service", "counters"), ("ok",)
ZONE = "$TTL 60\n@ SOA ns h 1 60 60 3600 60\n@ NS ns\nns A 192.0.2.1\n"


def documented(server, operation):
    """What stands as code in the part of an operation, and in those that it refers to."""
    part = documents.text(PAGE).split("\n## Operations of the %s\n" % server)[1].split("\n## ")[0]
    sections = re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", part, re.M | re.S)
    text, = (text for names, text in sections if operation in names.split(", "))
    words = {word.rstrip("?") for word in re.findall(r"`([^`]+)`", text)}
    for other in re.findall(r"→ as (?:in )?`(\w+)`", text):
        words |= documented(server, other)
    if "As with the responder" in text:
        words |= documented("responder", operation)
    return words


def members(value):
    """Names of all members, at any depth."""
    if isinstance(value, list):
        return set().union(*map(members, value))
    if not isinstance(value, dict):
        return set()
    return set(value) | set().union(*(members(inner) for name, inner in value.items()
                                      if name not in BY_METRICS))


def undocumented(server, operation, response):
    return sorted(members(response) - documented(server, operation) - set(OF_ALL))


def test_responder(images, node):
    said = {operation: node.request(operation) for operation in
            ("ping", "status", "zones", "reload", "drain", "undrain", "stats")}
    said["zone"] = node.request("zone", zone="example")
    said["load"] = node.load(images[1])
    said["rollback"] = node.request("rollback")
    said["wait"] = node.request("wait", zone="Example", serial=1, timeout_ms=60000)
    said["trace"] = node.request("trace", query=dnswire.query("www.example.", "A").hex(), client="192.0.2.1",
                                 tcp=False)
    for operation, response in said.items():
        assert response["ok"], response
        assert undocumented("responder", operation, response) == [], operation
    assert said["status"]["ports"][0]["interface"] == "kernel0"
    # However it was asked for.
    assert said["zone"]["zone"] == said["wait"]["zone"] == "example."


def test_no_way_to_the_kernel(images):
    with responder.Node(images[0], exception=False) as node:
        assert node.request("status")["ports"][0]["interface"] is None


def test_daemon():
    with mgmtd.Daemon({"zones": [{"name": "a.test"}]}, data={"a.test": ZONE}) as daemon:
        daemon.wait("a.test", 1)
        for words in (["status"], ["zones"], ["zone", "a.test"], ["wait", "A.test", "1"], ["reload"]):
            response = daemon.json(*words)
            assert undocumented("daemon", words[0], response) == [], words
        assert response["reloaded"]
