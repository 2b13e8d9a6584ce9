# SPDX-License-Identifier: Apache-2.0
"""Names of an NSEC chain that are alike in the eight bytes that a search compares at first."""
import pytest

import stele

APEX = "example."


@pytest.mark.parametrize("begin", ["a" * 8, "\\255" * 8, "\\254" * 8])
@pytest.mark.parametrize("ends", ["b", "bd", "bdfh"])
def test_the_bytes_behind_them_tell(tmp_path, begin, ends):
    owners = [begin + end for end in ends]
    chain = ["@", *owners]
    lines = ["@ 60 SOA ns.elsewhere. hostmaster.elsewhere. 1 3600 600 86400 300", "@ 60 NS ns.elsewhere."]
    lines += ["%s 60 A 192.0.2.1" % owner for owner in owners]
    lines += ["%s 60 NSEC %s A NSEC" % pair for pair in zip(chain, chain[1:] + chain[:1])]
    (tmp_path / "zone").write_text("\n".join(lines) + "\n")
    stele.run("import", "--store", tmp_path / "store", "--zone", APEX, tmp_path / "zone")
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    for at in range(len(ends) + 1):
        before = chr(ord(ends[at - 1]) + 1) if at else "a"
        reply = stele.run("query", tmp_path / "image", begin + before + "." + APEX, "A", "+dnssec").stdout
        covers = [line.split()[0] for line in reply.splitlines() if "\tNSEC\t" in line]
        assert (chain[at] + "." + APEX if at else APEX) in covers, reply
        assert set(covers) <= {APEX, chain[at] + "." + APEX}, reply
