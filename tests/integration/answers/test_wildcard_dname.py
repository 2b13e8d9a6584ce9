# SPDX-License-Identifier: Apache-2.0
"""A chain may end at the DNAME that it began at, or at what a wildcard makes of that: a record of its own."""
import struct
import subprocess

import pytest

import signing
import stele
from dnswire import TYPES, name_to_wire, parse, query

ZONE = "$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n*.w DNAME w\n*.v DNAME t.v\n*.v A 192.0.2.2\nd DNAME @\n"


@pytest.mark.parametrize("denial", ["none", "nsec", "nsec3"])
@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_a_chain_ends_at_it(tmp_path, denial, way, peers_installed):
    path = tmp_path / "zone"
    path.write_text(ZONE)
    if denial != "none":
        path = signing.sign_knot("z.test.", str(path), str(tmp_path), denial=denial)
    stele.run("import", "--store", tmp_path / "store", "--zone", "z.test", path)
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    asked = [(name + ".z.test.", rtype, edns) for name in ("a.*.w", "a.*.v", "d.d", "a.d.d")
             for rtype in ("DNAME", "ANY", "RRSIG", "A", "CNAME") for edns in (None, "do")]
    messages = [query(*ask) for ask in asked]
    done = subprocess.run([stele.binary(), "answer", tmp_path / "image", "--check-store", tmp_path / "store",
                           *["--tcp"] * (way == "tcp")], check=False, capture_output=True,
                          input=b"".join(struct.pack("!H", len(message)) + message for message in messages))
    assert done.returncode == 0, done.stderr.decode()
    (length,) = struct.unpack_from("!H", done.stdout)
    made = [rr[:2] for rr in parse(done.stdout[2:2 + length], strict=True).answer]
    assert made == [(name_to_wire("*.w.z.test."), TYPES["DNAME"]), (name_to_wire("a.*.w.z.test."), TYPES["CNAME"]),
                    (name_to_wire("a.w.z.test."), TYPES["DNAME"])]
