# SPDX-License-Identifier: Apache-2.0
"""The responder on virtual ports, asked by the programs that people use."""
import contextlib
import os
import socket
import subprocess
import time

import pytest

import netns
import responder
import stele

EXAMPLE = os.path.join(responder.ROOT, "config/examples/example.zone")
PORTS = ["tap", "af_packet", "af_xdp"]

pytestmark = pytest.mark.usefixtures("namespaces")


@pytest.fixture(scope="module")
def world():
    with stele.Stele([("example.", EXAMPLE)]) as zones:
        yield zones


@pytest.fixture(scope="module", params=PORTS)
def node(request, world):
    with responder.Node(world.image, port=request.param) as made:
        yield made


def output(node, *words):
    done = subprocess.run(node.client.command(*words), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


@pytest.mark.parametrize("host", [responder.V4, responder.V6])
def test_dig(node, host):
    text = output(node, "dig", "@" + host, "www.example", "A", "+time=2")
    assert "status: NOERROR" in text and "192.0.2.80" in text


@pytest.mark.parametrize("host", [responder.V4, responder.V6])
def test_kdig_gets_the_name_that_is_not_there(node, host):
    text = output(node, "kdig", "@" + host, "nothing.example", "A", "+dnssec", "+time=2")
    assert "status: NXDOMAIN" in text


@pytest.mark.parametrize("host", [responder.V4, responder.V6])
def test_echo(node, host):
    text = output(node, "ping", "-c", "3", "-i", "0.1", "-W", "2", "-s", "1400", host)
    assert " 3 received" in text


def test_neighbours_are_resolved(node):
    """ARP and neighbour discovery give the MAC address that status shows."""
    output(node, "ping", "-c", "1", responder.V4)
    output(node, "ping", "-c", "1", responder.V6)
    mac = node.request("status")["ports"][0]["mac"]
    text = output(node, "ip", "neigh", "show", "dev", node.interface)
    found = {line.split()[0]: line.split()[2] for line in text.splitlines() if "lladdr" in line}
    assert found.get(responder.V4) == mac and found.get(responder.V6) == mac, text


def test_dnsperf_loses_nothing(node, tmp_path):
    queries = tmp_path / "queries"
    queries.write_text("www.example A\nnothing.example AAAA\nhost.research.example A\n")
    text = output(node, "dnsperf", "-s", responder.V4, "-d", queries, "-n", "700", "-q", "20")
    assert "Queries lost:         0" in text, text


def test_every_packet_counts_once(node):
    """The law of lib/stats/counters.def, after all that the other tests sent."""
    assert node.counters()["balance"] == 0


def test_a_flood_to_the_kernel_is_capped(world):
    """What anybody can send is cut to the rate; what is for the network goes on: here a routing session."""
    def cap(config):
        config["ports"][0]["exception"]["rate"] = 200

    def is_capped():
        node.flood_kernel(3000)
        return node.counters()["drop_punt_cap"] > 1000

    with responder.Node(world.image, change=cap) as node:
        begin = time.monotonic()
        responder.wait_until(is_capped)    # of a worker that gets no processor for a moment, the kernel drops what comes
        with responder.Listener(node.node, 179) as listener:
            assert node.client.call(listener.fetch) == b"hello"
        counters = node.counters()
        assert counters["drop_punt_cap"] > 1000 and counters["balance"] == 0, counters
        assert counters["punt_udp_port"] < 500 + 300 * (time.monotonic() - begin)


@pytest.mark.parametrize("words", [
    {"device": "net_ring", "args": {}},
    {"device": "net_memif", "args": {"role": "server", "id": "0", "socket-abstract": "no"}},
])
def test_ports_without_an_interface(words, world, tmp_path):
    """They start, say so, and end."""
    def change(config):
        config["ports"][0].update(words)
        if "role" in words["args"]:
            words["args"]["socket"] = str(tmp_path / "memif")

    with responder.Node(world.image, port="file", exception=False, change=change) as node:
        assert node.request("status")["ports"][0]["device"] == words["device"]
        assert node.end() == 0


def test_a_small_mtu(world):
    """No reply is longer than the port's MTU allows, whatever the client says."""
    def shrink(config):
        config["ports"][0]["mtu"] = 1280
        config["answers"] = {"udp_size": 1232}

    with responder.Node(world.image, change=shrink) as node:
        text = output(node, "dig", "@" + responder.V6, "www.example", "A", "+bufsize=4096", "+time=2")
        assert "status: NOERROR" in text
        assert node.request("status")["ports"][0]["mtu"] == 1280
        link = output(node, "ip", "link", "show", "dev", node.interface)
        assert "mtu 1280" in link


def test_a_link_that_goes_and_comes(world):
    """A port whose link was down answers again once it is up."""
    with responder.Node(world.image, port="af_packet") as node:
        assert "NOERROR" in output(node, "dig", "@" + responder.V4, "www.example", "+time=2")
        node.client.ip("link", "set", node.interface, "down")
        assert node.request("ping")["ok"]
        node.client.ip("link", "set", node.interface, "up")
        assert "NOERROR" in output(node, "dig", "@" + responder.V4, "www.example", "+time=2",
                                   "+tries=5")


@pytest.mark.parametrize("port", PORTS)
def test_a_mac_of_its_own(port, world):
    """Clients see the address that is configured, and their frames to it arrive."""
    def change(config):
        config["ports"][0]["mac"] = "02:00:5e:10:00:01"

    with responder.Node(world.image, port=port, change=change) as node:
        assert "NOERROR" in output(node, "dig", "@" + responder.V4, "www.example", "+time=2")
        assert "NOERROR" in output(node, "dig", "@" + responder.V6, "www.example", "+time=2")
        assert "02:00:5e:10:00:01" in output(node, "ip", "neigh", "show", "dev", node.interface)


def test_a_vlan(world):
    """A port in a VLAN answers tagged frames with tagged frames, TCP over the exception path among them."""
    def tag(config):
        config["ports"][0]["vlan"] = 53

    with responder.Node(world.image, port="af_packet", change=tag) as node:
        node.client.ip("addr", "flush", "dev", node.interface)
        try:
            node.client.ip("link", "add", "link", node.interface, "name", "tagged", "type", "vlan",
                           "id", 53)
        except subprocess.CalledProcessError:
            pytest.skip("this kernel has no VLAN interfaces")
        node.client.ip("link", "set", "tagged", "up")
        node.client.ip("addr", "add", responder.CLIENT4 + "/24", "dev", "tagged")
        text = output(node, "dig", "@" + responder.V4, "www.example", "A", "+time=2")
        assert "192.0.2.80" in text
        with responder.Listener(node.node) as listener:
            assert node.client.call(listener.fetch) == b"hello"


def link_local(node):
    """The address that the kernel made for the exception interface."""
    command = node.node.command("ip", "-6", "-o", "addr", "show", "dev", "kernel0", "scope", "link")
    words = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return words[words.index("inet6") + 1].split("/")[0]


def test_groups_reach_the_kernel_of_a_port_without_ipv6(world):
    """The card lets frames to groups through, so the kernel behind it is found at its own addresses: BGP over
    link-local ones needs that. A macvlan filters groups as a card does."""
    def change(config):
        config["ports"][0].update({"addresses": [responder.V4 + "/24"], "args": {"iface": "card0"}})

    node = responder.Node(world.image, port="af_packet", change=change, start=False)
    try:
        try:
            node.wire.ip("link", "add", "link", "wire0", "name", "card0", "type", "macvlan", "mode", "private")
        except subprocess.CalledProcessError:
            pytest.skip("this kernel has no macvlan")
        netns.run(*node.wire.command("sysctl", "-qw", "net.ipv6.conf.card0.disable_ipv6=1"))
        node.wire.ip("link", "set", "card0", "up")
        node.start()
        assert "NOERROR" in output(node, "dig", "@" + responder.V4, "www.example", "+time=2", "+tries=5")
        host = link_local(node) + "%" + node.interface
        # The first tries may come while the addresses of both ends are being made sure of.
        replies = (output(node, "ping", "-6", "-c", "1", "-W", "1", host) for _ in range(10))
        assert any(" 1 received" in text for text in replies), node.log_text()
    finally:
        node.stop()


def thread_states(pid, name):
    """The states of the threads of that name."""
    states = []
    for task in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
             open("/proc/%d/task/%s/stat" % (pid, task), encoding="ascii", errors="replace") as file:
            comm, rest = file.read().split("(", 1)[1].rsplit(") ", 1)
            if comm == name:
                states.append(rest[0])
    return states


def test_an_interface_that_is_taken_away(world):
    """Queries are answered as before. What is for the kernel is dropped, as log and counters say, and the thread that
    served the interface rests."""
    def wait_for(condition):
        deadline = time.monotonic() + responder.START_S
        while not condition():
            assert time.monotonic() < deadline, node.log_text()
            time.sleep(0.05)

    def knock():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", (responder.V4, 9999))
        return node.counters()["drop_punt_full"] > 0

    with responder.Node(world.image) as node:
        node.node.ip("link", "del", "kernel0")
        wait_for(lambda: "interface 'kernel0' is gone" in node.log_text())
        wait_for(lambda: node.client.call(knock))
        assert "NOERROR" in output(node, "dig", "@" + responder.V4, "www.example", "+time=2")
        assert node.counters()["balance"] == 0
        wait_for(lambda: thread_states(node.process.pid, "stele-kernel") == ["S"])
        assert node.log_text().count("is gone") == 1
        assert node.end() == 0


@pytest.mark.parametrize("host", [responder.V4, responder.V6])
@pytest.mark.parametrize("port", [53, 179, 22])
def test_tcp_reaches_the_kernel(node, host, port):
    """TCP of any port arrives at a listener behind the exception path, and its replies come back."""
    with responder.Listener(node.node, port, host) as listener:
        assert node.client.call(listener.fetch) == b"hello"
