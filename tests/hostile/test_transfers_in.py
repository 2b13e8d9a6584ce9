# SPDX-License-Identifier: Apache-2.0
"""Primaries that lie, stall or break off: a zone that is good stays, and a bad one never comes in."""
import struct

import dns.message
import dns.rcode
import pytest

from fake_primary import NEXT, ZONE, FakePrimary, Keep, Pause, Question, Raw, Versions, record, reply, versions, wire
from lying import Pair, framed
from secondary import Secondary


def bad_axfr(change, text, options=("ixfr_in: false",)):
    """A transfer as a whole that `change(question, zone, records)` makes messages of is refused."""
    def script(question, zone):
        for part in change(question, zone, zone.axfr()):
            yield part if isinstance(part, (bytes, Raw, Pause)) or part is Keep else wire(part)
    with Pair(script, options) as pair:
        pair.refused(text)
        return pair


# ---- the zone as a whole ----

def test_soa_missing_at_the_end():
    bad_axfr(lambda q, z, r: [reply(q, r[:-1])], "connection closed too early")


def test_soa_missing_at_the_end_and_silence():
    bad_axfr(lambda q, z, r: [reply(q, r[:-1]), Pause(5)], "longer than 1 s",
             ("ixfr_in: false", "transfer_max_time: 1s"))


def test_soa_in_the_middle():
    bad_axfr(lambda q, z, r: [reply(q, r[:2] + [z.soa(3)] + r[2:])], "another SOA in the middle")
    bad_axfr(lambda q, z, r: [reply(q, r[:2] + [record("www." + ZONE, 60, "SOA", "a. b. 2 3 4 5 6")] +
                                    r[2:])], "SOA in the middle of the zone")


def test_records_behind_the_end():
    bad_axfr(lambda q, z, r: [reply(q, r + r[1:2])], "behind the last SOA")


def test_no_soa_at_the_begin():
    bad_axfr(lambda q, z, r: [reply(q, r[1:])], "begins with")


def test_record_out_of_zone():
    bad_axfr(lambda q, z, r: [reply(q, r[:2] + [record("www.other.test.", 60, "A", "192.0.2.66")] +
                                    r[2:])], "out of the zone")


def test_oversize_record():
    def long_rdata(question, zone, records):
        message = bytearray(wire(reply(question, records)))
        at = message.index(b"\x03one" if b"\x03one" in message else b"\x03two") - 2
        struct.pack_into("!H", message, at, 60000)
        return [bytes(message)]
    bad_axfr(long_rdata, "is broken")
    # An RRset that no message could carry.
    many = [record("big." + ZONE, 60, "TXT", " ".join('"%s"' % (c * 250) for c in (str(i % 10), "x")) +
                   ' "%d"' % i) for i in range(150)]
    bad_axfr(lambda q, z, r: [reply(q, r[:2])] + [reply(q, many[i:i + 50]) for i in range(0, 150, 50)] +
             [reply(q, r[2:])], "what a reply has room for")


def test_message_for_another_zone():
    other = Versions("other.test.", {2: [("other.test.", 60, "NS", "ns.other.test.")]})

    def other_question(question, zone, records):
        message = reply(question, records)
        message.question = [record("other.test.", 0, "A", "192.0.2.1")]
        return [message]
    bad_axfr(other_question, "another question")
    bad_axfr(lambda q, z, r: [reply(q, other.axfr())], "out of the zone")


def test_wrong_id():
    bad_axfr(lambda q, z, r: [reply(q, r, message_id=q.message.id ^ 1)], "with id")
    bad_axfr(lambda q, z, r: [reply(q, r[:2]), reply(q, r[2:], message_id=q.message.id ^ 0x8000)],
             "with id")


def test_error_in_the_middle():
    bad_axfr(lambda q, z, r: [reply(q, r[:2]), reply(q, [], rcode=dns.rcode.SERVFAIL)], "SERVFAIL")


def test_refused():
    bad_axfr(lambda q, z, r: [reply(q, [], rcode=dns.rcode.REFUSED)], "REFUSED")


def test_message_without_records():
    bad_axfr(lambda q, z, r: [reply(q, r[:2])] + [reply(q, [])] * 3 + [Pause(5)], "without records")


@pytest.mark.parametrize("length", [0, 1, 11])
def test_message_that_is_none(length):
    bad_axfr(lambda q, z, r: [reply(q, r[:2]), bytes(length)], "message of %d bytes" % length)


def test_garbage_behind_a_message():
    bad_axfr(lambda q, z, r: [wire(reply(q, r)) + b"x"], "is broken")


def test_endless_transfer_in_bytes():
    def endless(question, zone, records):
        yield reply(question, records[:2])
        many = wire(reply(question, [record("n%d.%s" % (i, ZONE), 60, "A", "192.0.2.1")
                                     for i in range(500)]))
        while True:
            yield many
    bad_axfr(endless, "more than 1048576 bytes", ("ixfr_in: false", "transfer_max_size: 1M"))


def test_endless_transfer_in_time():
    def endless(question, zone, records):
        yield reply(question, records[:2])
        for i in range(1000):
            yield reply(question, [record("n%d.%s" % (i, ZONE), 60, "A", "192.0.2.1")])
            yield Pause(0.05)
    bad_axfr(endless, "longer than 1 s", ("ixfr_in: false", "transfer_max_time: 1s"))


