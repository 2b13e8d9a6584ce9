# SPDX-License-Identifier: Apache-2.0
"""The same UPDATE messages to Stele, BIND and Knot: the same rcode, and the same zone afterwards.

Messages are random, from a seed, and as wrong as the RFC can be read: every class and TTL where it may not
be, names outside of the zone, data that is not there, types that are none. In rcode and in what the zone
holds afterwards Stele is with both others where they agree, and with one of them where they do not. They
differ in this, and these are the choices:

- BIND looks at the form of all updates before it looks at prerequisites; Stele and Knot in the order of
  RFC 2136 section 3.
- Data that is not what its type allows is FORMERR at once for Stele and BIND; Knot looks at it when it is needed,
  or never.
- Knot adds records of types that stand for questions (MAILB); Stele and BIND answer FORMERR.
- BIND refuses to let an apex NS lose its address, and passes over an NS at a wildcard; Stele and Knot do not.

Knot 3.2 ends with a signal at a SOA that is added elsewhere than at the apex, so there is none here.
"""
import random
import socket
import struct

import dns.exception
import pytest

import contents
import mgmtd
import peers
import servers

ZONE = """$TTL 300
@ SOA ns1 hostmaster 100 3600 600 86400 300
@ NS ns1
@ NS ns2
@ MX 10 mail
ns1 A 192.0.2.1
ns2 A 192.0.2.2
mail A 192.0.2.3
www CNAME mail
a A 192.0.2.4
a A 192.0.2.5
a TXT "one"
deep.b.c TXT "deep"
*.wild TXT "wild"
sub NS ns.sub
ns.sub A 192.0.2.6
"""
IN, NONE, ANY = 1, 254, 255
NAMES = ["", "a", "www", "mail", "ns1", "new", "b.c", "deep.b.c", "*.wild", "x.wild", "sub",
         "ns.sub", "c"]
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "ANY": 255}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
          6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE"}


def name(text, zone):
    """In wire format; relative to the zone unless it ends with a dot."""
    text = text if text.endswith(".") else (text + "." if text else "") + zone
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".")
                    ) + b"\0"


class Record:
    """A record of an UPDATE, to be written and to be shown."""

    def __init__(self, owner, kind, class_, ttl, data=b"", shown=""):
        self.owner, self.kind, self.class_, self.ttl = owner, kind, class_, ttl
        self.data, self.shown = data, shown

    def wire(self, zone):
        return name(self.owner, zone) + struct.pack("!HHIH", TYPES.get(self.kind, self.kind), self.class_,
                                              self.ttl, len(self.data)) + self.data

    def __repr__(self):
        return "%s %d %s %s %s" % (self.owner or "@", self.ttl,
                                   {1: "IN", 254: "NONE", 255: "ANY"}.get(self.class_, self.class_),
                                   self.kind, self.shown or self.data.hex())


def message(zone, prerequisites, updates, message_id=1):
    records = b"".join(record.wire(zone) for record in prerequisites + updates)
    return struct.pack("!6H", message_id, 0x2800, 1, len(prerequisites), len(updates), 0) + \
        name("", zone) + struct.pack("!HH", 6, 1) + records


def tell(port, wire):
    """The rcode of the answer over TCP; None if the server closes instead."""
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(struct.pack("!H", len(wire)) + wire)
        got = b""
        while len(got) < 2 or len(got) < 2 + struct.unpack("!H", got[:2])[0]:
            more = sock.recv(65536)
            if not more:
                return None
            got += more
    assert got[2:4] == wire[:2] and got[4] & 0xf8 == 0xa8, got.hex()
    return RCODES.get(got[5] & 15, got[5] & 15)


