# SPDX-License-Identifier: Apache-2.0
"""Frames that are wrong, through a whole responder: read from a file by net_pcap, replies written to another. Each is
counted for what is wrong with it, and only the sound ones get a reply."""
import os
import struct
import time

import pytest

import dnswire
import frames
import responder
import stele
from frames import ether, ipv4, ipv6, udp

EXAMPLE = os.path.join(responder.ROOT, "config/examples/example.zone")
QUERY = dnswire.query("www.example.", "A")
US4, US6, THEM4, THEM6 = responder.V4, responder.V6, responder.CLIENT4, responder.CLIENT6

pytestmark = pytest.mark.usefixtures("namespaces")


def over4(payload=None, source=THEM4, to=US4, link={}, **fields):
    """A query over IPv4; `fields` of the IP header, `link` of Ethernet's."""
    return ether(ipv4(udp(QUERY, source, to) if payload is None else payload, source, to, **fields),
                 frames.IPV4, **link)


def over6(payload=None, source=THEM6, to=US6, link={}, **fields):
    return ether(ipv6(udp(QUERY, source, to) if payload is None else payload, source, to, **fields),
                 frames.IPV6, **link)


def header6(following, size=8, kind=0):
    """An IPv6 extension header of `size` bytes in front of UDP."""
    return bytes([following, size // 8 - 1]) + bytes(size - 2)


def query6():
    return udp(QUERY, THEM6, US6)


GROUP = bytes.fromhex("01005e000001")
# name: (frame, the counter that goes up by one)
CASES = {
    # sound ones
    "query": (over4(), "answered_udp4"),
    "query6": (over6(), "answered_udp6"),
    "no checksum": (over4(udp(QUERY, THEM4, US4, check=0)), "answered_udp4"),
    "padded": (over4() + bytes(20), "answered_udp4"),
    "priority tag": (over4(link={"tags": [(frames.VLAN, 0)]}), "answered_udp4"),
    # Ethernet
    "one byte": (b"\x02", "drop_too_short"),
    "ethernet cut": (over4()[:13], "drop_too_short"),
    "header cut": (over4()[:30], "drop_too_short"),
    "header6 cut": (over6()[:50], "drop_too_short"),
    "other host": (over4(link={"to": bytes.fromhex("020000000099")}), "drop_other_host"),
    "from a group": (over4(link={"source": GROUP}), "drop_source_mac"),
    "from ourselves": (over4(link={"source": frames.OURS}), "drop_source_mac"),
    "to a group": (over4(link={"to": GROUP}), "drop_link_group"),
    "two tags": (over4(link={"tags": [(frames.VLAN, 0), (frames.VLAN, 7)]}), "drop_vlan_nested"),
    "two tags of two kinds": (over4(link={"tags": [(frames.QINQ, 5), (frames.VLAN, 7)]}),
                              "drop_vlan_nested"),
    "jumbo": (over4(udp(QUERY + bytes(1800), THEM4, US4)), "drop_too_long"),
    # IPv4
    "version 5": (over4(version=5), "drop_ip_header"),
    "ihl 4": (over4(ihl=4), "drop_ip_header"),
    "options": (over4(options=b"\1\1\1\1"), "drop_punt_nowhere"),
    "ihl beyond": (over4(ihl=15, size=40), "drop_ip_length"),
    "longer than the frame": (over4(size=1000), "drop_ip_length"),
    "shorter than its header": (over4(size=19), "drop_ip_length"),
    "header checksum": (over4(check=0x1234), "drop_ip_checksum"),
    "first fragment": (over4(fragment=0x2000), "drop_fragment"),
    "later fragment": (over4(fragment=185), "drop_fragment"),
    # IPv6
    "version 4 in 6": (over6(version=4), "drop_ip_header"),
    "longer than the frame 6": (over6(size=1000), "drop_ip_length"),
    "hop by hop": (over6(header6(frames.UDP) + query6(), protocol=0), "drop_punt_nowhere"),
    "routing": (over6(header6(frames.UDP) + query6(), protocol=43), "drop_punt_nowhere"),
    "fragment 6": (over6(struct.pack("!BBHI", frames.UDP, 0, 1, 9) + query6(), protocol=44), "drop_fragment"),
    "fragment 6, later": (over6(struct.pack("!BBHI", frames.UDP, 0, 1448, 9) + query6(), protocol=44),
                          "drop_fragment"),
    "header cut off": (over6(header6(frames.UDP, 64)[:16], protocol=0), "drop_extension"),
    "no checksum 6": (over6(udp(QUERY, THEM6, US6, check=0)), "drop_udp_checksum"),
    # addresses
    "from us": (over4(source=US4), "drop_source_address"),
    "from us 6": (over6(source=US6), "drop_source_address"),
    "from broadcast": (over4(source="255.255.255.255"), "drop_source_address"),
    "from the link's broadcast": (over4(source="10.53.0.255"), "drop_source_address"),
    "from multicast": (over4(source="224.0.0.1"), "drop_source_address"),
    "from multicast 6": (over6(source="ff02::1"), "drop_source_address"),
    "from loopback": (over4(source="127.0.0.1"), "drop_source_address"),
    "from nowhere": (over4(source="0.0.0.0"), "drop_source_address"),
    "not ours": (over4(to="10.53.0.9"), "drop_punt_nowhere"),
    # UDP
    "port 0": (over4(udp(QUERY, THEM4, US4, sport=0)), "drop_source_port"),
    "port 19": (over4(udp(QUERY, THEM4, US4, sport=19)), "drop_source_port"),
    "port 19 over 6": (over6(udp(QUERY, THEM6, US6, sport=19)), "drop_source_port"),
    "from port 53": (over4(udp(QUERY, THEM4, US4, sport=53)), "answered_udp4"),
    "datagram longer": (over4(udp(QUERY, THEM4, US4, size=500)), "drop_udp_length"),
    "datagram of 7": (over4(udp(QUERY, THEM4, US4, size=7)), "drop_udp_length"),
    "datagram longer 6": (over6(udp(QUERY, THEM6, US6, size=500)), "drop_udp_length"),
    "wrong checksum": (over4(udp(QUERY, THEM4, US4, check=0x1234)), "drop_udp_checksum"),
    "wrong checksum 6": (over6(udp(QUERY, THEM6, US6, check=0x1234)), "drop_udp_checksum"),
    "nothing in it": (over4(udp(b"", THEM4, US4)), "drop_dns_short"),
    "eleven bytes": (over4(udp(QUERY[:11], THEM4, US4)), "drop_dns_short"),
    "a response": (over4(udp(QUERY[:2] + b"\x84" + QUERY[3:], THEM4, US4)), "drop_dns_response"),
    "a response 6": (over6(udp(QUERY[:2] + b"\x84" + QUERY[3:], THEM6, US6)), "drop_dns_response"),
    # not for us
    "tcp": (over4(bytes(20), protocol=frames.TCP), "drop_punt_nowhere"),
    "update": (over4(udp(QUERY[:2] + b"\x28" + QUERY[3:], THEM4, US4)), "drop_punt_nowhere"),
    "lldp": (ether(bytes(46), 0x88CC), "drop_punt_nowhere"),
}


@pytest.fixture(scope="module")
def image():
    with stele.Stele([("example.", EXAMPLE)]) as zones:
        yield zones.image


def pass_through(image, tmp_path, sent):
    """The frames that come out, and the counters."""
    inward, outward = str(tmp_path / "in.pcap"), str(tmp_path / "out.pcap")
    frames.write_pcap(inward, sent)

    def change(config):
        config["ports"][0].update({"device": "net_pcap", "mac": "02:00:5e:10:00:01",
                                   "args": {"rx_pcap": inward, "tx_pcap": outward}})

    with responder.Node(image, port="file", exception=False, change=change) as node:
        deadline = time.monotonic() + 30
        while node.counters()["rx_packets"] < len(sent) and time.monotonic() < deadline:
            time.sleep(0.02)
        counters = node.counters()
        assert node.end() == 0
        return frames.read_pcap(outward), counters


def test_each_counts_for_what_it_is(image, tmp_path):
    """All of them, each many times so that bursts are full and every kind stands beside every other."""
    rounds = 20
    sent = [frame for _ in range(rounds) for frame, _ in CASES.values()]
    received, counters = pass_through(image, tmp_path, sent)
    expected = {}
    for _, counter in CASES.values():
        expected[counter] = expected.get(counter, 0) + rounds
    law = ("answered", "local", "punt", "drop")
    got = {name: value for name, value in counters.items()
           if name.startswith(tuple(word + "_" for word in law)) and value}
    assert got == expected
    assert counters["rx_packets"] == len(sent) and counters["balance"] == 0
    announcements = 2    # of the two addresses, when the link came up
    replies = [frame for frame in received if frame[:6] == frames.CLIENT]
    assert len(replies) == expected["answered_udp4"] + expected["answered_udp6"]
    assert len(received) <= len(replies) + announcements


@pytest.mark.slow    # a start for each
@pytest.mark.parametrize("name", sorted(CASES))
def test_alone(name, image, tmp_path):
    """One frame between two queries, which both get their replies: nothing of it stays behind."""
    frame, counter = CASES[name]
    received, counters = pass_through(image, tmp_path, [over4(), frame, over4()])
    expected = {"answered_udp4": 2}
    expected[counter] = expected.get(counter, 0) + 1
    got = {key: value for key, value in counters.items()
           if key.startswith(("answered_", "local_", "punt_", "drop_")) and value}
    assert got == expected
    replies = [reply for reply in received if reply[:6] == frames.CLIENT]
    assert len(replies) == sum(value for key, value in expected.items() if key.startswith("answered"))
    for reply in replies:
        assert bytes([192, 0, 2, 80]) in reply
