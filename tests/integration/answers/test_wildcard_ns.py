# SPDX-License-Identifier: Apache-2.0
"""NS at a wildcard, which RFC 4592 section 4.2 leaves open: data like others, which delegates nothing."""
import pytest

import signing
import stele
from dnswire import AA, NOERROR, TYPES, name_to_wire, parse, query

HEAD = "$TTL 300\n$ORIGIN z.test.\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"
NS_ALONE = HEAD + "*.w NS ns.other.\n"
BESIDE = NS_ALONE + '*.w TXT "wild"\n*.w A 192.0.2.9\n*.w MX 5 ns\n'


def ask(folder, text, rtype, edns=None, name="x.w.z.test.", sign=False):
    path = folder / "zone"
    path.write_text(text)
    if sign:
        path = signing.sign_ldns("z.test", str(path), str(folder))
    stele.run("import", "--store", folder / "store", "--zone", "z.test", path)
    stele.run("build", "--store", folder / "store", "-o", folder / "image")
    stele.run("verify", folder / "image")
    answerer = stele.Answerer(folder / "image", tcp=True, check_store=folder / "store")
    try:
        reply = parse(answerer.ask([query(name, rtype, edns)])[0], strict=True)
    finally:
        answerer.stop()
    return reply


@pytest.mark.parametrize("rtype, section", [("NS", "answer"), ("ANY", "answer"), ("A", "authority")])
def test_it_is_data(tmp_path, rtype, section):
    reply = ask(tmp_path, NS_ALONE, rtype)
    assert reply.rcode == NOERROR and reply.flags & AA
    assert [(rr[0], rr[1]) for rr in reply.answer + reply.authority] == [
        (name_to_wire("x.w.z.test."), TYPES["NS"]) if section == "answer" else
        (name_to_wire("z.test."), TYPES["SOA"])]


@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("rtype", ["TXT", "A", "MX", "NS"])
def test_what_stands_beside_it_is_data_too(tmp_path, rtype, sign):
    reply = ask(tmp_path, BESIDE, rtype, "do" if sign else None, sign=sign)
    assert reply.rcode == NOERROR and reply.flags & AA
    assert (name_to_wire("x.w.z.test."), TYPES[rtype]) in [(rr[0], rr[1]) for rr in reply.answer]


def test_any_has_all(tmp_path):
    reply = ask(tmp_path, BESIDE, "ANY")
    assert {rr[1] for rr in reply.answer} == {TYPES[rtype] for rtype in ("A", "NS", "MX", "TXT")}


@pytest.mark.parametrize("name", ["*.w.z.test.", "below.*.w.z.test."])
def test_itself_it_is_a_cut(tmp_path, name):
    reply = ask(tmp_path, BESIDE, "TXT", name=name)
    assert reply.rcode == NOERROR and not reply.flags & AA and not reply.answer
    assert [(rr[0], rr[1]) for rr in reply.authority] == [(name_to_wire("*.w.z.test."), TYPES["NS"])]
