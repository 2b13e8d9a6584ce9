# SPDX-License-Identifier: Apache-2.0
"""IXFR that does not fit: it is noticed, undone, and the zone comes as a whole."""
import dns.rcode
import pytest

from fake_primary import NEXT, Raw, record, reply, wire
from lying import Pair, framed


def falls_back(change, text):
    """A bad IXFR is noticed, and the zone comes as a whole from the same primary."""
    def script(question, zone):
        if question.type == "IXFR":
            for part in change(question, zone, zone.ixfr(1)):
                yield part if isinstance(part, (bytes, Raw)) else wire(part)
        else:
            yield from zone.answer(question)
    with Pair(script) as pair:
        pair.taken()
        [event] = pair.secondary.events("ixfr-failed")
        assert text in event["error"], event
        assert pair.primary.asked_for("IXFR") >= 1 and pair.primary.asked_for("AXFR") == 1


def with_record(records, index, extra):
    return records[:index] + [record(*extra)] + records[index:]


def test_ixfr_deletes_what_is_not_there():
    falls_back(lambda q, z, r: [reply(q, with_record(r, 2, ("no.zone.test.", 60, "A", "192.0.2.1")))],
               "no.zone.test.")
    falls_back(lambda q, z, r: [reply(q, with_record(r, 2, ("www.zone.test.", 300, "TXT", '"zero"')))],
               "www.zone.test.")


def test_ixfr_adds_what_is_there():
    """The very record does no harm, and NSD up to 4.6 sends such; with another TTL the zones differ."""
    def script(question, zone):
        extra = [("ns.zone.test.", 300, "A", "192.0.2.1")]
        yield wire(reply(question, with_record(zone.ixfr(1), -1, *extra)))
    with Pair(script) as pair:
        pair.taken()
        assert not pair.secondary.events("ixfr-failed")
        assert "ns.zone.test." in pair.secondary.events("transfer-warnings")[0]["first"]
    falls_back(lambda q, z, r: [reply(q, with_record(r, -1, ("ns.zone.test.", 60, "A", "192.0.2.1")))],
               "ns.zone.test.")


def test_ixfr_that_leads_to_no_zone():
    falls_back(lambda q, z, r: [reply(q, with_record(r, -1, ("ns.zone.test.", 300, "CNAME", "x.")))],
               "CNAME")


def test_ixfr_from_another_serial():
    falls_back(lambda q, z, r: [reply(q, [r[0], z.soa(0)] + r[2:])], "another SOA in the middle")


def test_ixfr_that_ends_elsewhere():
    falls_back(lambda q, z, r: [reply(q, r[:-1] + [z.soa(3)])], "serial 3")


def test_ixfr_whose_serial_goes_back():
    falls_back(lambda q, z, r: [reply(q, r[:3] + [z.soa(1)] + r[4:])], "from serial 1 to 1")


def test_ixfr_out_of_zone():
    falls_back(lambda q, z, r: [reply(q, with_record(r, -1, ("other.test.", 60, "A", "192.0.2.1")))],
               "out of the zone")


def test_ixfr_cut():
    falls_back(lambda q, z, r: [Raw(framed(wire(reply(q, r)))[:60])], "closed too early")


@pytest.mark.parametrize("rcode", ["REFUSED", "NOTIMP", "FORMERR", "SERVFAIL", "NOTAUTH"])
def test_ixfr_refused(rcode):
    falls_back(lambda q, z, r: [reply(q, [], rcode=dns.rcode.from_text(rcode))], rcode)


def test_second_delta_that_does_not_fit_undoes_the_first():
    three = NEXT + [("c.zone.test.", 60, "A", "192.0.2.3")]

    def script(question, zone):
        records = zone.ixfr(1)
        if question.type == "IXFR":
            yield wire(reply(question, with_record(records, 6, ("no.zone.test.", 60, "A", "192.0.2.1"))))
    with Pair(script) as pair:
        pair.zone.versions[3] = three
        pair.refused("closed too early")
        assert "no.zone.test." in pair.secondary.events("ixfr-failed")[-1]["error"]
