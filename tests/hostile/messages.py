# SPDX-License-Identifier: Apache-2.0
"""Messages that no honest client sends, by name, with what may come back.

What is allowed: SILENCE, or a reply with the rcode (that has the id, QR and the opcode of the query).
Where RFCs leave it open, both of what Knot 3.2.6 and NSD 4.6.1 do is allowed.
"""
import struct
from typing import NamedTuple

from dnswire import (AA, BADVERS, FORMERR, NOERROR, NOTIMP, NXDOMAIN, REFUSED, TC, name_to_wire, opt_record,
                     option)

SILENCE = "silence"
ZONE = "names.test."
SHORT = "x."
HOST = name_to_wire("ns1." + ZONE)
QA = struct.pack("!HH", 1, 1)
COOKIE = 10


class Hostile(NamedTuple):
    name: str
    message: bytes
    allowed: tuple
    tcp: bool = False


def header(qd=1, an=0, ns=0, ar=0, flags=0, opcode=0, qid=0x1234):
    return struct.pack("!HHHHHH", qid, flags | opcode << 11, qd, an, ns, ar)


def ask(qname=HOST, tail=QA, **counts):
    """A question for type A with whatever bytes stand for its name."""
    return header(**counts) + qname + tail


def with_opt(record, count=1, **counts):
    return ask(ar=count, **counts) + record


def record(owner=b"\0", rtype=1, rclass=1, rdata=b"\xc0\0\2\1"):
    return owner + struct.pack("!HHIH", rtype, rclass, 0, len(rdata)) + rdata


BROKEN = (FORMERR, SILENCE)

HEADER = [
    Hostile("response bit set", ask(flags=0x8000), (SILENCE,)),
    Hostile("response bit and every flag", ask(flags=0x87F0), (SILENCE,)),
    Hostile("no question", header(qd=0), BROKEN),
    Hostile("no question but bytes of one", header(qd=0) + HOST + QA, BROKEN),
    Hostile("two questions", ask(qd=2) + HOST + QA, BROKEN),
    Hostile("two questions counted, one there", ask(qd=2), BROKEN),
    Hostile("65535 questions counted", ask(qd=65535), BROKEN),
    Hostile("header only, one question counted", header(), BROKEN),
    Hostile("answer record in a query", ask(an=1) + record(), (FORMERR, SILENCE, NOERROR)),
    Hostile("answer record counted, not there", ask(an=1), BROKEN),
    Hostile("authority record in a query", ask(ns=1) + record(), (FORMERR, SILENCE, NOERROR)),
    Hostile("authority record counted, not there", ask(ns=1), BROKEN),
    Hostile("65535 of each counted", ask(an=65535, ns=65535, ar=65535), BROKEN),
    Hostile("additional record counted, not there", ask(ar=1), BROKEN),
    Hostile("additional record that is not OPT", ask(ar=1) + record(), (FORMERR, SILENCE, NOERROR)),
    Hostile("eleven bytes", ask()[:11], (SILENCE,)),
    Hostile("one byte", b"\1", (SILENCE,)),
    Hostile("nothing", b"", (SILENCE,)),
    Hostile("65535 zero bytes over TCP", bytes(65535), BROKEN, tcp=True),
    Hostile("65535 bytes of ones over TCP", b"\xff" * 65535, (SILENCE, FORMERR, NOTIMP), tcp=True),
    Hostile("a query followed by zeros to 65535 bytes over TCP", ask().ljust(65535, b"\0"),
            (FORMERR, SILENCE, NOERROR), tcp=True),
    Hostile("opcode 1", ask(opcode=1), (NOTIMP,)),
    Hostile("opcode 2", ask(opcode=2), (NOTIMP,)),
    Hostile("opcode 6", ask(opcode=6), (NOTIMP,)),
    Hostile("opcode 15", ask(opcode=15), (NOTIMP,)),
    Hostile("opcode 15 without a body", header(opcode=15, qd=0), (NOTIMP, FORMERR, SILENCE)),
    Hostile("class CH", ask(tail=b"\0\1\0\3"), (REFUSED,)),
    Hostile("class HS", ask(tail=b"\0\1\0\4"), (REFUSED,)),
    Hostile("class NONE", ask(tail=b"\0\1\0\xfe"), (REFUSED, FORMERR)),
    Hostile("class ANY", ask(tail=b"\0\1\0\xff"), (REFUSED, NOERROR)),
    Hostile("class 0", ask(tail=b"\0\1\0\0"), (REFUSED, FORMERR)),
    Hostile("type 0", ask(tail=b"\0\0\0\1"), (NOERROR, FORMERR, NOTIMP)),
    Hostile("type OPT in the question", ask(tail=b"\0\x29\0\1"), (NOERROR, FORMERR, NOTIMP, REFUSED)),
    Hostile("type 65535", ask(tail=b"\xff\xff\0\1"), (NOERROR,)),
    # a transfer is the daemon's; RFC 5936 4.2 defines none over UDP
    Hostile("AXFR over UDP", ask(tail=b"\0\xfc\0\1"), (FORMERR, NOTIMP, REFUSED, SILENCE)),
    Hostile("reserved bit Z", ask(flags=0x0040), (NOERROR,)),
    Hostile("query with AA, TC, RA and an rcode", ask(flags=AA | TC | 0x0080 | 5), (NOERROR, FORMERR, SILENCE)),
    Hostile("question cut in the name", ask()[:16], BROKEN),
    Hostile("question cut before the class", ask()[:-2], BROKEN),
    Hostile("question cut by one byte", ask()[:-1], BROKEN),
]

