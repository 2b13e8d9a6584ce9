# SPDX-License-Identifier: Apache-2.0
"""A secondary, and a primary that does not send it what it should."""
import struct

import dns.name
import dns.tsigkeyring

from fake_primary import NEXT, ZONE, FakePrimary, Keep, reply, sign_all, versions
from secondary import Secondary

KEY = ("transfer.test.", "hmac-sha256", "6hyU63kmTYZBrVdr1/zGgw==")
KEYRING = dns.tsigkeyring.from_text({KEY[0]: KEY[2]})


def framed(*messages):
    return b"".join(struct.pack("!H", len(m)) + m for m in messages)


class Pair:
    """A secondary that holds serial 1, and a primary that has serial 2 and a script for its transfer."""

    def __init__(self, script, options=(), keys=(), remote=""):
        self.zone = versions()
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
