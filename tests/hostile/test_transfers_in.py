# SPDX-License-Identifier: Apache-2.0
"""Primaries that lie, stall or break off: a zone that is good stays, and a bad one never comes in."""
import struct
import time

import dns.flags
import dns.name
import dns.rcode
import dns.tsigkeyring
import pytest

from fake_primary import (FakePrimary, Keep, Pause, Question, Raw, Versions, record, reply, sign_all,
                          wire)
from secondary import Secondary

ZONE = "zone.test."
BASE = [(ZONE, 300, "NS", "ns.zone.test."), ("ns.zone.test.", 300, "A", "192.0.2.1"),
        ("www.zone.test.", 300, "TXT", '"one"')]
NEXT = BASE[:2] + [("www.zone.test.", 300, "TXT", '"two"')]
KEY = ("transfer.test.", "hmac-sha256", "6hyU63kmTYZBrVdr1/zGgw==")
KEYRING = dns.tsigkeyring.from_text({KEY[0]: KEY[2]})


def versions(*histories):
    return Versions(ZONE, dict(enumerate(histories or (BASE,), 1)))


def framed(*messages):
    return b"".join(struct.pack("!H", len(m)) + m for m in messages)


class Pair:
    """A secondary that holds serial 1, and a primary that has serial 2 and a script for its transfer."""

    def __init__(self, script, options=(), keys=(), remote=""):
        self.zone = versions(BASE)
        self.primary = FakePrimary(self.zone.answer, KEYRING if keys else None)
        self.secondary = Secondary([ZONE], ["addresses: [127.0.0.1], port: %d%s" % (
            self.primary.port, remote)], options, keys)
        if keys:
            self.primary.script = signed(self.zone)
            self.secondary.command("refresh", ZONE)
        self.secondary.wait_serial(ZONE, 1)
        self.zone.versions[2] = NEXT
        self.script = script
        self.primary.asked.clear()
        self.primary.script = self.answer

    def answer(self, question):
        if question.type == "SOA":
            yield from self.zone.answer(question)
        else:
            yield from self.script(question, self.zone)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.primary.stop()
        self.secondary.__exit__(kind, value, trace)

    def refused(self, text):
        """Asks: it fails with this text, and the old version stays. The zone as it is then known."""
        self.secondary.command("refresh", ZONE)
        zone = self.secondary.wait_error(ZONE, text)
        assert zone["serial"] == 1 and not zone["expired"]
        assert self.secondary.canonical(ZONE) == self.zone.canonical(1)
        return zone

    def taken(self):
        self.secondary.command("refresh", ZONE)
        zone = self.secondary.wait_serial(ZONE, 2)
        assert self.secondary.canonical(ZONE) == self.zone.canonical(2)
        return zone


def signed(zone, **how):
    """The script of a primary that signs."""
    def answer(question):
        if question.type == "SOA":
            messages = [reply(question, [zone.soa()])]
        else:
            records = zone.axfr()
            if question.type == "IXFR" and question.serial == zone.serial:
                records = [zone.soa()]
            messages = [reply(question, [r], ask=i == 0) for i, r in enumerate(records)]
        yield from sign_all(question, messages, KEYRING, dns.name.from_text(KEY[0]), **how)
        yield Keep
    return answer


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
             [reply(q, r[2:])], "expected at most 65535")


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
        import dns.message
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
    zone = versions(BASE)
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


# ---- deltas ----

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


# ---- signatures ----


def signed_transfer(count, which):
    """A script of a transfer with this many messages in the middle."""
    def script(question, zone):
        if question.type == "IXFR":
            yield from sign_all(question, [reply(question, [], rcode=dns.rcode.NOTIMP)], KEYRING,
                                dns.name.from_text(KEY[0]))
            return
        records = zone.axfr()
        messages = [reply(question, records[:2])]
        messages += [reply(question, [record("n%d.zone.test." % i, 60, "A", "192.0.2.1")])
                     for i in range(count)]
        messages += [reply(question, records[2:])]
        zone.versions[2] = NEXT + [("n%d.zone.test." % i, 60, "A", "192.0.2.1") for i in range(count)]
        yield from sign_all(question, messages, KEYRING, dns.name.from_text(KEY[0]), which)
    return script


class Signed(Pair):
    def answer(self, question):
        if question.type == "SOA":
            yield from signed(self.zone)(question)
        else:
            yield from self.script(question, self.zone)

    def __init__(self, script):
        super().__init__(script, keys=[KEY], remote=", key: %s" % KEY[0])


