# SPDX-License-Identifier: Apache-2.0
"""DNS messages as bytes: build queries, parse replies into comparable values.

The differential tests read some hundred thousand replies, so this parser does only what a comparison
needs: names are decompressed and lower-cased (owner names, and names inside the rdata of the types
that RFC 4034 6.2 lists), everything else stays opaque. dnspython is used only to print a message.
"""
import struct
from typing import NamedTuple, Optional

TYPES = {
    "A": 1, "NS": 2, "MD": 3, "MF": 4, "CNAME": 5, "SOA": 6, "MB": 7, "MG": 8, "MR": 9, "NULL": 10,
    "PTR": 12, "HINFO": 13, "MINFO": 14, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "RT": 21,
    "SIG": 24, "KEY": 25, "PX": 26, "AAAA": 28, "LOC": 29, "NXT": 30, "SRV": 33, "NAPTR": 35,
    "KX": 36, "CERT": 37, "DNAME": 39, "OPT": 41, "APL": 42, "DS": 43, "SSHFP": 44, "RRSIG": 46,
    "NSEC": 47, "DNSKEY": 48, "DHCID": 49, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "SMIMEA": 53,
    "CDS": 59, "CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62, "ZONEMD": 63, "SVCB": 64, "HTTPS": 65,
    "DSYNC": 66, "SPF": 99, "EUI48": 108, "EUI64": 109, "IXFR": 251, "AXFR": 252, "ANY": 255,
    "URI": 256, "CAA": 257, "TYPE65280": 65280,
}
TYPE_NAMES = {value: name for name, value in TYPES.items()}

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
DO = 0x8000
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, BADVERS = 0, 1, 2, 3, 4, 5, 6, 16

# Where names stand in rdata: (bytes before, number of names). NAPTR is handled by itself.
NAMES_IN_RDATA = {
    2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1), 9: (0, 1),
    12: (0, 1), 14: (0, 2), 15: (2, 1), 17: (0, 2), 18: (2, 1), 21: (2, 1), 24: (18, 1), 26: (2, 2),
    30: (0, 1), 33: (6, 1), 36: (2, 1), 39: (0, 1), 46: (18, 1), 47: (0, 1), 64: (2, 1), 65: (2, 1),
}
# RFC 3597 4: a sender compresses names only in the types of RFC 1035.
COMPRESSIBLE = {2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15}

LOWER = bytes(b + 32 if 65 <= b <= 90 else b for b in range(256))


class WireError(ValueError):
    """The message is not well-formed."""


class Reply(NamedTuple):
    """What of a reply is compared. Sections are sorted tuples of (owner, type, class, ttl, rdata)."""
    flags: int      # the 16 bits of the header without opcode and rcode
    opcode: int
    rcode: int      # extended by the OPT record
    question: tuple  # ((name as sent, type, class), ...)
    answer: tuple
    authority: tuple
    additional: tuple
    opt: Optional[tuple]  # (version, DO) or None
    size: int


# -- names ---------------------------------------------------------------------------------------
def name_to_wire(text):
    """Presentation form, with \\DDD and \\X escapes, to wire form. Case is kept."""
    if text in (".", ""):
        return b"\0"
    labels, label, i = [], bytearray(), 0
    raw = text.encode("latin-1")
    while i < len(raw):
        c = raw[i]
        if c == 0x5C:
            if raw[i + 1:i + 4].isdigit():
                label.append(int(raw[i + 1:i + 4]))
                i += 4
            else:
                label.append(raw[i + 1])
                i += 2
            continue
        if c == 0x2E:
            labels.append(bytes(label))
            label = bytearray()
        else:
            label.append(c)
        i += 1
    if label:
        labels.append(bytes(label))
    return b"".join(bytes([len(x)]) + x for x in labels) + b"\0"


def labels_of(wire):
    """The labels of an uncompressed wire-form name, leftmost first, without the root."""
    out, pos = [], 0
    while wire[pos]:
        out.append(wire[pos + 1:pos + 1 + wire[pos]])
        pos += 1 + wire[pos]
    return out


def from_labels(labels):
    return b"".join(bytes([len(x)]) + x for x in labels) + b"\0"


def name_to_text(wire):
    """Wire form to presentation form."""
    def show(label):
        return "".join(chr(b) if 0x21 <= b < 0x7F and b not in b'."\\;()@$' else "\\%03d" % b
                       for b in label)
    return "".join(show(x) + "." for x in labels_of(wire)) or "."


def is_below(name, ancestor):
    """True when the wire-form name is the ancestor or below it; both lower-case."""
    if not name.endswith(ancestor):
        return False
    labels, wanted = labels_of(name), labels_of(ancestor)
    return len(labels) >= len(wanted) and labels[len(labels) - len(wanted):] == wanted