class Sources:
    """Random messages about a small zone."""

    def __init__(self, zone, seed):
        self.zone, self.random = zone, random.Random(seed)
        self.serial = 100

    def data(self, kind):
        pick = self.random.randrange
        if kind == "A":
            return bytes([192, 0, 2, pick(1, 8)]), None
        if kind == "AAAA":
            return bytes(15) + bytes([pick(1, 4)]), None
        if kind in ("NS", "CNAME"):
            target = self.random.choice(["ns1", "ns2", "mail", "ns.sub", "a"])
            return name(target, self.zone), target
        if kind == "MX":
            target = self.random.choice(["mail", "a"])
            return struct.pack("!H", pick(1, 3) * 10) + name(target, self.zone), target
        if kind == "TXT":
            text = self.random.choice(["one", "two", "deep", "wild"])
            return bytes([len(text)]) + text.encode(), text
        if kind == "SOA":
            serial = (self.serial + pick(-3, 6)) % 2**32
            return name("ns1", self.zone) + name("hostmaster", self.zone) + struct.pack("!5I", serial, 3600, 600, 86400,
                                                                   pick(300, 303)), str(serial)
        return b"", None

    def kind(self, *more):
        return self.random.choice(["A", "A", "TXT", "TXT", "CNAME", "NS", "MX", "AAAA", *more])

    def owner(self):
        if self.random.randrange(60) == 0:
            return self.random.choice(["example.net.", "org.", "xexample.org."])
        return self.random.choice(NAMES)

    def spoil(self, record):
        """Sometimes something in it is not as it has to be."""
        if self.random.randrange(25):
            return record
        what = self.random.randrange(4)
        if what == 0:
            record.ttl = self.random.choice([0, 1, 300])
        elif what == 1:
            record.class_ = self.random.choice([IN, NONE, ANY, 3, 0])
        elif what == 2:
            record.kind = self.random.choice([251, 252, 253, 254, 255])
        else:
            record.data = self.random.choice([b"", b"\0", record.data + b"x", record.data[:-1]])
        return record

    def prerequisite(self):
        owner, what = self.owner(), self.random.randrange(5)
        if what == 0:
            record = Record(owner, "ANY", ANY, 0)
        elif what == 1:
            record = Record(owner, "ANY", NONE, 0)
        elif what == 2:
            record = Record(owner, self.kind("SOA"), ANY, 0)
        elif what == 3:
            record = Record(owner, self.kind(), NONE, 0)
        else:
            kind = self.kind()
            record = Record(owner, kind, IN, 0, *self.data(kind))
        return self.spoil(record)

    def update(self):
        owner, what = self.owner(), self.random.randrange(10)
        if what < 5:
            kind = self.kind() if owner else self.random.choice(["A", "NS", "MX", "TXT", "SOA"])
            record = Record(owner, kind, IN, self.random.choice([60, 300]), *self.data(kind))
        elif what < 8:
            kind = self.kind("SOA")
            record = Record(owner, kind, NONE, 0, *self.data(kind))
        elif what == 8:
            record = Record(owner, self.kind("SOA"), ANY, 0)
        else:
            record = Record(owner, "ANY", ANY, 0)
        return self.spoil(record)

    def message(self):
        prerequisites = [self.prerequisite() for _ in range(self.random.choice([0, 0, 0, 0, 1, 2]))]
        updates = [self.update() for _ in range(self.random.choice([0, 1, 1, 2, 3, 5]))]
        return prerequisites, updates


RANDOM_CNT = 180
ZONES = ["z%d.test." % number for number in range(RANDOM_CNT + 40)]
RULE_ZONES = ZONES[RANDOM_CNT:]