MANY = b"".join(b"\1" + bytes([97 + i % 10]) for i in range(126)) + b"\1x\0"     # 127 labels, 255 bytes
LONG = (b"\x3f" + b"x" * 63 + b"\x3f" + b"y" * 63 + b"\x3f" + b"z" * 63 + b"\x3b" + b"w" * 59 + b"\1x\0")

NAMES = [
    Hostile("pointer to the header", ask(b"\xc0\0"), BROKEN),
    Hostile("pointer forward", ask(b"\xc0\x20") + HOST, BROKEN),
    Hostile("pointer past the end", ask(b"\xff\xff"), BROKEN),
    Hostile("pointer to itself", ask(b"\xc0\x0c"), BROKEN),
    Hostile("label, then a pointer back to it", ask(b"\3ns1\xc0\x0c"), BROKEN),
    Hostile("half a pointer", header() + b"\xc0", BROKEN),
    Hostile("two pointers at one another", ask(b"\xc0\x0e\xc0\x0c"), BROKEN),
    Hostile("second question points at the first", ask(qd=2) + b"\xc0\x0c" + QA, BROKEN),
    Hostile("label type 0x40", ask(b"\x41" + bytes(65) + b"\0"), BROKEN),
    Hostile("bit label of RFC 2673", ask(b"\x41\x08\xaa\4test\0"), BROKEN),
    Hostile("label type 0x80", ask(b"\x80" + bytes(64) + b"\0"), BROKEN),
    Hostile("label of 64 bytes", ask(b"\x40" + b"a" * 64 + b"\4test\0"), BROKEN),
    Hostile("name of 255 bytes that exists", ask(LONG), (NOERROR,)),
    Hostile("name of 255 bytes that does not exist", ask(LONG.replace(b"www", b"wwv")), (NXDOMAIN,)),
    Hostile("name of 256 bytes", ask(LONG.replace(b"\x3b" + b"w" * 59, b"\x3c" + b"w" * 60)), BROKEN),
    Hostile("name of 257 bytes", ask(b"\1q" + LONG), BROKEN),
    Hostile("missing root label", header() + HOST[:-1], BROKEN),
    Hostile("missing root label before the type", ask(HOST[:-1]), BROKEN),
    Hostile("127 labels", ask(MANY), (NOERROR,)),
    Hostile("127 labels that do not exist", ask(MANY.replace(b"\1a", b"\1q", 1)), (NXDOMAIN,)),
    Hostile("128 labels", ask(b"\1q" + MANY), BROKEN),
    Hostile("NUL in a label", ask(name_to_wire("nul\\000nul." + ZONE)), (NOERROR,)),
    Hostile("label that is a NUL", ask(name_to_wire("\\000." + ZONE)), (NOERROR,)),
    Hostile("dot in a label", ask(name_to_wire("a\\.b." + ZONE)), (NOERROR,)),
    Hostile("dot in a label that does not exist", ask(name_to_wire("ns1\\.names.test.")), (REFUSED,)),
    Hostile("upper case", ask(name_to_wire("NS1.NAMES.TEST.")), (NOERROR,)),
    Hostile("bytes above 127", ask(name_to_wire("\\200\\201." + ZONE)), (NOERROR,)),
    Hostile("bytes that differ by 32 and are no letters", ask(name_to_wire("\\123x." + ZONE)), (NXDOMAIN,)),
    Hostile("the root", ask(b"\0"), (REFUSED,)),
]