def test_byte_after_byte():
    """A primary that is slow to the extreme holds a place until its time is over, and no longer."""
    def slow(question, zone, records):
        for byte in framed(wire(reply(question, records))):
            yield Raw(bytes([byte]))
            yield Pause(0.05)
    bad_axfr(slow, "longer than 1 s", ("ixfr_in: false", "transfer_max_time: 1s"))


def test_names_that_unpack():
    """Two bytes of a message that stand for a name of 255: the limit counts what is kept."""
    name = ".".join(["a"] * 122) + "." + ZONE

    def bomb(question, zone, records):
        yield reply(question, records[:2])
        message = wire(reply(question, [record(ZONE, 60, "NS", name)]))
        at = message.index(b"\1a\1a")
        more = b"\xc0\x0c\0\2\0\1\0\0\0\x3c\0\2" + struct.pack("!H", 0xc000 | at)
        message = message[:6] + struct.pack("!H", 4001) + message[8:] + 4000 * more
        for _ in range(17):
            yield message
    bad_axfr(bomb, "unpacks to more than", ("ixfr_in: false", "transfer_max_size: 1M"))


BAD_ZONES = [
    ([("x.zone.test.", 60, "CNAME", "y.test."), ("x.zone.test.", 60, "A", "192.0.2.1")], "CNAME"),
    ([("x.zone.test.", 60, "CNAME", "y.test."), ("x.zone.test.", 60, "CNAME", "z.test.")], "CNAME"),
    ([("x.zone.test.", 60, "DNAME", "y.test."), ("a.x.zone.test.", 60, "A", "192.0.2.1")], "DNAME"),
    ([("x.zone.test.", 60, "NSEC3", "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A")], "NSEC3"),
]


@pytest.mark.parametrize("index", range(len(BAD_ZONES)))
def test_zone_that_is_none(index):
    extra, text = BAD_ZONES[index]
    bad_axfr(lambda q, z, r: [reply(q, r[:1] + [record(*e) for e in extra] + r[1:])], text)


def test_zone_without_ns():
    bad_axfr(lambda q, z, r: [reply(q, [x for x in r if x.rdtype != 2])], "NS")


def test_data_that_is_not_of_its_type():
    def broken(question, zone, records):
        message = wire(reply(question, records[:2] + [record("x." + ZONE, 60, "A", "192.0.2.77")] +
                             records[2:]))
        at = message.index(bytes([192, 0, 2, 77]))
        return [message[:at - 2] + b"\0\3" + message[at:at + 3] + message[at + 4:]]
    bad_axfr(broken, "x.zone.test. A are not valid")


# ---- cut ----

def transfer_bytes(question, zone):
    records = zone.ixfr(1) if question.type == "IXFR" else zone.axfr()
    half = len(records) // 2
    return framed(wire(reply(question, records[:half])), wire(reply(question, records[half:], ask=False)))


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_connection_cut_at_every_byte(kind):
    cut = [0]

    def script(question, zone):
        if question.type == kind:
            yield Raw(transfer_bytes(question, zone)[:cut[0]])
    with Pair(script, ["ixfr_in: %s" % ("true" if kind == "IXFR" else "false")]) as pair:
        probe = Question(None, True, b"")
        # How long it is, does not depend on the id.
        message = pair.zone
        probe.message = dns.message.make_query(ZONE, kind)
        total = len(transfer_bytes(probe, message))
        failed = pair.secondary.zone(ZONE)["failed_transfers"]
        for cut[0] in range(total):
            pair.secondary.command("refresh", ZONE)
            # IXFR: and then AXFR, which is cut at once.
            failed += 2 if kind == "IXFR" else 1
            zone = pair.secondary.wait(ZONE, lambda z: z["failed_transfers"] >= failed)
            assert zone["serial"] == 1 and zone["failed_transfers"] == failed
        assert pair.secondary.canonical(ZONE) == pair.zone.canonical(1)
        cut[0] = total
        pair.taken()


def test_connection_cut_before_the_zone_was_ever_loaded():
    zone = versions()
    cut = [30]

    def script(question):
        data = framed(wire(reply(question, zone.axfr())))
        yield Raw(data[:cut[0]])
    with FakePrimary(script) as primary, Secondary([ZONE], [primary.port]) as secondary:
        entry = secondary.wait_error(ZONE, "connection closed too early")
        assert not entry["loaded"] and entry["expired"]
        cut[0] = None
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 1)


# ---- serials ----

def test_serial_going_back():
    with Pair(lambda question, zone: iter(())) as pair:
        del pair.zone.versions[2]
        pair.zone.versions = {0xfffffff0: NEXT}
        pair.secondary.command("refresh", ZONE)
        zone = pair.secondary.wait_error(ZONE, "serial 4294967280 is behind ours, 1")
        assert zone["serial"] == 1
        assert pair.primary.asked_for("AXFR") == pair.primary.asked_for("IXFR") == 0


def test_serial_going_back_between_question_and_transfer():
    def script(question, zone):
        yield wire(reply(question, Versions(ZONE, {0: NEXT}).axfr()))
        yield Keep
    with Pair(script, ["ixfr_in: false"]) as pair:
        pair.refused("serial 0 is behind ours, 1")