@pytest.fixture(name="servers", scope="module")
def make_servers(tmp_path_factory):
    """All with the same zones, so that each can be led astray without the others."""
    if not peers.find("named") or not peers.find("knotd"):
        pytest.skip("needs BIND and Knot")
    folder = tmp_path_factory.mktemp("zones")
    for server in ("bind", "knot"):
        for zone in ZONES:
            (folder / (server + "." + zone)).write_text(ZONE)
    probe = [b"\0\1\0\0\0\1\0\0\0\0\0\0" + name("", ZONES[-1]) + b"\0\6\0\1"]
    stele_config = {
        "zones": [{"name": zone} for zone in ZONES],
        "acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
        "templates": [{"id": "default", "allow_update": ["here"], "allow_transfer": ["here"]}],
    }
    bind_zones = [(zone, 'type primary; file "%s/bind.%s"; allow-update { any; }; '
                   'allow-transfer { any; }; notify no; check-names ignore; check-integrity no; '
                   'check-mx ignore;' % (folder, zone))
                  for zone in ZONES]
    knot_zones = [(zone, "file: %s/knot.%s\nacl: [all]\nzonefile-sync: -1\nserial-policy: increment"
                   % (folder, zone)) for zone in ZONES]
    with servers.Bind(bind_zones, probes=probe) as bind, \
         servers.Knot(knot_zones, probes=probe) as knot, \
         mgmtd.Daemon(stele_config, data={zone: ZONE for zone in ZONES}) as stele:
        stele.wait(ZONES[-1], 100)
        yield {"stele": stele, "bind": bind, "knot": knot}


def fetch(server, port, zone):
    """What the zone holds. Knot takes data that nobody can read."""
    try:
        return frozenset(contents.transfer(port, zone))
    except dns.exception.FormError:
        assert server == "knot"
        return frozenset([("malformed",)])


def ask_all(servers, zone, prerequisites, updates):
    """{server: rcode}, {server: contents of the zone afterwards}"""
    wire = message(zone, prerequisites, updates)
    return ({server: tell(peer.port, wire) for server, peer in servers.items()},
            {server: fetch(server, peer.port, zone) for server, peer in servers.items()})


def show(zones):
    """The records that not all servers have, and who has them."""
    return "".join("\n  %s %s" % (record, [server for server in zones if record in zones[server]])
                   for record in sorted(set().union(*zones.values()))
                   if not all(record in records for records in zones.values()))


def is_with(server, rcodes, zones):
    return rcodes["stele"] == rcodes[server] and zones["stele"] == zones[server]


@pytest.mark.parametrize("seed", range(3))
def test_random_updates(servers, seed):
    """In each of its zones up to six messages, until the servers are no longer of one mind."""
    zone_cnt = RANDOM_CNT // 3
    faults, agreed, applied = [], 0, 0
    for number in range(seed * zone_cnt, (seed + 1) * zone_cnt):
        zone = ZONES[number]
        source = Sources(zone, number)
        for _ in range(6):
            prerequisites, updates = source.message()
            rcodes, zones = ask_all(servers, zone, prerequisites, updates)
            if not is_with("bind", rcodes, zones) and not is_with("knot", rcodes, zones):
                faults.append("%s %r | %r: %r%s" % (zone, prerequisites, updates, rcodes, show(zones)))
            if len(set(zones.values())) > 1:
                break
            agreed += len(set(rcodes.values())) == 1
            applied += rcodes["stele"] == "NOERROR"
            source.serial = contents.serial(zones["stele"])
    assert not faults, "\n".join(faults)
    # Otherwise they have been asked nothing of interest.
    assert agreed > 2 * zone_cnt and applied > zone_cnt


