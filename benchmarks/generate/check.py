#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the zone generator writes, with a parser that is not ours (dnspython).

usage: check.py GENERATE-PROGRAM
"""
import pathlib
import subprocess
import sys
import tempfile

import dns.dnssec
import dns.rdataclass
import dns.rdatatype
import dns.zone

GENERATE = sys.argv[1]
DENIALS = ["none", "nsec", "nsec3", "nsec3-optout"]
CHAIN_TYPES = {dns.rdatatype.NSEC, dns.rdatatype.NSEC3}



def generate(*arguments):
    run = subprocess.run([GENERATE, *arguments], check=True, capture_output=True)
    return run.stdout


def types_of(rdata):
    """The types in the bitmap of an NSEC or NSEC3 record."""
    found = set()
    for window, bitmap in rdata.windows:
        for i, byte in enumerate(bitmap):
            found |= {window * 256 + i * 8 + bit for bit in range(8) if byte & (0x80 >> bit)}
    return found


def check_zone(text, origin, denial, what):
    zone = dns.zone.from_text(text, origin=origin, relativize=False)
    apex = zone.origin
    cuts = {name for name, node in zone.items()
            if name != apex and node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.NS)}

    def occluded(name):
        return any(name != cut and name.is_subdomain(cut) for cut in cuts_above(name))

    def cuts_above(name):
        while len(name) > len(apex):
            if name in cuts:
                yield name
            name = name.parent()

    # What the chain must contain, from the records alone.
    expected, chain, owners = {}, {}, set()
    for name, node in zone.items():
        present, signed, labels = set(), set(), set()
        for rdataset in node:
            if rdataset.rdtype == dns.rdatatype.RRSIG:
                signed.add(rdataset.covers)
                labels |= {rdata.labels for rdata in rdataset}
                assert all(rdata.signer == apex for rdata in rdataset), (what, name)
            else:
                present.add(rdataset.rdtype)
                if rdataset.rdtype in CHAIN_TYPES:
                    assert len(rdataset) == 1, (what, name)
                    chain[name] = rdataset[0]
        if labels:
            assert labels == {len(name) - 1 - name.is_wild()}, (what, name, labels)
        if denial == "none" or occluded(name):
            assert not signed and not present & CHAIN_TYPES, (what, name)
            continue
        to_sign = present - {dns.rdatatype.NS} if name in cuts else present
        assert signed == to_sign, (what, name, signed, to_sign)
        if dns.rdatatype.NSEC3 in present:
            continue
        if not (denial == "nsec3-optout" and name in cuts and not signed):
            expected[name] = present | ({dns.rdatatype.RRSIG} if signed else set())
            owners.add(name)
    if denial == "none":
        assert not chain, what
        return zone
    if denial == "nsec":
        assert {name: types_of(rdata) for name, rdata in chain.items()} == expected, what
        links = {name: rdata.next for name, rdata in chain.items()}
        ordered = sorted(links)
    else:
        for name in owners:
            while len(name) > len(apex):
                name = name.parent()
                expected.setdefault(name, set())
        optout = denial == "nsec3-optout"
        hashed = {dns.dnssec.nsec3_hash(name, None, 0, "SHA1").lower(): types
                  for name, types in expected.items()}
        assert {name.labels[0].decode(): types_of(rdata)
                for name, rdata in chain.items()} == hashed, what
        assert all(rdata.flags == optout and rdata.iterations == 0 and rdata.salt == b""
                   for rdata in chain.values()), what
        links = {name.labels[0]: base32(rdata) for name, rdata in chain.items()}
        ordered = sorted(links)
    for here, following in zip(ordered, ordered[1:] + ordered[:1]):
        assert links[here] == following, (what, here)
    return zone


def check_shared(mode, rdtype, targets):
    """So many names as asked for depend on the one name, in a zone that is otherwise as ever."""
    arguments = [mode, "--names", "400", "--denial", "nsec", "--origin", "zone.test"]
    shared = {target + ".zone.test." for target in targets}
    for cnt in (0, 150):
        text = generate(*arguments, "--shared", str(cnt))
        zone = check_zone(text.decode(), "zone.test.", "nsec", f"{mode} --shared {cnt}")
        owners = [name for name, node in zone.items()
                  for rdataset in [node.get_rdataset(dns.rdataclass.IN, rdtype)]
                  if rdataset and {rdata.target.to_text() for rdata in rdataset} == shared
                  and not name.to_text().startswith("shared.")]
        assert len(owners) == cnt, (mode, cnt, len(owners))
        assert (text == generate(*arguments)) == (cnt == 0), (mode, cnt)
        for target in shared if cnt else ():
            assert zone.get_rdataset(target, "A"), (mode, target)


def base32(rdata):
    """The next hashed owner of an NSEC3 record, as it stands in a zone file."""
    return rdata.to_text().split()[4].lower().encode()


def main():
    for mode in ("tld", "hosts"):
        for denial in DENIALS:
            what = f"{mode} {denial}"
            arguments = [mode, "--names", "400", "--seed", "7", "--denial", denial,
                         "--origin", "Zone.Test", "--ds", "0.3"]
            text = generate(*arguments)
            assert text == generate(*arguments), f"{what}: the same seed gives other bytes"
            assert text != generate(*arguments, "--seed", "8"), f"{what}: the seed changes nothing"
            zone = check_zone(text.decode(), "zone.test.", denial, what)
            assert len(zone.nodes) >= 400, what

    check_shared("tld", dns.rdatatype.NS, ("ns1.shared", "ns2.shared"))
    check_shared("hosts", dns.rdatatype.CNAME, ("shared",))

    # Names as long as registered ones, measured over the labels of delegations.
    text = generate("tld", "--names", "20000").decode()
    labels = {line.split("\t")[0] for line in text.splitlines() if "\tNS\t" in line} - {"@"}
    mean = sum(map(len, labels)) / len(labels)
    assert len(labels) == 20000 and 11.5 < mean < 13.5, f"{len(labels)} labels of {mean} on average"

    with tempfile.TemporaryDirectory() as temp:
        generate("hosting", "--names", "30", "--denial", "nsec3", "--signed", "0.5", "-o", temp)
        lines = pathlib.Path(temp, "zones.list").read_text().splitlines()
        assert len({line.split()[0] for line in lines}) == 30
        signed = 0
        for line in lines:
            origin, path = line.split(" ", 1)
            text = pathlib.Path(path).read_text()
            denial = "nsec3" if "NSEC3PARAM" in text else "none"
            signed += denial == "nsec3"
            zone = check_zone(text, origin, denial, origin)
            names = [name for name, node in zone.items()
                     if any(s.rdtype not in (dns.rdatatype.NSEC3, dns.rdatatype.RRSIG) for s in node)]
            assert 5 <= len(names) <= 20, (origin, len(names))
        assert 5 <= signed <= 25, signed
    print("generate: zones are well-formed")


main()
