# SPDX-License-Identifier: Apache-2.0
"""Ethernet frames and files of them (pcap), made by hand, so that they can be wrong in any place."""
import ipaddress
import struct

OURS = bytes.fromhex("02005e100001")      # the port's MAC
CLIENT = bytes.fromhex("02005e1000c1")
IPV4, IPV6, ARP, VLAN, QINQ = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8
UDP, TCP, ICMP, ICMP6 = 17, 6, 1, 58


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def address(text):
    return ipaddress.ip_address(text).packed


def ether(payload, kind, to=OURS, source=CLIENT, tags=()):
    """`tags`: (EtherType, VLAN id) of each, the outer first."""
    return to + source + b"".join(struct.pack("!HH", *tag) for tag in tags) + struct.pack("!H", kind) + payload


def pseudo(source, to, protocol, size):
    if len(source) == 4:
        return source + to + struct.pack("!BBH", 0, protocol, size)
    return source + to + struct.pack("!IHBB", size, 0, 0, protocol)


def udp(payload, source, to, sport=4000, dport=53, size=None, check=None):
    """A datagram; `size` and `check` lie when they are given."""
    real = 8 + len(payload)
    head = struct.pack("!HHH", sport, dport, real if size is None else size)
    if check is None:
        body = head + b"\0\0" + payload
        check = checksum(pseudo(address(source), address(to), UDP, real) + body) or 0xFFFF
    return head + struct.pack("!H", check) + payload


def ipv4(payload, source, to, protocol=UDP, ihl=None, size=None, fragment=0, options=b"", version=4, check=None):
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBB", version << 4 | (words if ihl is None else ihl), 0,
                       4 * words + len(payload) if size is None else size, 1, fragment, 64, protocol)
    tail = address(source) + address(to) + options
    if check is None:
        check = checksum(head + b"\0\0" + tail)
    return head + struct.pack("!H", check) + tail + payload


def ipv6(payload, source, to, protocol=UDP, size=None, version=6):
    return struct.pack("!IHBB", version << 28, len(payload) if size is None else size, protocol, 64) + \
        address(source) + address(to) + payload


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame)


def read_pcap(path):
    with open(path, "rb") as file:
        data = file.read()
    frames, at = [], 24
    while at < len(data):
        size = struct.unpack_from("=I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return frames
