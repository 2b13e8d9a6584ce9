# SPDX-License-Identifier: Apache-2.0
"""Small random zones, dense in what makes an authoritative server think.

Few short labels are used, so that empty non-terminals, wildcards, cuts, CNAME chains and DNAMEs meet one
another often. The same seed gives the same zones. What a zone may not hold (other data beside a
CNAME, data below a DNAME, out-of-zone records) is never generated.
"""
import random
from typing import NamedTuple

LABELS = ["a", "b", "c", "d", "*", "*", "ab", "ns", "B"]
RARE_LABELS = ["\\000", "zz", "-", "a\\.b", "*a", "0", "\\255", "x" * 63]
OUTSIDE = ["www.example.com.", "ns.example.net.", "example."]
DENIALS = ["plain", "nsec", "nsec3", "optout"]


class Zone(NamedTuple):
    name: str
    text: str
    denial: str      # plain, nsec, nsec3, optout
    algorithm: int
    iterations: int
    salt_length: int
    signer: str      # knot or ldns


class _Maker:
    def __init__(self, rng, apex):
        self.rng, self.apex = rng, apex
        self.nodes = {}    # relative labels, leftmost first (lower-case) -> {type: [rdata, ...]}

    def label(self):
        return self.rng.choice(RARE_LABELS if self.rng.random() < 0.04 else LABELS)

    def some_name(self):
        """A relative name: an existing one, one near it, or a random one."""
        rng, known = self.rng, sorted(self.nodes)
        draw = rng.random()
        if known and draw < 0.35:
            return rng.choice(known)
        if known and draw < 0.6:
            base = rng.choice(known)
            return tuple(self.label() for _ in range(rng.randint(1, 2))) + base
        if known and draw < 0.7:
            base = rng.choice(known)
            return (self.label(),) + base[1:]
        return tuple(self.label() for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])))

    def target(self):
        draw = self.rng.random()
        if draw < 0.1:
            return self.rng.choice(OUTSIDE)
        if draw < 0.14:
            return self.apex
        return self.absolute(self.some_name())

    def absolute(self, labels):
        return ".".join(labels) + "." + self.apex

    def address(self):
        return "192.0.2.%d" % self.rng.randint(1, 254)

    def data(self):
        rng, node = self.rng, {}
        for rtype in rng.sample(["A", "A", "AAAA", "TXT", "MX", "SRV", "PTR", "HTTPS", "TYPE65280"],
                                rng.choice([1, 1, 1, 2, 3])):
            count = rng.choice([1, 1, 2, 3])
            if rtype == "A":
                node["A"] = [self.address() for _ in range(count)]
            elif rtype == "AAAA":
                node["AAAA"] = ["2001:db8::%x" % rng.randint(1, 65535) for _ in range(count)]
            elif rtype == "TXT":
                node["TXT"] = ['"%s"' % ("t" * rng.choice([0, 1, 9, 200])) for _ in range(count)]
            elif rtype == "MX":
                node["MX"] = ["%d %s" % (i, self.target()) for i in range(count)]
            elif rtype == "SRV":
                node["SRV"] = ["0 %d 53 %s" % (i, self.target()) for i in range(count)]
            elif rtype == "HTTPS":
                # Knot does not find a target in capitals.
                node["HTTPS"] = ["%d %s" % (i, rng.choice([".", self.target().lower()])) for i in range(count)]
            elif rtype == "PTR":
                node["PTR"] = [self.target() for _ in range(count)]
            else:
                node["TYPE65280"] = ["\\# 2 %04x" % rng.randint(0, 65535)]
        return node

    def cut(self, labels):
        rng, servers = self.rng, []
        node = {"NS": servers}
        for _ in range(rng.choice([1, 2, 2, 3])):
            draw = rng.random()
            if draw < 0.55:
                below = (rng.choice(["ns", "a", "b"]),) + labels if rng.random() < 0.9 else labels
                servers.append(self.absolute(below))
                if rng.random() < 0.9:
                    glue = node if below == labels else self.nodes.setdefault(key(below), {})
                    if not {"CNAME", "DNAME", "NS"} & set(glue) or glue is node:
                        glue["A"] = [self.address()]
                        if rng.random() < 0.4:
                            glue["AAAA"] = ["2001:db8::%x" % rng.randint(1, 65535)]
            else:
                servers.append(self.target())
        if rng.random() < 0.4:
            node["DS"] = ["%d 13 2 %064x" % (rng.randint(0, 65535), rng.getrandbits(256))
                          for _ in range(rng.choice([1, 1, 2]))]
        if rng.random() < 0.1:
            node["TXT"] = ['"occluded at the cut"']
            node["HTTPS"] = ["1 ."]
        return node

    def fill(self, count):
        rng = self.rng
        for _ in range(count):
            labels = self.some_name()
            draw = rng.random()
            if key(labels) in self.nodes:
                continue
            wild = labels[0] == "*"
            if draw < 0.2:
                node = {"CNAME": [self.target()]}
            elif draw < 0.28 and not wild:
                node = {"DNAME": [self.target()]}
                if rng.random() < 0.3:
                    node["A"] = [self.address()]
            elif draw < 0.45 and not wild:
                node = self.cut(labels)
            else:
                node = self.data()
            self.nodes[key(labels)] = node
        for labels in sorted(self.nodes):    # nothing may live below a DNAME
            if any(labels[i:] in self.nodes and "DNAME" in self.nodes[labels[i:]]
                   for i in range(1, len(labels))):
                self.nodes[labels] = {}
        self.nodes = {labels: node for labels, node in self.nodes.items()
                      if node and fits(self.absolute(labels))}

    def top_cuts(self):
        """The cuts that no other cut occludes."""
        cuts = {labels for labels, node in self.nodes.items() if "NS" in node}
        return sorted(c for c in cuts if not any(c[i:] in cuts for i in range(1, len(c))))

    def text(self):
        rng = self.rng
        ttl = rng.choice([30, 300, 3600])
        lines = ["; SPDX-License-Identifier: Apache-2.0",
                 "%s %d SOA ns.%s h.%s %d 7200 900 1209600 %d" % (
                     self.apex, ttl, self.apex, self.apex, rng.randint(1, 2**31),
                     rng.choice([5, 300, 3600]))]
        apex = {"NS": ["ns." + self.apex]}
        if rng.random() < 0.5:
            apex["NS"].append(self.target())
        if rng.random() < 0.5:
            apex.update(self.data())
        for labels, node in [((), apex)] + sorted(self.nodes.items()):
            for rtype, values in node.items():
                ttl = rng.choice([0, 60, 300, 3600])
                for value in sorted(set(values)):
                    owner = self.absolute(labels) if labels else self.apex
                    if rng.random() < 0.1:
                        owner = owner.upper()
                    lines.append("%s %d %s %s" % (owner, ttl, rtype, value))
        return "\n".join(lines) + "\n"


def key(labels):
    return tuple(x.lower() for x in labels)


def fits(name):
    return len(name) < 200


def family(seed):
    """The zones of one seed: one zone, and now and then a child zone of it on the same server."""
    rng = random.Random(seed)
    maker = _Maker(rng, "g%d.test." % seed)
    maker.fill(rng.choice([3, 8, 16, 16, 30, 30, 60]))
    zones = [_zone(rng, maker, seed)]
    cuts = [cut for cut in maker.top_cuts() if "\\" not in "".join(cut)]
    if cuts and rng.random() < 0.3:
        child = _Maker(rng, maker.absolute(rng.choice(cuts)))
        child.fill(rng.choice([3, 8, 16]))
        zones.append(_zone(rng, child, seed + 1))
    return zones


def _zone(rng, maker, turn):
    denial = DENIALS[turn % 4]
    # kzonesign refuses more than some dozens of iterations in later versions; 20 shows the same code
    return Zone(maker.apex, maker.text(), denial, rng.choice([8, 13, 13, 13, 14, 15, 15, 16]),
                rng.choice([0, 0, 0, 1, 5, 20]), rng.choice([0, 0, 4, 8]), rng.choice(["knot", "knot", "ldns"]))
