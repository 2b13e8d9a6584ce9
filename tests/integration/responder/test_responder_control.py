# SPDX-License-Identifier: Apache-2.0
"""What the responder counts and shows, and what it does when it is told to: trace, drain, reload."""
import contextlib
import json
import os
import socket
import struct
import time

import asking
import dnswire
import responder
import stele

QUERY = dnswire.query("www.example.", "A")


def test_zones_are_counted_by_name(images, node):
    node.ask([QUERY] * 10)
    node.ask([dnswire.query("no.example.", "A")] * 5)
    node.load(images[1])
    node.ask([QUERY] * 10)
    text = responder.stelectl("stats", "--zones", "--json", "--socket", node.control)
    zones = {zone["zone"]: zone for zone in json.loads(text)["zones"]}
    assert zones["example."]["answer"] >= 20 and zones["example."]["nxdomain"] >= 5, zones


def test_zones_say_how_they_are_signed(node, tmp_path):
    for name in "nsec.test", "nsec3.test", "plain.test":
        stele.run("import", "--store", tmp_path / "store", "--zone", name,
                  os.path.join(responder.ROOT, "tests/golden/zones", name + ".zone"))
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    assert node.load(tmp_path / "image")["ok"]
    signed = {zone["zone"]: zone["signed"] for zone in node.request("zones")["zones"]}
    assert signed == {"nsec.test.": "nsec", "nsec3.test.": "nsec3", "plain.test.": "none"}
    for zone, kind in signed.items():
        assert node.request("zone", zone=zone)["signed"] == kind


@contextlib.contextmanager
def telemetry(node):
    """What asks over DPDK's own socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(20)
        sock.connect(node.request("status")["telemetry"])
        sock.recv(1 << 16)

        def ask(command):
            sock.send(command.encode())
            return json.loads(sock.recv(1 << 16))[command.split(",")[0]]

        yield ask


def test_telemetry(node):
    """The same counters as in shared memory."""
    node.ask([QUERY] * 10)
    with telemetry(node) as ask:
        assert ask("/stele/counters")["answered_udp4"] >= 10
        assert ask("/stele/counters,0")["balance"] == 0
        for none in "1", "-1", "x", "0x", "18446744073709551616":
            assert ask("/stele/counters," + none) is None
        assert ask("/stele/zones") == ["example."]
        assert ask("/stele/zones,example.")["answer"] >= 10
        assert ask("/stele/zones,unknown.") is None


def test_telemetry_cuts_long_names_and_lists_all(node, tmp_path):
    """DPDK has room for 127 bytes of each."""
    names = ["%s.%s.%s.test." % (3 * (letter * 60,)) for letter in "abc"] + ["%d.test." % i for i in range(5)]
    (tmp_path / "zone").write_text("@ 60 SOA ns h 1 60 60 60 60\n@ 60 NS ns.example.\n")
    for name in names:
        stele.run("import", "--store", tmp_path / "store", "--zone", name, tmp_path / "zone")
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    assert node.load(tmp_path / "image")["ok"]
    with telemetry(node) as ask:
        assert sorted(ask("/stele/zones")) == sorted(name[:127] for name in names)


def test_trace_gives_the_reply_and_counts_nothing(node):
    before = node.counters()["answered_udp4"]
    text = responder.stelectl("trace", "www.example", "--socket", node.control)
    assert "198.51.100.1" in text and "zone example." in text
    assert node.counters()["answered_udp4"] == before


def test_drain_turns_health_and_nothing_else(node):
    wait_healthy(node)
    assert node.request("drain")["drained"]
    status = node.request("status")
    assert status["drained"] and not status["healthy"]
    assert responder.stelectl("health", "--socket", node.control, check=False) == "unhealthy: drained\n"
    assert dnswire.last_address(node.ask([QUERY])[0]) == "198.51.100.1"
    node.request("undrain")
    assert node.request("status")["healthy"]
    assert responder.stelectl("health", "--socket", node.control) == "healthy\n"


def wait_healthy(node):
    deadline = time.monotonic() + 60
    while not node.request("status")["healthy"] and time.monotonic() < deadline:
        time.sleep(0.05)


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
        assert node.request("reload", check=True)["ok"]    # looks, and changes nothing
        cookie_of(node, cookie)
        assert node.counters()["cookie_valid"] == valid + 3
        node.process.send_signal(1)    # SIGHUP is the same
        deadline = time.monotonic() + 60
        while "reloaded" not in node.log_text().split("reloaded", 1)[1] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert node.counters()["cookie_invalid"] == 0
        cookie_of(node, cookie)
        counters = node.counters()
        assert (counters["cookie_valid"], counters["cookie_invalid"]) == (valid + 3, 1)
        secrets.write_text("nonsense")
        for check in True, False:
            response = node.request("reload", check=check)
            assert not response["ok"] and "secrets:1:1" in response["error"], response
        assert node.ask([QUERY])[0]


def asked_once(node, cnt=40):
    """How many of so many queries get a reply, none of them being asked again."""
    replies = node.client.call(asking.ask_udp, 53, [QUERY] * cnt, host=responder.V4, tries_max=1)
    return sum(reply is not None for reply in replies)


def test_reload_changes_rates_in_the_middle_of_a_flood(images):
    with responder.Node(images[0]) as node:
        def reload(**rrl):
            node.config["rrl"] = {"enabled": True, "slip": 0, **rrl}
            node.write_config()
            return node.request("reload")

        def is_limited():
            """Two at once, and one more a second."""
            before = node.counters()["drop_rrl"]
            return asked_once(node) < 20 and node.counters()["drop_rrl"] > before

        def is_unlimited():
            before = node.counters()["drop_rrl"]
            return None not in node.ask([QUERY] * 40) and node.counters()["drop_rrl"] == before

        assert is_unlimited()
        response = reload(answers_per_second=1)
        assert response["ok"] and "rrl" in response["reloaded"], response
        assert is_limited()
        # What cannot be is told with its place, and nothing changes.
        for rate in 0, 100001:
            response = reload(answers_per_second=rate)
            assert not response["ok"] and "config.yaml:" in response["error"], response
        assert is_limited()
        assert reload(answers_per_second=1, exempt=[responder.CLIENT4 + "/32"])["ok"]
        assert is_unlimited()
        assert reload(answers_per_second=1)["ok"]
        assert is_limited()
        assert reload(enabled=False)["ok"]
        assert is_unlimited()
        assert node.counters()["balance"] == 0


def test_reload_changes_what_may_go_to_the_kernel(images):
    def is_capped():
        node.flood_kernel(1000)
        return node.counters()["drop_punt_cap"] > 0

    with responder.Node(images[0]) as node:
        node.flood_kernel(1000)
        assert node.counters()["drop_punt_cap"] == 0
        node.config["ports"][0]["exception"]["rate"] = 1
        node.write_config()
        assert node.request("reload")["ok"]
        responder.wait_until(is_capped)
        assert node.counters()["balance"] == 0


def cookie_of(node, cookie):
    """Ask with a cookie; the cookie of the reply."""
    query = dnswire.query("www.example.", "A", "plain", options=dnswire.option(10, cookie))
    reply = node.ask([query])[0]
    at = reply.index(struct.pack("!H", 10), len(QUERY) + 16)
    size = struct.unpack("!H", reply[at + 2:at + 4])[0]
    return reply[at + 4:at + 4 + size]
