# SPDX-License-Identifier: Apache-2.0
"""Digests over zones (RFC 8976): the RFC's examples, and zones that other implementations sealed."""
import os
import shutil
import struct
import subprocess

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest

import stele

BUILD = os.environ.get("STELE_BUILD_DIR") or os.path.join(stele.ROOT, "build")
TOOL = os.path.join(BUILD, "tests/integration/libraries/zonemd_tool")
IN = dns.rdataclass.IN
SOA = "example. 86400 IN SOA ns1 admin 2018031900 1800 900 604800 86400\n"

# RFC 8976 appendix A.1
SIMPLE = SOA + """\
example. 86400 IN NS ns1
example. 86400 IN NS ns2
example. 86400 IN ZONEMD 2018031900 1 1 \
c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c
ns1 3600 IN A 203.0.113.63
ns2 3600 IN AAAA 2001:db8::63
"""

# A.2
COMPLEX = SOA + """\
example. 86400 IN NS ns1
example. 86400 IN NS ns2
example. 86400 IN ZONEMD 2018031900 1 1 \
a3b69bad980a3504e1cffcb0fd6397f93848071c93151f552ae2f6b1711d4bd2d8b39808226d7b9db71e34b72077f8fe
ns1 3600 IN A 203.0.113.63
NS2 3600 IN AAAA 2001:db8::63
occluded.sub 7200 IN TXT "I'm occluded but must be digested"
sub 7200 IN NS ns1
duplicate 300 IN TXT "I must be digested just once"
duplicate 300 IN TXT "I must be digested just once"
foo.test. 555 IN TXT "out-of-zone data must be excluded"
UPPERCASE 3600 IN TXT "canonicalize uppercase owner names"
* 777 IN PTR dont-forget-about-wildcards
mail 3600 IN MX 20 MAIL1
mail 3600 IN MX 10 Mail2.Example.
sortme 3600 IN AAAA 2001:db8::5:61
sortme 3600 IN AAAA 2001:db8::3:62
sortme 3600 IN AAAA 2001:db8::4:63
sortme 3600 IN AAAA 2001:db8::1:65
sortme 3600 IN AAAA 2001:db8::2:64
non-apex 900 IN ZONEMD 2018031900 1 1 \
616c6c6f776564206275742069676e6f7265642e20616c6c6f776564206275742069676e6f7265642e20616c6c6f7765
"""

# A.3
MULTIPLE = SOA + """\
example. 86400 IN NS ns1.example.
example. 86400 IN NS ns2.example.
example. 86400 IN ZONEMD 2018031900 1 1 \
62e6cf51b02e54b9b5f967d547ce43136792901f9f88e637493daaf401c92c279dd10f0edb1c56f8080211f8480ee306
example. 86400 IN ZONEMD 2018031900 1 2 \
08cfa1115c7b948c4163a901270395ea226a930cd2cbcf2fa9a5e6eb85f37c8a\
4e114d884e66f176eab121cb02db7d652e0cc4827e7a3204f166b47e5613fd27
example. 86400 IN ZONEMD 2018031900 1 240 e2d523f654b9422a96c5a8f44607bbee
example. 86400 IN ZONEMD 2018031900 241 1 e1846540e33a9e4189792d18d5d131f605fc283e
ns1.example. 3600 IN A 203.0.113.63
ns2.example. 86400 IN TXT "This example has multiple digests"
NS2.EXAMPLE. 3600 IN AAAA 2001:db8::63
"""

# Types whose names count in lower case, and some whose names do not. LP is of the second kind, but
# dnspython takes it for the first.
TYPES = SOA + """\
example. 86400 IN NS NS1
ns1 3600 IN A 192.0.2.1
a 1 IN CNAME Target.Example.
b 2 IN SRV 1 2 3 Target.Example.
b 2 IN NAPTR 1 2 "U" "X" "!a!B!" Target.Example.
b 2 IN NAPTR 1 2 "" "" "" .
b 2 IN RP Mail.Box.Example. Text.Example.
b 2 IN AFSDB 1 Host.Example.
b 2 IN RT 1 Host.Example.
b 2 IN KX 1 Host.Example.
b 2 IN PX 1 Host.Example. Other.Example.
b 2 IN HINFO "Some CPU" "Some OS"
b 2 IN SVCB 1 Svc.Example. alpn=h2
b 2 IN HTTPS 0 Svc.Example.
b 2 IN TYPE65280 \\# 4 41424344
b 2 IN TYPE65281 \\# 0
b 2 IN CAA 0 issue "CA.Example."
c 2 IN DNAME Elsewhere.Example.
\\000\\001x 2 IN TXT "first" "Second"
"""


