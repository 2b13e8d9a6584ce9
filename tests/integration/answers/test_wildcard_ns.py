# SPDX-License-Identifier: Apache-2.0
"""NS at a wildcard, which RFC 4592 section 4.2 leaves open: data like others, which delegates nothing."""
import pytest

import stele
from dnswire import AA, NOERROR, TYPES, name_to_wire, parse, query

ZONE = "$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n*.w NS ns.other.\n"


@pytest.mark.parametrize("rtype, section", [("NS", "answer"), ("ANY", "answer"), ("A", "authority")])
def test_it_is_data(tmp_path, rtype, section):
    (tmp_path / "zone").write_text(ZONE)
    stele.run("import", "--store", tmp_path / "store", "--zone", "z.test", tmp_path / "zone")
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    answerer = stele.Answerer(tmp_path / "image")
    try:
        reply = parse(answerer.ask([query("x.w.z.test.", rtype)])[0], strict=True)
    finally:
        answerer.stop()
    assert reply.rcode == NOERROR and reply.flags & AA
    assert [(rr[0], rr[1]) for rr in reply.answer + reply.authority] == [
        (name_to_wire("x.w.z.test."), TYPES["NS"]) if section == "answer" else
        (name_to_wire("z.test."), TYPES["SOA"])]
