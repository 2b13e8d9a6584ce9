# SPDX-License-Identifier: Apache-2.0
"""A port with two queues, each with a worker on a core of its own; frames in a VLAN, as they are on the wire."""
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

import dnswire
import frames
import responder
import standstill
import stele

ZONE = """$TTL 300
@ SOA ns hostmaster %(serial)d 7200 900 1209600 300
@ NS ns
ns A 192.0.2.1
www A 198.51.100.%(serial)d
"""
CORES = sorted(os.sched_getaffinity(0))[:2]
QUERY = dnswire.query("www.example.", "A")

needs_cores = pytest.mark.skipif(len(CORES) < 2, reason="needs two processors")


@pytest.fixture(scope="module")
def images(namespaces, tmp_path_factory):
    return stele.images_of_serials(tmp_path_factory.mktemp("queues"), ZONE, (1, 2))


def two_cores(config):
    config["ports"][0]["cores"] = CORES
    config["idle"] = {"mode": "pause"}    # no worker is offline, so each has to be waited for


@pytest.fixture(params=["af_packet", "tap"])
def node(request, images):
    with responder.Node(images[0], port=request.param, change=two_cores) as made:
        yield made


def cores(node):
    stats = json.loads(responder.stelectl("stats", "--json", "--cores", "--socket", node.control))
    return stats["cores"]


def ask_from_many_ports(node, cnt=40):
    """Each socket is a flow of its own."""
    for _ in range(cnt):
        yield from node.ask([QUERY] * 10)


# ---- two queues ----

@needs_cores
def test_both_workers_answer_and_each_packet_counts_once(node):
    replies = list(ask_from_many_ports(node))
    assert all(reply and reply[-1] == 1 for reply in replies)
    status = node.request("status")
    assert [(core["core"], core["queue"]) for core in status["cores"]] == [(CORES[0], 0), (CORES[1], 1)]
    for core in cores(node):
        assert core["answered"] > 0, core
        assert core["received"] == core["answered"] + core["local"] + core["punted"] + core["dropped"], core
    assert sum(core["answered"] for core in cores(node)) >= len(replies)
    assert node.counters()["balance"] == 0


@needs_cores
def test_a_swap_under_load_is_seen_by_both(images, node):
    """Whatever is asked after the load has returned gets the new image, of either worker."""
    stop = threading.Event()
    seen = set()

    def ask():
        while not stop.is_set():
            seen.update(reply[-1] for reply in node.ask([QUERY] * 50) if reply)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for turn in range(6):
            assert node.load(images[(turn + 1) % 2])["ok"]
            generations = {core["generation"] for core in node.request("status")["cores"]}
            assert len(generations) == 1
            expected = 1 + (turn + 1) % 2
            assert {reply[-1] for reply in ask_from_many_ports(node, 8) if reply} == {expected}
    finally:
        stop.set()
        asker.join()
    assert seen == {1, 2}
    assert all(core["answered"] > 0 for core in cores(node)) and node.counters()["balance"] == 0


@needs_cores
@pytest.mark.parametrize("number", [1, 2])
def test_loads_and_waits_need_both(images, number):
    with responder.Node(images[0], port="af_packet", change=two_cores) as node:
        assert node.request("wait", zone="example.", serial=1, timeout_ms=60000)["ok"]
        with standstill.stopped(standstill.worker(node.process.pid, number)):
            response = node.load(images[1])
            assert not response["ok"]
            assert "worker %d on core %d" % (number - 1, CORES[number - 1]) in response["error"]
            assert not node.request("wait", zone="example.", serial=2, timeout_ms=300)["ok"]
        assert node.load(images[1])["ok"]
        assert node.request("wait", zone="example.", serial=2, timeout_ms=60000)["ok"]