def records(text, origin):
    """(owner, type, ttl, rdata) of each line, in the order of the text."""
    for line in text.splitlines():
        owner, ttl, _, kind, rest = line.split(None, 4)
        kind = dns.rdatatype.from_text(kind)
        if kind == dns.rdatatype.ZONEMD:   # dnspython refuses digests that no algorithm has
            serial, scheme, algorithm, value = rest.split()
            data = struct.pack("!IBB", int(serial), int(scheme), int(algorithm)) + bytes.fromhex(value)
            yield dns.name.from_text(owner, origin), kind, int(ttl), dns.rdata.GenericRdata(IN, kind, data)
            continue
        yield (dns.name.from_text(owner, origin), kind, int(ttl),
               dns.rdata.from_text(IN, kind, rest, origin=origin, relativize=False))


def canonical(record):
    owner, kind, _, rdata = record
    return owner.canonicalize(), kind, rdata.to_digestable()


def digest(zone, origin, serial, order=canonical):
    """What zonemd_tool prints of the records."""
    lines = "".join("%s %d %d %s\n" % (owner.to_wire().hex(), kind, ttl, rdata.to_wire().hex() or "-")
                    for owner, kind, ttl, rdata in sorted(zone, key=order))
    return subprocess.run([TOOL, origin.to_wire().hex(), str(serial)], input=lines, text=True,
                          capture_output=True, timeout=600)


def result(zone, origin, serial):
    run = digest(zone, origin, serial)
    assert run.returncode == 0, run.stdout
    sha384, sha512, usable, matches = run.stdout.split("\n")[:4]
    return bytes.fromhex(sha384), bytes.fromhex(sha512), int(usable), matches == "1"


EXAMPLE = dns.name.from_text("example.")
SHA384, SHA512 = 1 << 1, 1 << 2


@pytest.mark.parametrize("text, usable", [(SIMPLE, SHA384), (COMPLEX, SHA384),
                                          (MULTIPLE, SHA384 | SHA512)],
                         ids=["simple", "complex", "multiple"])
def test_examples(text, usable):
    zone = list(records(text, EXAMPLE))
    sha384, sha512, can_use, matches = result(zone, EXAMPLE, 2018031900)
    assert (can_use, matches) == (usable, True)
    expected = {rdata.data[5]: rdata.data[6:] for owner, kind, _, rdata in zone
                if kind == dns.rdatatype.ZONEMD and owner == EXAMPLE and rdata.data[4] == 1}
    assert sha384 == expected[1] and sha512 == expected.get(2, sha512)

    # Another serial in the SOA, or any record less or other, and it does not match.
    assert result(zone, EXAMPLE, 2018031901)[2:] == (0, False)
    for i, (owner, kind, ttl, rdata) in enumerate(zone):
        if (kind == dns.rdatatype.ZONEMD and owner == EXAMPLE) or \
                not owner.is_subdomain(EXAMPLE) or zone.count(zone[i]) > 1:
            continue
        assert not result(zone[:i] + zone[i + 1:], EXAMPLE, 2018031900)[3]
        changed = zone[:i] + [(owner, kind, ttl + 1, rdata)] + zone[i + 1:]
        assert not result(changed, EXAMPLE, 2018031900)[3]


def test_two_of_a_kind():
    """Two records with the same scheme and algorithm are both of no use."""
    wrong = MULTIPLE.replace("2018031900 1 2 08cf", "2018031900 1 1 08cf", 1)
    assert result(records(wrong, EXAMPLE), EXAMPLE, 2018031900)[2:] == (0, False)
    # A digest that is cut short is of no use, and spoils no other.
    short = MULTIPLE.replace("080211f8480ee306", "", 1)
    assert result(records(short, EXAMPLE), EXAMPLE, 2018031900)[2:] == (SHA512, True)
    # One that is wrong does not spoil another one that is right.
    wrong = MULTIPLE.replace("62e6cf51", "62e6cf52", 1)
    assert result(records(wrong, EXAMPLE), EXAMPLE, 2018031900)[2:] == (SHA384 | SHA512, True)


