# SPDX-License-Identifier: Apache-2.0
"""NOTIFY from whoever has no business with the zone: answered with REFUSED, and nobody is asked because of it."""
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import pytest

import mgmtd
import peers

ZONE = "notify.test"


@pytest.fixture(scope="module", name="daemon")
def a_daemon():
    """A secondary whose primary is at 127.0.0.2: this test asks from 127.0.0.1, 127.0.0.2 and 127.0.0.3."""
    config = {
        "zones": [{"name": ZONE, "template": "from"}],
        "remotes": [{"id": "p", "addresses": ["127.0.0.2"], "port": peers.free_port(), "source": "127.0.0.1"}],
        "acls": [{"id": "friend", "prefixes": ["127.0.0.3"]}, {"id": "keyed", "keys": ["key.test."]}],
        "templates": [{"id": "from", "primaries": ["p"], "allow_notify": ["friend", "keyed"],
                       "retry_min": "1h", "retry_max": "1h"}],
    }
    with mgmtd.Daemon(config, keys={"key.test.": "hmac-sha256"}) as daemon:
        daemon.wait_for(lambda: daemon.zone(ZONE)["last_error"])
        yield daemon


def ask(daemon, source, zone=ZONE, key=None, edns=None, ednsflags=0):
    message = dns.message.make_query(zone, "SOA")
    message.use_edns(edns, ednsflags)
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags |= dns.flags.AA
    if key:
        message.use_tsig(daemon.key(key))
    return dns.query.udp(message, "127.0.0.1", 30, daemon.port, source=source)


def tell(*arguments, **options):
    return ask(*arguments, **options).rcode()


def accepted(daemon):
    return daemon.json("status")["counters"]["notify_in"]


def test_from_a_stranger(daemon):
    before, tried = accepted(daemon), daemon.zone(ZONE)["last_error_at"]
    for _ in range(200):
        assert tell(daemon, "127.0.0.1") == dns.rcode.REFUSED
    assert accepted(daemon) == before
    assert daemon.zone(ZONE)["last_error_at"] == tried, "the primary was asked for a stranger's sake"


def test_for_a_zone_that_is_not_ours(daemon):
    before = accepted(daemon)
    for source in "127.0.0.1", "127.0.0.2":
        assert tell(daemon, source, "elsewhere.test") == dns.rcode.NOTAUTH
    assert accepted(daemon) == before


@pytest.mark.parametrize("source,key", [("127.0.0.2", None), ("127.0.0.3", None), ("127.0.0.1", "key.test.")])
def test_from_who_may(daemon, source, key):
    """The primary itself, who is named, who has the key."""
    before = accepted(daemon)
    assert tell(daemon, source, key=key) == dns.rcode.NOERROR
    assert accepted(daemon) == before + 1


@pytest.mark.parametrize("source,rcode", [("127.0.0.1", dns.rcode.REFUSED), ("127.0.0.2", dns.rcode.NOERROR)])
@pytest.mark.parametrize("flags", [0, dns.flags.DO])
def test_edns(daemon, source, rcode, flags):
    """Who speaks EDNS is answered with it, with the version that there is (RFC 6891 sections 6.1.3 and 7)."""
    assert ask(daemon, source).edns == -1
    reply = ask(daemon, source, edns=0, ednsflags=flags)
    assert (reply.rcode(), reply.edns, reply.ednsflags) == (rcode, 0, flags)
    before = accepted(daemon)
    reply = ask(daemon, source, edns=1)
    assert (reply.rcode(), reply.edns) == (dns.rcode.BADVERS, 0)
    assert accepted(daemon) == before