def cookie(size):
    return with_opt(opt_record(options=option(COOKIE, b"c" * size)))


EDNS = [
    Hostile("two OPT records", with_opt(opt_record() * 2, 2), (FORMERR,)),
    Hostile("OPT with an owner", with_opt(opt_record(owner=HOST)), BROKEN),
    Hostile("OPT with a pointer to the root as owner", with_opt(opt_record(owner=b"\xc0" + bytes(
        [12 + len(HOST) - 1]))), (FORMERR, SILENCE, NOERROR)),
    Hostile("OPT in the answer section", ask(an=1) + opt_record(), BROKEN),
    Hostile("OPT in the authority section", ask(ns=1) + opt_record(), BROKEN),
    Hostile("OPT cut in its header", with_opt(opt_record()[:7]), BROKEN),
    Hostile("OPT with rdata past the end", with_opt(opt_record()[:-2] + b"\0\x10"), BROKEN),
    Hostile("option length past the end of OPT", with_opt(opt_record(options=b"\0\3\0\x20abc")), BROKEN),
    Hostile("option cut after its code", with_opt(opt_record(options=b"\0\3")), BROKEN),
    Hostile("option cut in its length", with_opt(opt_record(options=b"\0\3\0")), BROKEN),
    Hostile("unknown option", with_opt(opt_record(options=option(65001, b"x" * 40))), (NOERROR,)),
    Hostile("hundred unknown options", with_opt(opt_record(options=option(65001, b"x") * 100)), (NOERROR,)),
    Hostile("unknown flags", with_opt(opt_record(flags=0x7FFF)), (NOERROR,)),
    Hostile("rcode bits in the OPT of a query", with_opt(opt_record(rcode=255)), (NOERROR,)),
    Hostile("version 1", with_opt(opt_record(version=1)), (BADVERS,)),
    Hostile("version 255", with_opt(opt_record(version=255)), (BADVERS,)),
    Hostile("version 1 and an unreadable option",
            with_opt(opt_record(version=1, options=b"\0\3\0\x20abc")), (BADVERS, FORMERR, SILENCE)),
    Hostile("size 0", with_opt(opt_record(size=0)), (NOERROR,)),
    Hostile("size 511", with_opt(opt_record(size=511)), (NOERROR,)),
    Hostile("size 65535", with_opt(opt_record(size=65535)), (NOERROR,)),
    Hostile("garbage behind the question", ask() + b"garbage", (FORMERR, SILENCE, NOERROR)),
    Hostile("one byte behind the question", ask() + b"\0", (FORMERR, SILENCE, NOERROR)),
    Hostile("garbage behind OPT", with_opt(opt_record()) + b"garbage", (FORMERR, SILENCE, NOERROR)),
    Hostile("record behind OPT", with_opt(opt_record() + record(), 2), (FORMERR, SILENCE, NOERROR)),
    Hostile("record before OPT", with_opt(record() + opt_record(), 2), (FORMERR, SILENCE, NOERROR)),
    Hostile("TSIG of nobody", with_opt(record(b"\3key\0", 250, 255, b"\0" * 20)), (FORMERR, SILENCE, 9, REFUSED)),
    Hostile("cookie of 8 bytes", cookie(8), (NOERROR,)),
    Hostile("cookie of 16 bytes of a stranger", cookie(16), (NOERROR, 23)),
    Hostile("cookie of 40 bytes of a stranger", cookie(40), (NOERROR, 23)),
] + [Hostile("cookie of %d bytes" % size, cookie(size), (FORMERR,))
     for size in [0, *range(1, 8), *range(9, 16), 41, 60, 1000]]
