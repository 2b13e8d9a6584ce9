# SPDX-License-Identifier: Apache-2.0
"""What clients and validators that nobody here wrote make of a signed zone: delv, drill, kdig, ldns-verify-zone."""
import subprocess

import dns.zone
import pytest

import mgmtd
import peers
import signing
from conftest import need

ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
*.w TXT "of a wildcard"
sub NS ns.sub
ns.sub A 192.0.2.3
secure NS ns
secure DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000001
"""
CONFIG = {"acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
          "templates": [{"id": "default", "allow_transfer": ["here"]}], "zones": [{"name": "example.org"}]}
# (name, type, what delv says)
ASKED = [("www", "A", "; fully validated"), ("www", "TXT", "; negative response, fully validated"),
         ("nothing", "A", "; negative response, fully validated"), ("x.w", "TXT", "; fully validated"),
         ("x.w", "A", "; negative response, fully validated"), ("secure", "DS", "; fully validated"),
         ("sub", "DS", "; negative response, fully validated")]


def said(*command):
    done = subprocess.run([peers.find(command[0]), *map(str, command[1:])], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout
    return done.stdout


def make_anchor(path, zone):
    """What delv trusts: the zone's own keys."""
    keys = zone.find_rdataset("example.org.", "DNSKEY")
    lines = ['"example.org." static-key %s %s %s "%s";' % tuple(key.to_text().split(" ", 3)) for key in keys]
    path.write_text("trust-anchors { %s };\n" % " ".join(lines))


@pytest.mark.parametrize("algorithm, denial", [(8, "nsec"), (13, "nsec3"), (14, "nsec"), (15, "nsec3"), (16, "optout")])
def test_signed(tmp_path, algorithm, denial):
    need("delv", "drill", "kdig", "ldns-verify-zone", "kzonesign")
    (tmp_path / "zone").write_text(ZONE)
    path = signing.sign_knot("example.org.", str(tmp_path / "zone"), str(tmp_path), algorithm, denial)
    make_anchor(tmp_path / "anchor", dns.zone.from_file(path, "example.org.", relativize=False))
    with mgmtd.Daemon(CONFIG, data={"example.org": open(path, encoding="utf-8").read()}) as daemon:
        daemon.wait("example.org", 1)
        for name, kind, verdict in ASKED:
            if denial == "optout" and (name, kind) == ("x.w", "TXT"):
                verdict = "; unsigned answer"    # there may be a delegation of that name
            assert verdict in said("delv", "@127.0.0.1", "-p", daemon.port, "-a", tmp_path / "anchor",
                                   "+root=example.org", name + ".example.org", kind)
        text = said("drill", "-p", daemon.port, "AXFR", "example.org", "@127.0.0.1")
        (tmp_path / "transferred").write_text(text)
        assert "Zone is verified and complete" in said("ldns-verify-zone", tmp_path / "transferred")
        for transport in "-u", "-t":
            text = said("drill", "-D", transport, "-p", daemon.port, "www.example.org", "A", "@127.0.0.1")
            assert "rcode: NOERROR" in text and "\tRRSIG\tA %d 3 300" % algorithm in text
        text = said("kdig", "+tcp", "+dnssec", "+keepopen", "@127.0.0.1", "-p", daemon.port, "www.example.org", "A",
                    "nothing.example.org", "A")
        assert "status: NOERROR" in text and "status: NXDOMAIN" in text
