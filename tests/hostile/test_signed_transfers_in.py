# SPDX-License-Identifier: Apache-2.0
"""Transfers that are not signed as they should be, by RFC 8945."""
import dns.name
import dns.rcode
import dns.tsigkeyring

from fake_primary import NEXT, record, reply, sign_all
from lying import KEY, KEYRING, Pair, signed


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