def test_tsig_on_the_first_message_only():
    with Signed(signed_transfer(3, lambda index, last: False)) as pair:
        pair.refused("not signed")


def test_tsig_on_the_first_and_the_last():
    with Signed(signed_transfer(98, lambda index, last: last)) as pair:
        pair.taken()


def test_a_hundred_messages_without_tsig():
    with Signed(signed_transfer(110, lambda index, last: last)) as pair:
        pair.refused("sign")


def test_tsig_missing():
    with Signed(lambda question, zone: zone.answer(question)) as pair:
        pair.refused("sign")


def test_tsig_of_another_key():
    other = dns.tsigkeyring.from_text({KEY[0]: "AAAAAAAAAAAAAAAAAAAAAA=="})

    def script(question, zone):
        yield from sign_all(question, [reply(question, zone.axfr())], other,
                            dns.name.from_text(KEY[0]))
    with Signed(script) as pair:
        pair.refused("127.0.0.1#")


def test_tsig_over_other_bytes():
    def script(question, zone):
        [data] = sign_all(question, [reply(question, zone.axfr())], KEYRING,
                          dns.name.from_text(KEY[0]))
        yield data.replace(b"\x03two", b"\x03owt")
    with Signed(script) as pair:
        zone = pair.refused("signature of the reply is wrong")
        assert zone["serial"] == 1


# ---- datagrams ----

def probes_as(script, options=()):
    """The answers over UDP come from this script."""
    zone = versions(BASE)
    primary = FakePrimary(zone.answer)
    secondary = Secondary([ZONE], [primary.port], options)
    secondary.wait_serial(ZONE, 1)
    zone.versions[2] = NEXT

    def answer(question):
        yield from zone.answer(question) if question.tcp else script(question, zone)
    primary.script = answer
    return zone, primary, secondary


def run_probe(script):
    zone, primary, secondary = probes_as(script)
    with primary, secondary:
        secondary.command("refresh", ZONE)
        secondary.wait_serial(ZONE, 2)
        assert secondary.canonical(ZONE) == zone.canonical(2)
        return primary


def test_forged_datagrams_before_the_real_one():
    def script(question, zone):
        good = reply(question, [zone.soa()])
        for change in (1, 2, 0x8000):
            yield wire(reply(question, [zone.soa(9)], message_id=question.message.id ^ change))
        yield b"x"
        yield wire(good)[:20]
        other = reply(question, [zone.soa(9)])
        other.question = [record("other.test.", 0, "A", "192.0.2.1")]
        yield wire(other)
        yield wire(good)
    primary = run_probe(script)
    assert sum(not q.tcp for q in primary.asked) == 1


def test_truncated_datagram():
    primary = run_probe(lambda q, z: [wire(reply(q, [], flags=dns.flags.AA | dns.flags.TC))])
    assert any(q.tcp and q.type == "SOA" for q in primary.asked)


def test_silence_over_udp():
    primary = run_probe(lambda q, z: [])
    assert sum(not q.tcp for q in primary.asked) == 3
    assert any(q.tcp and q.type == "SOA" for q in primary.asked)


def test_no_edns():
    def script(question, zone):
        if question.message.edns >= 0:
            yield wire(reply(question, [], rcode=dns.rcode.FORMERR))
        else:
            yield wire(reply(question, [zone.soa()]))
    run_probe(script)


@pytest.mark.parametrize("flags, records, text", [
    (dns.flags.QR, "soa", "not authoritative"), (dns.flags.AA, "", "sends no SOA")])
def test_answers_that_do_not_count(flags, records, text):
    zone, primary, secondary = probes_as(
        lambda q, z: [wire(reply(q, [z.soa()] if records else [], flags=flags))])
    with primary, secondary:
        secondary.command("refresh", ZONE)
        assert secondary.wait_error(ZONE, text)["serial"] == 1


# ---- NOTIFY ----

def test_notify_storm():
    """A thousand of them while the zone is asked for are one question more."""
    zone, primary, secondary = probes_as(lambda q, z: [Pause(0.3), *z.answer(q)])
    with primary, secondary:
        primary.asked.clear()
        begin = time.monotonic()
        # It is not put off while the storm lasts: that does not end before.
        while (took := time.monotonic() - begin) < 1 or secondary.zone(ZONE)["serial"] != 2:
            assert took < 60
            secondary.command("refresh", ZONE, "127.0.0.1")
        time.sleep(0.5)
        # One at a time, each of which takes 0.3 s.
        assert 2 <= primary.asked_for("SOA") <= 3 + took / 0.3