# Single rules, each with what both others do. In the words of Record.
CASES = {
    "a CNAME beside data is passed over": ("NOERROR", [], [("a", "CNAME", IN, 60, "mail")]),
    "data beside a CNAME is passed over": ("NOERROR", [], [("www", "A", IN, 60, "192.0.2.9")]),
    "a CNAME takes the place of another": ("NOERROR", [], [("www", "CNAME", IN, 60, "a")]),
    "one TTL for an RRset": ("NOERROR", [], [("a", "A", IN, 77, "192.0.2.9")]),
    "the TTL of a record that is there": ("NOERROR", [], [("a", "A", IN, 77, "192.0.2.4")]),
    "the last NS of the apex stays": ("NOERROR", [], [
        ("", "NS", NONE, 0, "ns1"), ("", "NS", NONE, 0, "ns2")]),
    "NS of the apex stay together": ("NOERROR", [], [("", "NS", ANY, 0, None)]),
    "the apex keeps SOA and NS": ("NOERROR", [], [("", "ANY", ANY, 0, None)]),
    "a SOA is not deleted": ("NOERROR", [], [("", "SOA", ANY, 0, None)]),
    "an older serial is passed over": ("NOERROR", [], [("", "SOA", IN, 300, 99)]),
    "a newer serial is taken": ("NOERROR", [], [("", "SOA", IN, 300, 2000)]),
    "a newer serial is not raised": ("NOERROR", [], [
        ("new", "TXT", IN, 60, "x"), ("", "SOA", IN, 300, 3000)]),
    "what is there changes nothing": ("NOERROR", [], [("a", "TXT", IN, 300, "one")]),
    "what is not there cannot go": ("NOERROR", [], [("none", "ANY", ANY, 0, None)]),
    "order within a message": ("NOERROR", [], [
        ("www", "CNAME", ANY, 0, None), ("www", "A", IN, 60, "192.0.2.9")]),
    "an empty message": ("NOERROR", [], []),
    "a name in use": ("NOERROR", [("a", "ANY", ANY, 0, None)], [("new", "TXT", IN, 60, "x")]),
    "an empty non-terminal is not in use": ("NXDOMAIN", [("b.c", "ANY", ANY, 0, None)], []),
    "a name that must not be": ("YXDOMAIN", [("a", "ANY", NONE, 0, None)], []),
    "an RRset that must not be": ("YXRRSET", [("a", "A", NONE, 0, None)], []),
    "an RRset that must be": ("NXRRSET", [("a", "MX", ANY, 0, None)], []),
    "an RRset with its data": ("NOERROR", [
        ("a", "A", IN, 0, "192.0.2.5"), ("a", "A", IN, 0, "192.0.2.4")], [
            ("a", "TXT", IN, 60, "more")]),
    "an RRset with half of its data": ("NXRRSET", [("a", "A", IN, 0, "192.0.2.5")], []),
    "an RRset with more than its data": ("NXRRSET", [
        ("a", "A", IN, 0, "192.0.2.%d" % last) for last in (4, 5, 6)], []),
    "a prerequisite with a TTL": ("FORMERR", [("a", "A", ANY, 1, None)], []),
    "a prerequisite elsewhere": ("NOTZONE", [("example.net.", "A", ANY, 0, None)], []),
    "an update elsewhere": ("NOTZONE", [], [
        ("new", "TXT", IN, 60, "x"), ("example.net.", "A", ANY, 0, None)]),
    "type ANY with data": ("FORMERR", [], [("a", "ANY", IN, 60, None)]),
    "type AXFR": ("FORMERR", [], [("a", 252, IN, 60, None)]),
    "a deletion with a TTL": ("FORMERR", [], [("a", "A", ANY, 60, None)]),
    "another class": ("FORMERR", [], [("a", "A", 3, 60, "192.0.2.1")]),
}


def make(words, source):
    owner, kind, class_, ttl, value = words
    if value is None:
        data = b""
    elif kind == "A":
        data = socket.inet_aton(value)
    elif kind == "TXT":
        data = bytes([len(value)]) + value.encode()
    elif kind == "SOA":
        data = name("ns1", source.zone) + name("hostmaster", source.zone) + struct.pack(
            "!5I", value, 3600, 600, 86400, 300)
    else:
        data = name(value, source.zone)
    return Record(owner, kind, class_, ttl, data, str(value))


@pytest.mark.parametrize("title", CASES)
def test_rules(servers, title):
    """Each in a zone of its own."""
    expected, prerequisites, updates = CASES[title]
    source = Sources(RULE_ZONES[list(CASES).index(title)], 0)
    rcodes, zones = ask_all(servers, source.zone, [make(words, source) for words in prerequisites],
                            [make(words, source) for words in updates])
    assert rcodes["stele"] == expected
    assert is_with("bind", rcodes, zones) or is_with("knot", rcodes, zones), (rcodes, show(zones))
