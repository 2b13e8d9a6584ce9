# SPDX-License-Identifier: Apache-2.0
"""
NSEC3 hashes that begin alike. A search compares some 32 bits at first; whoever owns a zone can find names whose hashes
share these, so what tells them apart has to decide.
"""
import dns.dnssec
import pytest

import stele

APEX, NAME = "example.", "a.example."
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


def hash_of(name):
    return dns.dnssec.nsec3_hash(name, None, 0, "SHA1")


def beside(digits, step):
    """The hash that is so far from this one: it differs in the last of 32 digits alone."""
    return digits[:-1] + DIGITS[DIGITS.index(digits[-1]) + step]


@pytest.mark.parametrize("steps", [(1,), (-1,), (-1, 1), (-2, -1), (1, 2), (-2, -1, 1, 2)])
def test_a_name_is_proved_by_its_own_hash(tmp_path, steps):
    own = hash_of(NAME)
    assert 2 <= DIGITS.index(own[-1]) <= 29
    chain = sorted({hash_of(APEX), own, *(beside(own, step) for step in steps)})
    lines = ["@ 60 SOA ns hostmaster 1 3600 600 86400 300", "@ 60 NS ns.elsewhere.", "a 60 A 192.0.2.1",
             "@ 0 NSEC3PARAM 1 0 0 -"]
    lines += ["%s 60 NSEC3 1 0 0 - %s A" % (here, after)
              for here, after in zip(chain, chain[1:] + chain[:1])]
    (tmp_path / "zone").write_text("\n".join(lines) + "\n")
    stele.run("import", "--store", tmp_path / "store", "--zone", APEX, tmp_path / "zone")
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    reply = stele.run("query", tmp_path / "image", NAME, "TXT", "+dnssec").stdout
    owners = [line.split()[0].lower() for line in reply.splitlines() if "\tNSEC3\t" in line]
    assert owners == [own.lower() + "." + APEX]
