# SPDX-License-Identifier: Apache-2.0
"""Chains of aliases as long as one is followed, 16 links (docs/conformance.md), and a little longer."""
import pytest

import stele
from dnswire import NOERROR, TYPES, parse, query

HEAD = "$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"


@pytest.mark.parametrize("kind", ["CNAME", "DNAME"])
@pytest.mark.parametrize("links, written", [(15, 15), (16, 16), (17, 17), (18, 17)])
def test_where_a_chain_ends(tmp_path, kind, links, written):
    """The last that is written may lead on; whoever asked goes on from there."""
    above = "x." if kind == "DNAME" else ""
    lines = "".join("n%d %s n%d\n" % (i, kind, i + 1) for i in range(links))
    (tmp_path / "zone").write_text(HEAD + lines + "%sn%d A 192.0.2.2\n" % (above, links))
    stele.run("import", "--store", tmp_path / "store", "--zone", "z.test", tmp_path / "zone")
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    answerer = stele.Answerer(tmp_path / "image", tcp=True)
    try:
        reply = parse(answerer.ask([query("%sn0.z.test." % above, "A")])[0], strict=True)
    finally:
        answerer.stop()
    kinds = [rr[1] for rr in reply.answer]
    assert reply.rcode == NOERROR
    assert kinds.count(TYPES["CNAME"]) == kinds.count(TYPES[kind]) == written
    assert kinds.count(TYPES["A"]) == (links <= 16)
