# SPDX-License-Identifier: Apache-2.0
"""Names that stand in a reply already are pointed to: at the end of an alias, of hosts, and of glue."""
import pytest

import stele
from dnswire import parse, query

ZONE = """$TTL 300
@ SOA ns h 1 1 1 1 1
@ NS ns
ns A 192.0.2.1
a CNAME b
b A 192.0.2.2
m MX 10 host
host A 192.0.2.3
cut NS ns.cut
ns.cut A 192.0.2.4
"""
HEADER, FIXED, POINTER = 12, 10, 2


@pytest.mark.parametrize("name, rtype, rdata", [
    ("a", "A", (2 + POINTER, 4)), ("m", "MX", (2 + 5 + POINTER, 4)), ("w.cut", "A", (3 + POINTER, 4))])
def test_no_name_is_there_twice(tmp_path, name, rtype, rdata):
    (tmp_path / "zone").write_text(ZONE)
    stele.run("import", "--store", tmp_path / "store", "--zone", "z.test", tmp_path / "zone")
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    answerer = stele.Answerer(tmp_path / "image")
    try:
        message, = answerer.ask([query(name + ".z.test.", rtype)])
    finally:
        answerer.stop()
    parse(message, strict=True)
    question = len(name) + 2 + len("z.test.") + 4
    assert len(message) == HEADER + question + sum(POINTER + FIXED + sz for sz in rdata)
