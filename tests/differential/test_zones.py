# SPDX-License-Identifier: Apache-2.0
"""The hand-written zones, unsigned and signed in every way, in Stele, Knot and NSD."""
import pytest

import differ
import questions
import worlds


@pytest.mark.parametrize("variant", list(worlds.VARIANTS))
def test_udp(variant, tmp_path, peers_installed):
    differ.run(worlds.stage(str(tmp_path), variant), limit=900)


@pytest.mark.parametrize("variant", ["plain", "nsec", "nsec3", "optout"])
def test_root_like_zone(variant, tmp_path, peers_installed):
    differ.run(worlds.stage(str(tmp_path), variant, root=True), limit=1500)


@pytest.mark.parametrize("variant", ["plain", "nsec3"])
def test_tcp_gives_whole_replies(variant, tmp_path, peers_installed):
    """Nothing is cut over TCP, so that large replies are compared in full."""
    differ.run(worlds.stage(str(tmp_path), variant), limit=300, tcp=True)


@pytest.mark.parametrize("variant", ["plain", "nsec"])
def test_any(variant, tmp_path, peers_installed):
    """ANY over UDP is minimal (RFC 8482): an RRset of the name, or HINFO; head and negative replies as Knot or NSD."""
    differ.run_any(worlds.stage(str(tmp_path), variant), limit=300)


@pytest.mark.parametrize("variant", ["nsec", "nsec3"])
def test_signatures_at_the_end_of_chains(variant, tmp_path, peers_installed):
    """A chain may end where its DNAME stands; with DO its signatures are there already, without it they are not."""
    differ.run(worlds.stage(str(tmp_path), variant, only=["dname.test."]), qtypes=["RRSIG"])


SMALL = "$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"
BETWEEN = {"cut": "mid NS ns.mid\nns.mid A 192.0.2.2\n", "secure cut": "mid NS ns\nmid DS 1 13 2 %064x\n" % 1,
           "nothing": "", "wildcard": "*.mid TXT x\n"}


@pytest.mark.parametrize("variant", ["plain", "nsec", "optout"])
@pytest.mark.parametrize("between", BETWEEN)
def test_ds_at_a_distance(variant, between, tmp_path, peers_installed):
    """DS at an apex, where the zone above that is served is not the parent: it answers as for any name of its own."""
    served = []
    for name, text in [("up.test.", SMALL + BETWEEN[between]), ("far.mid.up.test.", SMALL)]:
        path = tmp_path / (name + "zone")
        path.write_text(text)
        served.append((name, worlds.sign(name, str(path), str(tmp_path), worlds.VARIANTS[variant])))
    differ.run(served, qtypes=["DS", "A", "NS"])


@pytest.mark.slow
@pytest.mark.parametrize("variant", list(worlds.VARIANTS))
def test_every_question(variant, tmp_path, peers_installed):
    differ.run(worlds.stage(str(tmp_path), variant), qtypes=questions.QTYPES + ["CDS", "SVCB", "PTR", "LOC"])
