# SPDX-License-Identifier: Apache-2.0
"""Signed messages between Stele and dnspython, each as client and as server."""
import base64
import os
import struct
import subprocess
import time

import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import pytest

import stele

BUILD = os.environ.get("STELE_BUILD_DIR") or os.path.join(stele.ROOT, "build")
TOOL = os.path.join(BUILD, "tests/integration/libraries/tsig_tool")

ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha256-128", "hmac-sha384",
              "hmac-sha384-192", "hmac-sha512", "hmac-sha512-256"]
SECRET = base64.b64encode(bytes(range(32))).decode()
LONG_SECRET = base64.b64encode(bytes(range(200))).decode()   # longer than a block of any digest


class Tool:
    """A running tsig_tool."""

    def __init__(self, path, text, now):
        path.write_text(text)
        path.chmod(0o600)
        self.process = subprocess.Popen([TOOL, str(path), str(now)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __call__(self, *words):
        words = [word.hex() if isinstance(word, bytes) else word for word in words]
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        assert answer, "tsig_tool ended"
        return [*answer[:-1], bytes.fromhex(answer[-1])]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


def entry(name, algorithm, secret=SECRET, more=""):
    return "- {id: %s, algorithm: %s, secret: %s%s}\n" % (name, algorithm, secret, more)


KEYS = "keys:\n" + "".join(entry("Key.%s.example" % a, a) for a in ALGORITHMS) + \
    "".join(entry("long.%s" % a, a, LONG_SECRET) for a in ALGORITHMS) + \
    entry("strict", "hmac-sha256") + entry("short", "hmac-sha256", SECRET, ", mac_size: 16")


@pytest.fixture
def tool(tmp_path):
    """One whose clock is right: dnspython signs with the time of day."""
    running = Tool(tmp_path / "keys.yaml", KEYS, int(time.time()))
    yield running
    running.close()


def key_of(name, algorithm, secret=SECRET):
    return dns.tsig.Key(name, secret, algorithm)


def all_keys():
    for algorithm in ALGORITHMS:
        yield pytest.param("key.%s.example" % algorithm, algorithm, SECRET, id=algorithm)
        yield pytest.param("long.%s" % algorithm, algorithm, LONG_SECRET, id="long-" + algorithm)


def query():
    return dns.message.make_query("www.Example.test", "AXFR")


def reply_to(asked, no=0):
    reply = dns.message.make_response(asked)
    reply.tsig = None
    reply.answer.append(dns.rrset.from_text("h%d.Example.test." % no, 300, "IN", "A", "192.0.2.1"))
    return reply


@pytest.mark.parametrize("name, algorithm, secret", all_keys())
def test_dnspython_asks(tool, name, algorithm, secret):
    key = key_of(name, algorithm, secret)
    asked = query()
    plain = asked.to_wire()
    asked.use_tsig(key)
    status, rcode, error, known, stripped = tool("request", asked.to_wire())
    assert (status, rcode, error) == ("1", "0", "0")
    assert known == name + "."
    assert stripped == plain
    signed, = tool("reply", reply_to(asked).to_wire())
    reply = dns.message.from_wire(signed, keyring=key, request_mac=asked.mac)
    assert reply.had_tsig and reply.answer == reply_to(asked).answer


@pytest.mark.parametrize("name, algorithm, secret", all_keys())
def test_dnspython_answers(tool, name, algorithm, secret):
    key = key_of(name, algorithm, secret)
    plain = query().to_wire()
    signed, = tool("sign", name, plain)
    asked = dns.message.from_wire(signed, keyring=key)
    assert asked.had_tsig and asked.id == struct.unpack("!H", plain[:2])[0]
    reply = reply_to(asked)
    bare = reply.to_wire()
    reply.request_mac = asked.mac
    reply.use_tsig(key)
    status, error, _, closed, stripped = tool("verify", reply.to_wire())
    assert (status, error, closed) == ("1", "0", "1")
    assert stripped == bare


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stream_to_dnspython(tool, algorithm):
    """Every message of ours is signed; a message that is left out is noticed."""
    key = key_of("key.%s.example" % algorithm, algorithm)
    asked = query()
    asked.use_tsig(key)
    assert tool("request", asked.to_wire())[0] == "1"
    signed = [tool("reply", reply_to(asked, no).to_wire())[0] for no in range(5)]

    def read(messages):
        ctx = None
        for wire in messages:
            message = dns.message.from_wire(wire, keyring=key, request_mac=asked.mac, multi=True,
                                            tsig_ctx=ctx)
            ctx = message.tsig_ctx
            assert message.had_tsig

    read(signed)
    with pytest.raises(dns.tsig.BadSignature):
        read(signed[:2] + signed[3:])


def stream_of(asked, key, unsigned, cnt):
    """Messages of an answer, made by dnspython; those whose number is in `unsigned` without TSIG."""
    ctx = None
    for no in range(cnt):
        reply = reply_to(asked, no)
        if no in unsigned:
            wire = reply.to_wire()
            ctx.update(wire)
        else:
            reply.request_mac = asked.mac
            reply.use_tsig(key)
            wire = reply.to_wire(multi=True, tsig_ctx=ctx)
            ctx = reply.tsig_ctx
        yield wire


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stream_of_dnspython(tool, algorithm):
    name = "key.%s.example" % algorithm
    key = key_of(name, algorithm)
    unsigned = {1, 2, 5} | set(range(7, 7 + 99))
    asked = dns.message.from_wire(tool("sign", name, query().to_wire())[0], keyring=key)
    for no, wire in enumerate(stream_of(asked, key, unsigned, 110)):
        status, _, _, closed, _ = tool("verify", wire)
        assert (status, closed) == (("0", "0") if no in unsigned else ("1", "1")), no


def test_stream_that_was_changed(tool):
    """What an unsigned message says is covered by the next signature."""
    name = "key.hmac-sha256.example"
    key = key_of(name, "hmac-sha256")
    asked = dns.message.from_wire(tool("sign", name, query().to_wire())[0], keyring=key)
    first, second, third = stream_of(asked, key, {1}, 3)
    assert tool("verify", first)[0] == "1"
    assert tool("verify", second[:-1] + bytes([second[-1] ^ 1]))[0] == "0"
    status, error, _, closed, _ = tool("verify", third)
    assert (status, error, closed) == ("-1", str(int(dns.rcode.BADSIG)), "0")


def test_stream_of_too_many(tool):
    name = "key.hmac-sha256.example"
    key = key_of(name, "hmac-sha256")
    asked = dns.message.from_wire(tool("sign", name, query().to_wire())[0], keyring=key)
    states = [tool("verify", wire)[0] for wire in stream_of(asked, key, set(range(1, 101)), 101)]
    assert states == ["1"] + ["0"] * 99 + ["-1"]


@pytest.mark.parametrize("name, secret, error", [
    ("key.hmac-sha256.example", LONG_SECRET, dns.tsig.PeerBadSignature),
    ("nobody", SECRET, dns.tsig.PeerBadKey),
    ("key.hmac-sha512.example", SECRET, dns.tsig.PeerBadKey),   # of another algorithm
])
def test_refused(tool, name, secret, error):
    key = key_of(name, "hmac-sha256", secret)
    asked = query()
    asked.use_tsig(key)
    status, rcode, _, known, stripped = tool("request", asked.to_wire())
    assert (status, rcode, known) == ("-1", str(int(dns.rcode.NOTAUTH)), "-")
    signed, = tool("reply", reply_to(asked).to_wire())
    with pytest.raises(error):
        dns.message.from_wire(signed, keyring=key, request_mac=asked.mac)


def record_behind(bare, signed, key):
    """The rdata of the TSIG that stands behind the message."""
    at = len(bare) + len(key.name.to_wire()) + 10
    return dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, signed, at, len(signed) - at)


def test_bad_time(tmp_path):
    """The answer is signed, with the client's time and the server's in the other data."""
    now = int(time.time())
    late = Tool(tmp_path / "keys.yaml", KEYS, now + 1000)
    key = key_of("strict", "hmac-sha256")
    asked = query()
    asked.use_tsig(key, fudge=10)
    assert late("request", asked.to_wire())[:3] == ["-1", "9", str(int(dns.rcode.BADTIME))]
    signed, = late("reply", reply_to(asked).to_wire())
    with pytest.raises(dns.tsig.PeerBadTime):
        dns.message.from_wire(signed, keyring=key, request_mac=asked.mac)

    # dnspython looks no further once it sees the error; so its parts are put together here.
    bare = reply_to(asked).to_wire()
    record = record_behind(bare, signed, key)
    assert record.error == dns.rcode.BADTIME and record.fudge == 10
    assert int.from_bytes(record.other, "big") == now + 1000
    assert record.time_signed == asked.tsig[0].time_signed
    ctx = dns.tsig._digest(bare, key, record, None, asked.mac)
    assert ctx.sign() == record.mac
    late.close()


def test_peer_bad_time(tmp_path):
    """A client of ours learns the server's time."""
    now = int(time.time())
    tool = Tool(tmp_path / "keys.yaml", KEYS, now)
    key = key_of("strict", "hmac-sha256")
    asked = dns.message.from_wire(tool("sign", "strict", query().to_wire())[0], keyring=key)
    reply = reply_to(asked)
    reply.request_mac = asked.mac
    reply.use_tsig(key, tsig_error=dns.rcode.BADTIME, other_data=(now + 777).to_bytes(6, "big"))
    status, error, peer_time, _, _ = tool("verify", reply.to_wire())
    assert (status, error, peer_time) == ("-1", str(int(dns.rcode.BADTIME)), str(now + 777))
    tool.close()


def test_truncated(tool):
    """A MAC of 16 bytes where the key allows it and where it does not."""
    for name, wanted in ("short", ["1", "0", "0"]), ("strict", ["-1", "9", "22"]):
        key = key_of(name, "hmac-sha256")
        asked = query()
        plain = asked.to_wire()
        asked.use_tsig(key)
        asked.to_wire()
        cut = asked.tsig[0].replace(mac=asked.mac[:16])
        record = dns.rrset.from_rdata(key.name, 0, cut)
        wire = plain[:10] + b"\0\1" + plain[12:] + record_wire(record)
        assert tool("request", wire)[:3] == wanted
        signed, = tool("reply", reply_to(asked).to_wire())
        bare = reply_to(asked).to_wire()
        got = record_behind(bare, signed, key)
        assert len(got.mac) == (16 if name == "short" else 32)
        ctx = dns.tsig._digest(bare, key, got, None, cut.mac)
        assert ctx.sign()[:len(got.mac)] == got.mac


def record_wire(rrset):
    """A TSIG record by itself, no name compressed."""
    rdata = rrset[0].to_wire()
    return rrset.name.to_wire() + struct.pack("!HHIH", dns.rdatatype.TSIG, dns.rdataclass.ANY, 0,
                                              len(rdata)) + rdata