def test_order():
    """Records that are not in canonical order are refused, not digested wrongly."""
    zone = list(records(COMPLEX, EXAMPLE))
    for order in (lambda r: (canonical(r)[0], -r[1], canonical(r)[2]),
                  lambda r: (canonical(r)[0], r[1], [-b for b in canonical(r)[2]]),
                  lambda r: (canonical(r)[0].to_text(), r[1], canonical(r)[2]),
                  lambda r: tuple(-ord(c) for c in canonical(r)[0].to_text())):
        run = digest(zone, EXAMPLE, 1, order)
        assert run.returncode == 1 and "status -2" in run.stdout


@pytest.mark.parametrize("text", [TYPES, SIMPLE], ids=["types", "simple"])
def test_dnspython(text):
    zone = dns.zone.from_text("$ORIGIN example.\n" + text, origin=EXAMPLE, relativize=False)
    sha384, sha512, _, _ = result(records(text, EXAMPLE), EXAMPLE, 2018031900)
    assert zone.compute_digest(dns.zone.DigestHashAlgorithm.SHA384).digest == sha384
    assert zone.compute_digest(dns.zone.DigestHashAlgorithm.SHA512).digest == sha512


def sealed_by(command, tmp_path, output):
    """The records of the zone that a program wrote, with its ZONEMD."""
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    zone = dns.zone.from_file(str(output), origin=EXAMPLE, relativize=False)
    return [(owner, rdataset.rdtype, rdataset.ttl, rdata) for owner, rdataset in zone.iterate_rdatasets()
            for rdata in rdataset]


# What both ldns and Knot read.
COMMON = "".join(line + "\n" for line in TYPES.splitlines()
                 if not set(line.split()) & {"SVCB", "HTTPS", "PX"})


def make_key(tmp_path):
    run = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "example."], cwd=tmp_path,
                         capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def in_store(tmp_path, path):
    """What becomes of a zone file that was imported."""
    store = tmp_path / ("store-" + path.name)
    stele.run("import", "--store", store, "--zone", "example.", path)
    return verdict(store)


def verdict(store):
    run = subprocess.run([TOOL, "--store", str(store), "example."], capture_output=True, text=True,
                         timeout=600)
    assert run.returncode == 0, run.stdout
    return run.stdout.split()[0]


@pytest.mark.parametrize("algorithm, mask", [("sha384", SHA384), ("sha512", SHA512)])
@pytest.mark.parametrize("denial", [["-n"], []], ids=["nsec3", "nsec"])
@pytest.mark.skipif(not shutil.which("ldns-signzone"), reason="needs ldns-signzone")
def test_ldns(tmp_path, algorithm, mask, denial):
    (tmp_path / "zone").write_text("$ORIGIN example.\n" + COMMON)
    zone = sealed_by(["ldns-signzone", *denial, "-z", "simple:" + algorithm, "-f", "sealed", "zone",
                      make_key(tmp_path)], tmp_path, tmp_path / "sealed")
    assert any(kind == dns.rdatatype.RRSIG and rdata.type_covered == dns.rdatatype.ZONEMD
               for _, kind, _, rdata in zone)
    assert result(zone, EXAMPLE, 2018031900)[2:] == (mask, True)
    assert in_store(tmp_path, tmp_path / "sealed") == "right"


