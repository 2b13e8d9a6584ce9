# SPDX-License-Identifier: Apache-2.0
"""The queries that are put to a zone: every name in and around it, many types, with and without EDNS."""
import gzip
import random
from typing import NamedTuple

import dnswire

QTYPES = ["A", "AAAA", "NS", "SOA", "CNAME", "DNAME", "DS", "DNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "MX",
          "TXT", "SRV", "HTTPS", "RRSIG", "TYPE65280"]
EDNS = [None, "plain", "do"]


class Ask(NamedTuple):
    zone: str
    message: bytes
    qname: bytes     # lower-case wire form
    qtype: int
    edns: object     # None, "plain", "do"


def records(zone, path):
    """(owner in wire form, type, the other fields) of a zone file with one record a line.

    That is how the hand-written zones, the generator and the signers write; a general parser would
    refuse types and names that are in these files on purpose.
    """
    origin = dnswire.name_to_wire(zone)

    def absolute(text):
        wire = dnswire.name_to_wire(text) if text != "@" else origin
        return (wire if text == "@" or text.endswith(".") else wire[:-1] + origin).translate(dnswire.LOWER)

    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="latin-1") as file:
        for line in file:
            fields = line.split()
            if not fields or fields[0][0] in ";$":
                continue
            at = 1
            while fields[at].isdigit() or fields[at].upper() in ("IN", "CH"):
                at += 1
            rtype = fields[at].upper()
            number = int(rtype[4:]) if rtype[:4] == "TYPE" else dnswire.TYPES.get(rtype)
            rest = fields[at + 1:]
            if rtype in ("CNAME", "DNAME"):
                rest = [absolute(rest[0])]
            yield absolute(fields[0]), number, rest


def read_zone(zone, path):
    """{owner (lower-case wire): set of types} and the set of names in CNAME and DNAME targets."""
    owners, targets = {}, set()
    for owner, rtype, rest in records(zone, path):
        types = owners.setdefault(owner, set())
        if rtype:
            types.add(rtype)
        if rtype in (5, 39):
            targets.add(rest[0])
    return owners, targets


def names_around(zone, owners, targets, rng):
    """Names to ask for that are not owners: parents, children, siblings, wildcard expansions, strangers."""
    apex = dnswire.name_to_wire(zone.lower())
    depth = len(dnswire.labels_of(apex))
    hashes = [x for x in sorted(owners) if 50 in owners[x]]
    owners = {x: types for x, types in owners.items() if 50 not in types or x in hashes[:3]}
    pool = sorted({dnswire.labels_of(x)[0] for x in owners if x != b"\0"})[:60]
    found = set(targets)

    def label():
        draw = rng.random()
        if draw < 0.5:
            return rng.choice(pool)
        if draw < 0.6:
            return b"*"
        return rng.choice([b"q", b"zzzz", b"\0", b"0", b"\xff", b"nx%d" % rng.randint(0, 999)])

    for owner in sorted(owners):
        labels = dnswire.labels_of(owner)
        for i in range(1, len(labels) - depth + 1):
            found.add(dnswire.from_labels(labels[i:]))
        found.add(dnswire.from_labels([label()] + labels))
        found.add(dnswire.from_labels([label(), label()] + labels))
        found.add(dnswire.from_labels([b"*"] + labels))
        if len(labels) > depth:
            found.add(dnswire.from_labels([label()] + labels[1:]))
            first = labels[0]
            found.add(dnswire.from_labels([first + b"\0"] + labels[1:]) if len(first) < 63 else owner)
            found.add(dnswire.from_labels([first[:-1] + bytes([first[-1] - 1 & 0xFF])] + labels[1:]))
    for _ in range(10):
        found.add(dnswire.from_labels([b"r%d" % rng.randint(0, 10**6)] + dnswire.labels_of(apex)))
    return sorted(x for x in {x.translate(dnswire.LOWER) for x in found}
                  if len(x) <= 255 and len(dnswire.labels_of(x)) < 128 and x not in owners
                  and (dnswire.is_below(x, apex) or rng.random() < 0.1))


def mixed_case(wire, rng):
    """The name with random letters in upper case; length bytes are below 64 and so are no letters."""
    return bytes(b - 32 if 97 <= b <= 122 and rng.random() < 0.5 else b for b in wire)


def questions(zone, path, seed, limit=None, qtypes=QTYPES):
    """The queries for one zone; with a limit, a sample that keeps those of existing names first."""
    rng = random.Random("%s %s" % (zone, seed))
    owners, targets = read_zone(zone, path)
    numbers = [dnswire.TYPES[x] for x in qtypes]
    first, rest = [], []
    for owner, types in sorted(owners.items()):
        wanted = types | set(numbers)
        if 50 in types and rng.random() < 0.7:
            wanted = {1, 50}    # the owners of NSEC3 records are many and all alike
        for qtype in sorted(wanted):
            for edns in EDNS:
                own = qtype in types or qtype in (1, 43)
                (first if own and edns == "do" else rest).append((owner, qtype, edns))
    for name in names_around(zone, owners, targets, rng):
        first.append((name, rng.choice([1, 1, 28, 43, 16]), "do"))
        for qtype in numbers:
            rest.append((name, qtype, rng.choice(EDNS)))
    if limit is not None and len(first) > limit * 2 // 3:
        first = rng.sample(first, limit * 2 // 3)
    if limit is not None and len(first) + len(rest) > limit:
        rest = rng.sample(rest, limit - len(first))
    chosen = first + rest
    rng.shuffle(chosen)    # neighbours in a batch are then of every kind
    return [make(zone, name, qtype, edns, rng) for name, qtype, edns in chosen]


def make(zone, name, qtype, edns, rng):
    flags = 0
    if rng.random() < 0.2:
        flags = rng.choice([dnswire.RD, dnswire.CD, dnswire.AD, dnswire.RD | dnswire.CD | dnswire.AD])
    sent = mixed_case(name, rng) if rng.random() < 0.25 else name
    return Ask(zone, dnswire.query(sent, qtype, edns, flags), name, qtype, edns)