# -- queries -------------------------------------------------------------------------------------
def opt_record(size=1232, do=False, version=0, rcode=0, options=b"", flags=0, owner=b"\0"):
    """An OPT record for the additional section."""
    ttl = rcode << 24 | version << 16 | (DO if do else 0) | flags
    return owner + struct.pack("!HHIH", 41, size, ttl, len(options)) + options


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def query(qname, qtype, edns=None, flags=0, qid=0, qclass=1, opcode=0, options=b"", size=1232):
    """A query. edns: None, "plain" (OPT without DO) or "do"."""
    if isinstance(qname, str):
        qname = name_to_wire(qname)
    if isinstance(qtype, str):
        qtype = TYPES[qtype]
    head = struct.pack("!HHHHHH", qid, flags | opcode << 11, 1, 0, 0, 1 if edns else 0)
    msg = head + qname + struct.pack("!HH", qtype, qclass)
    return msg + opt_record(size=size, do=edns == "do", options=options) if edns else msg


# -- replies -------------------------------------------------------------------------------------
def read_name(msg, pos, seen):
    """(lower-case wire name, position behind it). `seen` remembers names of this message by offset."""
    if pos in seen:
        return seen[pos]
    start, parts, end, budget = pos, [], None, 400
    while True:
        if pos >= len(msg):
            raise WireError("name runs past the end")
        n = msg[pos]
        if n == 0:
            parts.append(b"\0")
            pos += 1
            break
        if n < 64:
            parts.append(msg[pos:pos + 1 + n])
            pos += 1 + n
        elif n >= 192:
            if pos + 1 >= len(msg):
                raise WireError("pointer runs past the end")
            target = (n & 0x3F) << 8 | msg[pos + 1]
            if target >= pos:
                raise WireError("pointer at %d does not point backwards" % pos)
            end = end or pos + 2
            if target in seen:
                parts.append(seen[target][0])
                break
            pos = target
        else:
            raise WireError("label type 0x%02x" % n)
        budget -= 1
        if not budget:
            raise WireError("name too long")
    name = b"".join(parts).translate(LOWER)
    if len(name) > 255:
        raise WireError("name longer than 255 bytes")
    result = name, end or pos
    seen[start] = result
    return result


def read_rdata(msg, pos, end, rtype, seen, strict):
    """Rdata from pos to end with its names decompressed and lower-cased."""
    layout = NAMES_IN_RDATA.get(rtype)
    if layout:
        before, count = layout
        parts = [msg[pos:pos + before]]
        pos += before
    elif rtype == 35:
        start = pos
        pos += 4
        for _ in range(3):
            pos += 1 + msg[pos]
        parts, count = [msg[start:pos]], 1
    else:
        return msg[pos:end]
    for _ in range(count):
        name, after = read_name(msg, pos, seen)
        if strict and rtype not in COMPRESSIBLE and after - pos != len(name):
            raise WireError("compressed name in rdata of type %d" % rtype)
        parts.append(name)
        pos = after
    if pos > end:
        raise WireError("name runs past the rdata of type %d" % rtype)
    parts.append(msg[pos:end])
    return b"".join(parts)


def parse(msg, strict=False):
    """Bytes to Reply; WireError when malformed.

    strict: also refuse compression that RFC 3597 forbids, and records sent twice (RFC 2181 5), which the
    peers do in loops.
    """
    try:
        return _parse(msg, strict)
    except (IndexError, struct.error) as error:
        raise WireError("message is cut short") from error


def _parse(msg, strict):
    _, flags, qd, an, ns, ar = struct.unpack_from("!HHHHHH", msg)
    pos, seen, question = 12, {}, []
    for _ in range(qd):
        start = pos
        name, pos = read_name(msg, pos, seen)
        sent = msg[start:pos] if pos - start == len(name) else name
        question.append((sent,) + struct.unpack_from("!HH", msg, pos))
        pos += 4
    sections, opt, ext = [], None, 0
    for count in (an, ns, ar):
        records = []
        for _ in range(count):
            owner, pos = read_name(msg, pos, seen)
            rtype, rclass, ttl, size = struct.unpack_from("!HHIH", msg, pos)
            pos += 10
            if pos + size > len(msg):
                raise WireError("rdata runs past the end")
            if rtype == 41:
                if opt is not None or len(sections) != 2 or owner != b"\0":
                    raise WireError("misplaced or second OPT")
                opt, ext = (ttl >> 16 & 0xFF, bool(ttl & DO)), ttl >> 24
            else:
                rdata = read_rdata(msg, pos, pos + size, rtype, seen, strict)
                records.append((owner, rtype, rclass, ttl, rdata))
            pos += size
        whole = sorted(set(records))
        if strict and len(whole) != len(records):
            raise WireError("a record is sent twice")
        sections.append(tuple(whole))
    if pos != len(msg):
        raise WireError("%d bytes behind the last record" % (len(msg) - pos))
    return Reply(flags & 0x87F0, flags >> 11 & 15, flags & 15 | ext << 4, tuple(question),
                 *sections, opt, len(msg))


def last_address(msg):
    """The IPv4 address that a message ends with: the reply to a question for one, without EDNS."""
    return ".".join(map(str, msg[-4:]))


def show(msg):
    """A message as text, for a person who reads a failed test."""
    if msg is None:
        return "(no reply)"
    import dns.message
    try:
        return dns.message.from_wire(msg, ignore_trailing=True).to_text()
    except Exception as error:  # any malformed message must still be shown
        return "(%s) %s" % (error, msg.hex())