@pytest.mark.skipif(not shutil.which("ldns-signzone"), reason="needs ldns-signzone")
def test_store(tmp_path):
    """NSEC3 records between other owners, two signatures over each RRset, and an owner of both tables."""
    hosts = "".join("%s%d 60 IN %s\n" % (word, i, rest) for i in range(40)
                    for word, rest in (("A", "A 192.0.2.1"), ("q", "TXT x"), ("v.x", "CDS 0 0 0 00"),
                                       ("0", "NS ns1.example.")))
    both = dns.dnssec.nsec3_hash("a7.example.", None, 0, "SHA1")
    hosts += "%s 60 IN TXT x\n%s 60 IN TYPE65280 \\# 0\n" % (both, both)
    (tmp_path / "zone").write_text("$ORIGIN example.\n" + SOA + "example. 86400 IN NS ns1\n"
                                   "ns1 3600 IN A 192.0.2.1\n" + hosts)
    keys = [make_key(tmp_path), make_key(tmp_path)]
    sealed = tmp_path / "sealed"
    zone = sealed_by(["ldns-signzone", "-n", "-p", "-t", "0", "-f", sealed.name, "zone", *keys], tmp_path,
                     sealed)
    # With an owner that is the hash of another one ldns comes to another digest than dnspython.
    seal = dns.zone.from_file(str(sealed), origin=EXAMPLE, relativize=False).compute_digest(
        dns.zone.DigestHashAlgorithm.SHA384)
    zone.append((EXAMPLE, dns.rdatatype.ZONEMD, 300, seal))
    with sealed.open("a") as file:
        file.write("example.\t300\tIN\tZONEMD\t%s\n" % seal)
    assert sum(kind == dns.rdatatype.NSEC3 for _, kind, _, _ in zone) > 80
    owner = dns.name.from_text(both, EXAMPLE)
    assert {kind for name, kind, _, _ in zone if name == owner} >= {dns.rdatatype.TXT, dns.rdatatype.NSEC3}
    assert result(zone, EXAMPLE, 2018031900)[2:] == (SHA384, True)
    assert in_store(tmp_path, sealed) == "right"

    # One record of a kind that is other, in either table, or another serial.
    text = sealed.read_text()
    for old, new, expected in (("192.0.2.1", "192.0.2.2", "wrong"), ("\tTXT\t\"x\"", "\tTXT\t\"y\"", "wrong"),
                               ("\tZONEMD\t2018031900 1 1", "\tZONEMD\t2018031900 1 2", "unusable"),
                               ("\tZONEMD\t2018031900 1 1", "\tTYPE65280\t\\# 2 0000 ;", "absent")):
        assert old in text
        changed = tmp_path / "changed"
        changed.write_text(text.replace(old, new, 1))
        shutil.rmtree(tmp_path / "store-changed", ignore_errors=True)
        assert in_store(tmp_path, changed) == expected


@pytest.mark.parametrize("text, expected", [(SIMPLE, "right"), (MULTIPLE, "right"), (TYPES, "absent")],
                         ids=["simple", "multiple", "types"])
def test_examples_in_store(tmp_path, text, expected):
    path = tmp_path / "zone"
    path.write_text("$ORIGIN example.\n" + text)
    assert in_store(tmp_path, path) == expected


@pytest.mark.parametrize("algorithm, mask", [("zonemd-sha384", SHA384), ("zonemd-sha512", SHA512)])
@pytest.mark.skipif(not shutil.which("kzonesign"), reason="needs kzonesign")
def test_knot(tmp_path, algorithm, mask):
    (tmp_path / "example.zone").write_text("$ORIGIN example.\n" + COMMON)
    (tmp_path / "knot.conf").write_text(
        "database:\n  storage: %s\n"
        "policy:\n  - id: p\n    single-type-signing: on\n    algorithm: ecdsap256sha256\n"
        "zone:\n  - domain: example.\n    storage: %s\n    file: example.zone\n"
        "    dnssec-signing: on\n    dnssec-policy: p\n    zonefile-load: difference\n"
        "    zonemd-generate: %s\n" % (tmp_path, tmp_path, algorithm))
    (tmp_path / "out").mkdir()
    zone = sealed_by(["kzonesign", "-c", "knot.conf", "-o", "out", "example."], tmp_path,
                     tmp_path / "out" / "example.zone")
    soa, = (rdata for _, kind, _, rdata in zone if kind == dns.rdatatype.SOA)
    assert result(zone, EXAMPLE, soa.serial)[2:] == (mask, True)
    assert in_store(tmp_path, tmp_path / "out" / "example.zone") == "right"


def test_large():
    """More than the buffer holds, in records small and as large as can be."""
    text = SOA + "example. 1 IN NS ns.example.\n"
    zone = list(records(text, EXAMPLE))
    for i in range(6):
        owner = dns.name.from_text("big%d" % i, EXAMPLE)
        for byte in (0, 255):
            zone.append((owner, 65280, 1, dns.rdata.from_wire(IN, 65280, bytes([byte]) * 65535, 0, 65535)))
    for i in range(5000):
        owner = dns.name.from_text("Small%d" % i, EXAMPLE)
        zone.append((owner, dns.rdatatype.TXT, i, dns.rdata.from_text(IN, "TXT", "x%d" % i)))
    lines = dns.zone.Zone(EXAMPLE, relativize=False)
    for owner, kind, ttl, rdata in zone:
        lines.find_rdataset(owner, kind, create=True).add(rdata, ttl)
    sha384, sha512, _, _ = result(zone, EXAMPLE, 1)
    assert lines.compute_digest(dns.zone.DigestHashAlgorithm.SHA384).digest == sha384
    assert lines.compute_digest(dns.zone.DigestHashAlgorithm.SHA512).digest == sha512
