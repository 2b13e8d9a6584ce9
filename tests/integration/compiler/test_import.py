# SPDX-License-Identifier: Apache-2.0
"""stele-compile import as an operator meets it: errors, positions, statuses, all or nothing."""
import glob
import json
import os
import resource
import subprocess

import pytest

import peers
import stele
from importing import HASH, HEAD, export, importing, stores_nothing, write

ZONES = os.path.join(stele.ROOT, "tests", "differential", "zones")


@pytest.fixture
def store(tmp_path):
    return str(tmp_path / "store")


# what follows HEAD: line:column of the error, a part of its text
REFUSED = {
    "cname and other data": ("a CNAME b\na A 192.0.2.2\n", "6:3", "CNAME beside A"),
    "other data and cname": ("a TXT x\na CNAME b\n", "6:3", "CNAME beside TXT"),
    "cname and key": ("a CNAME b\na KEY 256 3 8 AAEC\n", "6:3", "CNAME beside KEY"),
    "two cnames": ("a CNAME b\na CNAME c\n", "6:3", "second CNAME"),
    "two dnames": ("a DNAME b\na DNAME c\n", "6:3", "second DNAME"),
    "data below a dname": ("a DNAME b\nx.a A 192.0.2.2\n", "6:1", "below the DNAME"),
    "out of zone": ("www.other. A 192.0.2.2\n", "5:1", "outside the zone"),
    "two soas": ("@ SOA ns h 8 1 1 1 1\n", "5:3", "second SOA"),
    "soa below the apex": ("a SOA ns h 8 1 1 1 1\n", "5:3", "SOA at a.example."),
    "label too long": ("x" * 64 + " A 192.0.2.2\n", "5:1", "label is too long"),
    "name too long": (".".join(["x" * 63] * 4) + " A 192.0.2.2\n", "5:1", "name is too long"),
    "name in data too long": ("a NS " + ".".join(["x" * 63] * 4) + ".\n", "5:6", "name is too long"),
    "address": ("a A 192.0.2.256\n", "5:5", "bad IPv4 address"),
    "number": ("a MX 65536 ns\n", "5:6", "bad number '65536' (expected 0 to 65535)"),
    "base64": ("a DNSKEY 257 3 8 AA*=\n", "5:18", "bad base64"),
    "base64 in parentheses": ("a DNSKEY 257 3 8 (\n AAEC\n AA ) ; two digits\n", "7:2", "bad base64"),
    "hex": ("a DS 1 8 2 abc\n", "5:12", "hexadecimal"),
    "unknown type": ("a IN FOO x\n", "5:6", "unknown record type 'FOO'"),
    "class": ("a CH TXT x\n", "5:3", "class 'CH' (expected IN)"),
    "ends too early": ("a MX 1 ; nothing\n", "5:17", "ends too early"),
    "more behind": ("a A 192.0.2.2 192.0.2.3\n", "5:15", "behind the data"),
    "open parenthesis": ("a TXT ( x\n\n", "5:7", "never closed"),
    "open string": ('a TXT "x\n', "5:7", "not closed"),
    "nul byte": ("a TXT x \0\n", "5:9", "NUL byte"),
    "nsec3 owner": (f"a NSEC3 1 0 0 - {HASH}\n", "5:1", "no hash"),
    "nsec3 iterations": (f"{HASH} NSEC3 1 0 501 - {HASH}\n", "5:34", "iterations 501"),
    "nsec3 of two chains": (f"{HASH} NSEC3 1 0 0 AB {HASH}\n{HASH} NSEC3 1 0 0 - {HASH}\n", "6:34",
                            f"NSEC3 records of two chains at {HASH}.example."),
    "large rrset": ("".join(f"a TXT {i:03}{'x' * 247}\n" for i in range(260)), "5:3", "68380 bytes"),
    "signatures": ("a A 192.0.2.2\n" + "".join(
        f"a RRSIG A 8 2 300 20380101000000 20200101000000 {i} @ AA==\n" for i in range(256)),
                   "6:3", "RRset a.example. A has 256 signatures"),
    "generate": ("$GENERATE 5-1 a$ A 192.0.2.$\n", "5:11", "bad range"),
    "directive": ("$FOO\n", "5:1", "unknown directive"),
    "include of nothing": ("$INCLUDE nothing.zone\n", "5:10", "cannot read"),
    "include of itself": ("$INCLUDE z.zone\n", "5:10", "$INCLUDE loop"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path, store):
    text, place, part = REFUSED[name]
    good = write(tmp_path, HEAD + "a A 192.0.2.9\n", "good.zone")
    assert importing("--store", store, "--zone", "example", good).returncode == 0
    before = export(store)
    path = write(tmp_path, HEAD + text)
    done = importing("--store", store, "--zone", "example", path)
    errors = [line for line in done.stderr.decode().splitlines() if ": warning: " not in line]
    assert done.returncode == 1
    assert errors[0].startswith(f"stele-compile: {path}:{place}: ") and part in errors[0], errors
    assert "(expected" in errors[0]
    assert errors[-1].endswith("nothing was stored")
    assert done.stdout == b""
    assert export(store) == before


@pytest.mark.parametrize("text, part", [
    ("@ 5 NS ns.other.\n", "no SOA record"),
    ("@ 5 SOA ns h 7 1 1 1 1\n", "no NS record"),
    ("", "no SOA record"),
])
def test_no_apex(text, part, tmp_path, store):
    path = write(tmp_path, text)
    done = importing("--store", store, "--zone", "example", path)
    assert done.returncode == 1
    assert f"{path}:1:1: {part}" in done.stderr.decode()
    assert stores_nothing(store)


WARNED = {
    "ttls": ("a 5 A 192.0.2.2\na 6 A 192.0.2.3\n", "6:5", "TTLs 5 and 6"),
    "glue": ("sub NS ns.sub\n", "5:5", "no glue of name server ns.sub.example."),
    "ns to cname": ("sub NS c\nc CNAME ns\n", "5:5", "NS points to c.example."),
    "mx to cname": ("@ MX 1 c\nc CNAME ns\n", "5:3", "MX points to c.example."),
    "expired": ("a A 192.0.2.2\na RRSIG A 8 2 300 20200102000000 20200101000000 1 @ AA==\n", "6:3",
                "expired 20200102000000"),
    "key": ("@ DNSKEY 257 3 13 AAEC\n", "5:3", "no DNSKEY of algorithm 13"),
    "nsec": ("@ NSEC ns NS SOA NSEC\n", "4:1", "no NSEC at ns.example."),
    "nsec3": ("@ NSEC3PARAM 1 0 0 -\n", "5:3", "no NSEC3"),
}


@pytest.mark.parametrize("name", WARNED)
def test_warned(name, tmp_path, store):
    text, place, part = WARNED[name]
    path = write(tmp_path, HEAD + text)
    done = importing("--store", store, "--zone", "example", path)
    warnings = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert any(w.startswith(f"stele-compile: warning: {path}:{place}: ") and part in w
               for w in warnings), warnings
    assert done.stdout.decode().startswith("imported example. serial 7: ")


def test_many_warnings_are_counted(tmp_path, store):
    path = write(tmp_path, HEAD + "".join(f"d{i} NS ns.d{i}\n" for i in range(2000)))
    warnings = importing("--store", store, "--zone", "example", path).stderr.decode().splitlines()
    assert len(warnings) == 11
    assert warnings[-1] == "stele-compile: warning: … and 1,990 more name servers without address"


def test_many_errors_stop(tmp_path, store):
    path = write(tmp_path, HEAD + "a A x\n" * 1000)
    errors = importing("--store", store, "--zone", "example", path).stderr.decode().splitlines()
    assert len(errors) == 21


def test_serial(tmp_path, store):
    path = write(tmp_path, HEAD)
    for text, warned in [(HEAD, False), (HEAD, False), (HEAD + "a A 192.0.2.2\n", True),
                         (HEAD.replace(" 7 ", " 6 "), True), (HEAD.replace(" 7 ", " 9 "), False)]:
        write(tmp_path, text)
        done = importing("--store", store, "--zone", "example", path)
        assert done.returncode == 0
        assert (b"does not increase" in done.stderr) == warned, text


def test_summary_and_json(tmp_path, store):
    path = write(tmp_path, HEAD)
    done = importing("--store", store, "--zone", "example", path)
    assert done.stdout.decode().startswith("imported example. serial 7: 2 names, 3 records in ")
    result = json.loads(importing("--store", store, "--zone", "example", "--json", path).stdout)
    assert result["zones"] == [{"zone": "example.", "serial": 7, "names": 2, "records": 3,
                                "changed": False}]
    assert (result["names"], result["records"], result["warnings"]) == (2, 3, 0)


def test_name_from_soa_and_standard_input(tmp_path, store):
    text = "$ORIGIN eXample.\n" + HEAD
    done = importing("--store", store, "-", stdin=text.encode())
    assert done.returncode == 0 and b"imported example." in done.stdout
    assert importing("--store", store, "-", stdin=HEAD.encode()).returncode == 1
    done = importing("--store", store, "--zone", "example", "-", stdin=HEAD.encode() + b"a A x\n")
    assert done.stderr.startswith(b"stele-compile: -:5:5: ")


def test_line_endings(tmp_path, store):
    plain = write(tmp_path, HEAD)
    importing("--store", store, "--zone", "example", plain)
    expected = export(store)
    for text in [HEAD.replace("\n", "\r\n"), HEAD.rstrip("\n"), HEAD.replace(" ", "\t\t"),
                 "\n\n" + HEAD.replace("\n", " ; c\n\n")]:
        done = importing("--store", store, "--zone", "example", write(tmp_path, text, "other.zone"))
        assert done.returncode == 0, done.stderr
        assert export(store) == expected


# From 32 KiB on a file is mapped, before that it is read.
@pytest.mark.parametrize("size", [pages * 4096 + by for pages in (1, 8, 9) for by in range(-2, 3)])
def test_file_that_fills_its_page(size, tmp_path, store):
    text = HEAD.encode() + b"a TXT x ;"
    text += b"c" * (size - len(text))
    done = importing("--store", store, "--zone", "example", write(tmp_path, text))
    assert done.returncode == 0 and b"3 names, 4 records" in done.stdout


def test_include(tmp_path, store):
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", "x A 192.0.2.7\n$INCLUDE more.zone deeper\n A 192.0.2.8\n", "in.zone")
    write(tmp_path / "sub", "y A 192.0.2.9\n", "more.zone")
    path = write(tmp_path, HEAD + "a A 192.0.2.2\n$INCLUDE sub/in.zone inside\n AAAA ::1\n")
    done = importing("--store", store, "--zone", "example", path)
    assert done.returncode == 0, done.stderr
    owners = [line.split()[0] for line in export(store).splitlines() if "192.0.2" in line]
    assert set(owners) == {"ns.example.", "a.example.", "x.inside.example.",
                           "y.deeper.inside.example."}
    assert [line.split()[0] for line in export(store).splitlines() if "::1" in line] == ["a.example."]
    # An error is told from the file in which it is.
    write(tmp_path / "sub", "\ny A x\n", "more.zone")
    done = importing("--store", store, "--zone", "example", path)
    assert f"{tmp_path}/sub/more.zone:2:5: " in done.stderr.decode()
    # A loop over two files.
    write(tmp_path / "sub", "$INCLUDE ../z.zone\n", "more.zone")
    done = importing("--store", store, "--zone", "example", path)
    assert done.returncode == 1 and b"more.zone:1:10: $INCLUDE loop" in done.stderr


@pytest.mark.parametrize("part", (lambda size: size, lambda size: size // 2), ids=("written to", "cut"))
@pytest.mark.parametrize("outer", ("", "outer.zone"), ids=("alone", "included"))
def test_a_file_that_changes_while_it_is_read(outer, part, tmp_path, store):
    """It would be a zone that nobody has written, of what was there and of what came. Small files are read at once."""
    os.mkfifo(tmp_path / "more")
    path = write(tmp_path, HEAD + "$INCLUDE more\n" + "".join("h%d A 192.0.2.1\n" % i for i in range(10000)))
    zone = write(tmp_path, "$INCLUDE z.zone\n", outer) if outer else path
    with subprocess.Popen([stele.binary(), "import", "--store", store, "--zone", "example", zone],
                          stderr=subprocess.PIPE, text=True) as process:
        with open(tmp_path / "more", "w", encoding="ascii"):
            text = (tmp_path / "z.zone").read_bytes().replace(b"192.0.2.1", b"192.0.2.2")
            with open(path, "r+b") as file:     # not another file in its place
                file.write(text)
                file.truncate(part(len(text)))
        errors = process.communicate()[1]
    assert process.returncode in (1, 3), errors
    assert "while it was read" in errors, errors
    assert stores_nothing(store)


def test_statuses(tmp_path, store):
    path = write(tmp_path, HEAD)
    assert importing("--help").returncode == 0
    for arguments in [[path], ["--store", store], ["--store", store, "--zone", "a..b", path],
                      ["--store", store, "--zone", "a", path, "--zone", "b", path],
                      ["--store", store, "--zone-list", path, path], ["--store", store, "--foo"]]:
        assert importing(*arguments).returncode == 2, arguments
    assert importing("--store", store, "--zone", "example", tmp_path / "none").returncode == 1
    assert importing("--store", "/sys/none", "--zone", "example", path).returncode == 3


def test_devices(tmp_path, store):
    """They may have no end."""
    done = importing("--store", store, "--zone", "example", "/dev/zero")
    assert done.returncode == 1 and done.stderr == b"stele-compile: /dev/zero: Is a device\n"
    path = write(tmp_path, HEAD + "$INCLUDE /dev/zero\n")
    done = importing("--store", store, "--zone", "example", path)
    assert done.returncode == 1
    assert b"z.zone:5:10: cannot read '/dev/zero': Is a device" in done.stderr
    assert stores_nothing(store)


def test_a_pipe_without_end(tmp_path, store):
    """Its bytes are in memory at once, so that there has to be an end."""
    if stele.is_sanitized():
        pytest.skip("a sanitizer's shadow is more than the limit allows")
    room = 256 << 20
    with subprocess.Popen(["yes", ";" + "x" * 4000], stdout=subprocess.PIPE) as source:
        done = subprocess.run([stele.binary(), "import", "--store", store, "--zone", "example", "-"],
                              stdin=source.stdout, stderr=subprocess.PIPE,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (room, room)))
        source.stdout.close()
    assert done.returncode == 1, done
    assert done.stderr.startswith(b"stele-compile: -: more than %d bytes" % (room // 2)) and stores_nothing(store)


# Names and data that mean something in a zone file, or nothing anywhere.
ODD = HEAD + r"""
\000 A 192.0.2.2
\255.\@ A 192.0.2.2
a\.b.c\\d.\"e\" A 192.0.2.2
\$ORIGIN A 192.0.2.2
\; TXT ";" "\"" "\\" "\000\010\255" ""
\(\).\032x\009 NS \@
\*.a TXT "no wildcard is meant, but one it is"
*.*.b CNAME UPPER.Case.\065.
in A 192.0.2.2
7 TXT digits
\$x TXT dollar
@ TYPE65280 \# 0
@ TYPE65280 \# 5 00ff10abcd
@ TYPE32 \# 2 abcd
a TYPE1 \# 4 c0000202
a AMTRELAY \# 3 01 7f ff
a AMTRELAY 10 1 3 Relay
a RESINFO qnamemin exterr=15-17
a IPN 18446744073709551615
a DOA 1 2 3 "" -
a DSYNC CDS NOTIFY 5300 Scanner
a HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.2 key65000=a\\,b
a NAPTR 1 2 "u" "" "!^.*$!sip:a@b!" .
a LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
a CAA 128 issue "ca.example; a=\"b\""
a URI 10 1 "ftp://x/\\"
a NSEC \000.a A NSEC TYPE65280
a RRSIG TYPE65280 13 2 300 20380119031408 20200101000000 1 Example. AA==
""" + "x" * 63 + " A 192.0.2.2\n" + ".".join(["y" * 63] * 3 + ["z" * 52]) + " A 192.0.2.2\n"

ROOT_SZ, SEED = 256, "00112233445566778899aabbccddeeff"
ROUND_TRIPS = {os.path.relpath(path, stele.ROOT): path
               for folder in ("differential", "golden", "fuzz")
               for path in sorted(glob.glob(os.path.join(stele.ROOT, "tests", folder, "zones", "*.zone")))}


def carved(store, image):
    """All that an image of the store serves, as bytes that are the same for the same records."""
    stele.run("build", "--store", store, "-o", image, "--seed", SEED, "--jobs", 1)
    data = image.read_bytes()
    root = bytearray(data[-ROOT_SZ:])
    for begin, end in [(8, 12), (32, 40), (112, 136)]:   # checksum, generation, identity and mark
        root[begin:end] = bytes(end - begin)
    return data[64:-ROOT_SZ] + bytes(root)


@pytest.mark.parametrize("name", ["odd", *ROUND_TRIPS])
def test_round_trip(name, tmp_path, store):
    """What is exported is imported as the same, in canonical order and in any other."""
    if name == "odd":
        zone, path = "example.", write(tmp_path, ODD)
    else:
        zone, path = os.path.basename(name)[:-len(".zone")], ROUND_TRIPS[name]
        zone = "." if zone == "root" else zone
    done = importing("--store", store, "--zone", zone, path)
    assert done.returncode == 0, done.stderr
    text = export(store, zone)
    lines = [line for line in text.splitlines() if line and line[0] not in ";$"]
    directives = "".join(line + "\n" for line in text.splitlines() if line.startswith("$"))
    orders = [text]
    if all(line[0] not in " \t" for line in lines):
        orders.append(directives + "\n".join(reversed(lines)))
    before = carved(store, tmp_path / "before.image")
    for i, order in enumerate(orders):
        other = str(tmp_path / f"other{i}")
        done = importing("--store", other, "--zone", zone, write(tmp_path, order, f"again{i}"))
        assert done.returncode == 0, done.stderr
        assert export(other, zone) == text
        assert carved(other, tmp_path / f"other{i}.image") == before


# Do others take it too? Where they differ from one another or from us, the reason stands here.
# text behind HEAD: ours, then who does otherwise
ACCEPTANCE = {
    "plain": ("a A 192.0.2.2\n", True, ()),
    "generic": ("a TYPE1234 \\# 3 abcdef\nb A \\# 4 c0000202\n", True, ()),
    "units": ("a 1h30m A 192.0.2.2\n", True, ()),
    "class behind the TTL": ("a 5 IN A 192.0.2.2\n", True, ()),
    "class before the TTL": ("a IN 5 A 192.0.2.2\n", True, ("ldns-read-zone",)),
    "escapes": ("a\\.b\\046c TXT \"\\034\\\\\" x\\;y\n", True, ()),
    "parentheses": ("a MX ( 1 ; c\n\n  ns )\n", True, ()),
    "svcb": ("a HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.2\n", True, ()),
    "caa": ("a CAA 0 issue \"ca.example; a=b\"\n", True, ()),
    "wildcard": ("*.a A 192.0.2.2\n*.*.a A 192.0.2.2\n", True, ()),
    "duplicates": ("a A 192.0.2.2\na A 192.0.2.2\n", True, ()),
    "address with five numbers": ("a A 1.2.3.4.5\n", False, ()),
    "ipv6": ("a AAAA 1::2::3\n", False, ()),
    "empty label": ("a..b A 192.0.2.2\n", False, ()),
    "long label": ("x" * 64 + " A 192.0.2.2\n", False, ()),
    "unknown type": ("a FOO x\n", False, ()),
    "base64": ("a DNSKEY 257 3 8 AA*=\n", False, ()),
    "missing data": ("a MX 1\n", False, ()),
    # Taken modulo 2^16.
    "number out of range": ("a MX 65536 ns\n", False, ("nsd-checkzone", "ldns-read-zone")),
    "cname and other data": ("a CNAME b\na A 192.0.2.2\n", False, ("ldns-read-zone",)),
    # Knot leaves such records out and loads the rest; ldns reads records, not zones.
    "out of zone": ("www.other. A 192.0.2.2\n", False, ("kzonecheck", "ldns-read-zone")),
}


@pytest.mark.parametrize("name", ACCEPTANCE)
def test_acceptance(name, tmp_path, store):
    text, accepted, others = ACCEPTANCE[name]
    # ldns has no origin of its own.
    path = write(tmp_path, "$ORIGIN example.\n" + HEAD + text)
    assert (importing("--store", store, "--zone", "example", path).returncode == 0) == accepted
    for program, arguments in [("kzonecheck", ["-o", "example", path]),
                               ("nsd-checkzone", ["example", path]), ("ldns-read-zone", [path])]:
        found = peers.find(program)
        if not found:
            continue
        done = subprocess.run([found, *arguments], capture_output=True)
        takes_it = done.returncode == 0
        if program == "ldns-read-zone":
            takes_it &= b"rror" not in done.stderr
        assert takes_it == (accepted != (program in others)), (program, done.stdout, done.stderr)


@pytest.mark.parametrize("padding", [0, 100000], ids=["small", "large"])
@pytest.mark.parametrize("is_included", [False, True], ids=["outer", "included"])
def test_a_file_that_changes_while_it_is_read(is_included, padding, tmp_path, store):
    """Whether it is mapped or read into memory: what was seen of it may be some of before and some of behind."""
    os.mkfifo(tmp_path / "fifo")
    changing = write(tmp_path, HEAD + "$INCLUDE fifo\n;" + "x" * padding + "\n", "changing")
    outer = write(tmp_path, "$INCLUDE changing\n", "outer") if is_included else changing
    with subprocess.Popen([stele.binary(), "import", "--store", store, "--zone", "example", outer],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        with open(tmp_path / "fifo", "w", encoding="ascii") as fifo:    # it has begun with the file
            os.truncate(changing, len(HEAD))
            fifo.write("a A 192.0.2.2\n")
        errors = process.communicate()[1]
    assert process.returncode == 1 and stores_nothing(store)
    assert b"changed while it was read" in errors, errors


def test_a_failure_leaves_no_new_store(tmp_path, store):
    """Neither one that was never needed nor one of which half was written; a folder that was there stays."""
    good, bad = write(tmp_path, "$ORIGIN one.\n" + HEAD, "1"), write(tmp_path, "$ORIGIN two.\n" + HEAD + "a A x\n", "2")
    for files in ([str(tmp_path / "none")], [bad], [good, bad]):
        assert importing("--store", store, *files).returncode == 1
        assert not os.path.exists(store)
    os.mkdir(store)
    assert importing("--store", store, good, bad).returncode == 1
    assert os.listdir(store) == []
    assert importing("--store", store, good).returncode == 0
    assert importing("--store", store, bad).returncode == 1
    assert export(store, "one")