@needs_cores
@pytest.mark.skipif(shutil.which("dpdk-testpmd") is None, reason="needs dpdk-testpmd")
def test_rings_of_shared_memory(images, tmp_path):
    """memif with two rings each way, filled by another process. What it sends is a message of zeros."""
    path, mac = tmp_path / "memif", "02:00:5e:10:00:01"

    def change(config):
        two_cores(config)
        config["ports"][0].update({
            "device": "net_memif", "mac": mac,
            "args": {"role": "server", "id": 0, "socket": path, "socket-abstract": "no"}})

    with responder.Node(images[0], port="file", exception=False, change=change) as node:
        sender = subprocess.Popen(
            ["dpdk-testpmd", "--no-huge", "--no-shconf", "-m", "256", "--no-pci", "--no-telemetry",
             "--file-prefix=queues-%d" % os.getpid(), "--lcores=0@%d,1@%d" % tuple(CORES),
             "--vdev=net_memif0,role=client,id=0,socket=%s,socket-abstract=no" % path, "--",
             "--forward-mode=txonly", "--rxq=2", "--txq=2", "--total-num-mbufs=8192",
             "--eth-peer=0," + mac, "--tx-ip=%s,%s" % (responder.CLIENT4, responder.V4),
             "--tx-udp=4000,53", "--auto-start"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 60
            while not all(core["received"] > 1000 for core in cores(node)):
                assert sender.poll() is None, sender.communicate()[0].decode()
                assert time.monotonic() < deadline, cores(node)
                time.sleep(0.1)
            assert node.load(images[1])["ok"]    # under that load
        finally:
            sender.kill()
            sender.communicate()
        assert node.counters()["balance"] == 0
        assert {core["generation"] for core in node.request("status")["cores"]} == {2}
        assert node.end() == 0


# ---- VLAN ----

class Wire:
    """Frames of an interface as they are on the wire: with the tag that the kernel takes out of them."""

    PACKET, AUXDATA, VLAN_VALID = 263, 8, 1 << 4

    def __init__(self, node):
        self.socket = node.client.call(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(self.PACKET, self.AUXDATA, 1)
        self.socket.bind((node.interface, 3))    # ETH_P_ALL
        self.socket.settimeout(0.2)
        self.mac = bytes.fromhex(node.request("status")["ports"][0]["mac"].replace(":", ""))

    def send(self, payload, kind, tags=(), to=None):
        self.socket.send(frames.ether(payload, kind, to or self.mac, tags=tags))

    def receive(self):
        """The next frame that comes, its tags as they were; None if none comes."""
        try:
            frame, ancillary, _, address = self.socket.recvmsg(4096, 256)
        except socket.timeout:
            return None
        if address[2] == 4:    # PACKET_OUTGOING: our own
            return self.receive()
        for level, kind, data in ancillary:
            if (level, kind) != (self.PACKET, self.AUXDATA):
                continue
            status = int.from_bytes(data[:4], "little")
            tci = int.from_bytes(data[16:18], "little")
            if status & self.VLAN_VALID:
                return frame[:12] + frames.VLAN.to_bytes(2, "big") + tci.to_bytes(2, "big") + frame[12:]
        return frame

    def drain(self):
        """Until nothing comes for a moment: replies to what was asked twice."""
        while self.receive() is not None:
            pass

    def ask(self, kind, payload, tags=(), to=None, want=None, tries=100):
        """The first frame to the client that is a reply, or None. Asked again: a port that is just up may lose some."""
        for _ in range(tries):
            self.send(payload, kind, tags, to)
            for _ in range(20):
                frame = self.receive()
                if frame is None:
                    break
                if frame[:6] == frames.CLIENT and (want is None or want(frame)):
                    return frame
        return None


def query_to(host, client):
    datagram = frames.udp(QUERY, client, host)
    return frames.ipv6(datagram, client, host) if ":" in host else frames.ipv4(datagram, client, host)


@pytest.fixture(params=["af_packet", "tap", "af_xdp"])
def tagged(request, images):
    def change(config):
        config["ports"][0]["vlan"] = 53

    with responder.Node(images[0], port=request.param, change=change) as made:
        # The kernel of the client's end has nothing to say here.
        made.client.ip("addr", "flush", "dev", made.interface)
        yield made


TAG = (frames.VLAN, 53)
HOSTS = [(frames.IPV4, responder.V4, responder.CLIENT4), (frames.IPV6, responder.V6, responder.CLIENT6)]


@pytest.mark.parametrize("kind, host, client", HOSTS)
def test_a_tagged_query_gets_a_tagged_reply(tagged, kind, host, client):
    wire = Wire(tagged)
    reply = wire.ask(kind, query_to(host, client), [TAG])
    assert reply is not None, tagged.log_text()
    assert reply[:6] == frames.CLIENT and reply[6:12] == wire.mac
    assert reply[12:18] == bytes.fromhex("81000035") + kind.to_bytes(2, "big")
    assert reply[-1] == 1    # the address's last byte
    # The priority is the client's, and comes back with the tag.
    wire.drain()
    reply = wire.ask(kind, query_to(host, client), [(frames.VLAN, 5 << 13 | 53)])
    assert reply[14:16] == bytes.fromhex("a035")


def test_frames_of_other_vlans_are_not_ours(tagged):
    wire = Wire(tagged)
    query = query_to(responder.V4, responder.CLIENT4)
    assert wire.ask(frames.IPV4, query, [TAG]) is not None
    wire.drain()
    before = tagged.counters()
    for tags in [], [(frames.VLAN, 54)], [TAG, TAG]:
        assert wire.ask(frames.IPV4, query, tags, tries=3) is None
    responder.wait_until(lambda: tagged.counters()["drop_vlan_nested"] >= before["drop_vlan_nested"] + 3)
    after = tagged.counters()
    # What the kernel of the other end says of its own accord has no tag either.
    assert after["drop_vlan"] - before["drop_vlan"] >= 6
    assert after["drop_vlan_nested"] - before["drop_vlan_nested"] == 3
    assert after["answered"] == before["answered"] and after["balance"] == 0


def test_other_vlans_tell_the_kernel_nothing(tagged):
    """A neighbour's new address, from VLAN 54, from VLAN 0 and without a tag; then from the port's own VLAN."""
    def learned():
        command = tagged.node.command("ip", "neigh", "show", responder.CLIENT4, "dev", "kernel0")
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    def claim(mac, tags):
        reply = bytes.fromhex("0001080006040002") + mac + frames.address(responder.CLIENT4) + \
            wire.mac + frames.address(responder.V4)
        wire.send(reply, frames.ARP, tags)

    wire = Wire(tagged)
    tagged.node.ip("neigh", "replace", responder.CLIENT4, "lladdr", "02:00:5e:10:00:07", "dev", "kernel0",
                   "nud", "stale")
    before = tagged.counters()
    deadline = time.monotonic() + responder.START_S
    # Again and again: the kernel believes a claim only if the one before is a second old.
    while "02:00:5e:10:00:c1" not in learned():
        assert "02:00:5e:10:00:ee" not in learned()
        assert time.monotonic() < deadline, learned()
        for tags in [], [(frames.VLAN, 54)], [(frames.VLAN, 7 << 13)]:
            claim(bytes.fromhex("02005e1000ee"), tags)
        claim(bytes.fromhex("02005e1000c1"), [TAG])
        time.sleep(0.05)
    after = tagged.counters()
    assert after["drop_vlan"] - before["drop_vlan"] >= 3 and after["balance"] == 0


def test_arp_in_a_vlan(tagged):
    wire = Wire(tagged)
    request = bytes.fromhex("0001080006040001") + frames.CLIENT + frames.address(responder.CLIENT4) + \
        bytes(6) + frames.address(responder.V4)
    reply = wire.ask(frames.ARP, request, [TAG], to=b"\xff" * 6, want=lambda f: f[16:18] == b"\x08\x06")
    assert reply is not None and reply[12:16] == bytes.fromhex("81000035")
    assert reply[18 + 8:18 + 14] == wire.mac


def test_the_kernel_sees_no_tag_and_its_frames_get_one(tagged):
    """TCP to a closed port, over the exception path, and the kernel's refusal."""
    tagged.node.ip("neigh", "replace", responder.CLIENT4, "lladdr", ":".join("%02x" % b for b in frames.CLIENT),
                   "dev", "kernel0", "nud", "permanent")
    wire = Wire(tagged)
    head = (4000).to_bytes(2, "big") + (179).to_bytes(2, "big") + (7).to_bytes(4, "big") + bytes(4) + \
        bytes.fromhex("50021000")
    source, to = frames.address(responder.CLIENT4), frames.address(responder.V4)
    check = frames.checksum(frames.pseudo(source, to, frames.TCP, 20) + head + bytes(4))
    segment = head + check.to_bytes(2, "big") + bytes(2)
    reply = wire.ask(frames.IPV4, frames.ipv4(segment, responder.CLIENT4, responder.V4, frames.TCP), [TAG],
                     want=lambda f: f[16:18] == b"\x08\x00" and f[18 + 9] == frames.TCP)
    assert reply is not None, tagged.log_text()
    assert reply[12:16] == bytes.fromhex("81000035")
    assert reply[18 + 20 + 13] & 0x04    # RST


def test_a_priority_tag_is_no_vlan(images):
    """VLAN 0 carries a priority only (802.1Q): a port without a VLAN takes it, and sends it back."""
    with responder.Node(images[0], port="af_packet") as node:
        wire = Wire(node)
        reply = wire.ask(frames.IPV4, query_to(responder.V4, responder.CLIENT4), [(frames.VLAN, 3 << 13)])
        assert reply is not None and reply[12:16] == bytes.fromhex("81006000")
