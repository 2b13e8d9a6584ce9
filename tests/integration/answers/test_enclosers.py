# SPDX-License-Identifier: Apache-2.0
"""Names that are not there, below more enclosers than a thread remembers.

Proofs of an encloser are kept between queries; places for them are few and shared. So batches are asked
in which many zones take turns, and every reply is compared with the store.
"""
import os
import random
import struct
import subprocess

import pytest

import signing
import stele

ZONES = 40      # some share a place, and most zones are remembered all the same
QUERIES = 20000
RUNS = 6        # who shares a place with whom depends on where the image lies in memory
DO = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def query(name, kind):
    return struct.pack("!6H", 0, 0, 1, 0, 0, 1) + wire(name) + struct.pack("!2H", kind, 1) + DO


def check_run(image, store, stream):
    done = subprocess.run([stele.binary(), "answer", image, "--check-store", store], input=stream,
                          capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    replies, at = 0, 0
    while at < len(done.stdout):
        size = struct.unpack_from("!H", done.stdout, at)[0]
        rcode = done.stdout[at + 5] & 15
        assert size > 0 and rcode in (0, 3)
        replies += 1
        at += 2 + size
    assert replies == QUERIES


def test_many_enclosers_in_a_batch(tmp_path):
    build = os.environ.get("STELE_BUILD_DIR", os.path.join(stele.ROOT, "build"))
    zones = tmp_path / "zones"
    subprocess.run([os.path.join(build, "benchmarks/generate"), "hosting", "--names", str(ZONES),
                    "--denial", "nsec3", "-o", zones], check=True, capture_output=True)
    store, image = tmp_path / "store", tmp_path / "image"
    stele.run("import", "--store", store, "--zone-list", zones / "zones.list")
    stele.run("build", "--store", store, "-o", image)
    apexes = [line.split()[0] for line in (zones / "zones.list").read_text().splitlines()]
    assert len(apexes) >= ZONES
    draw = random.Random(1)
    queries = []
    for _ in range(QUERIES):
        labels = ["".join(draw.choices("abcdefgh", k=9)) for _ in range(draw.choice([1, 1, 1, 2, 3]))]
        queries.append(query(".".join(labels + [draw.choice(apexes)]), draw.choice([1, 28, 43, 255])))
    stream = b"".join(struct.pack("!H", len(q)) + q for q in queries)
    for _ in range(RUNS):
        check_run(image, store, stream)


@pytest.mark.parametrize("signatures", [10, 22, 30, 100])
def test_a_soa_with_many_signatures(tmp_path, signatures):
    """More pointers, or more bytes, than are kept: it is the same below names of any length."""
    text = "$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"
    text += "".join("@ RRSIG SOA 13 2 300 20301231000000 20200101000000 %d @ AAAA\n" % tag for tag in range(signatures))
    (tmp_path / "zone").write_text(text)
    apexes = ["z%d.test" % i for i in range(12)]
    for apex in apexes:
        stele.run("import", "--store", tmp_path / "store", "--zone", apex, tmp_path / "zone")
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    asked = [query("g" * length + "." + apex, 1) for length in (3, 3, 9, 5) for apex in apexes]
    stream = b"".join(struct.pack("!H", len(message)) + message for message in asked * 8)
    done = subprocess.run([stele.binary(), "answer", tmp_path / "image", "--check-store", tmp_path / "store", "--tcp"],
                          capture_output=True, input=stream)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]


def test_what_less_of_a_proof_left(tmp_path, peers_installed):
    """That a cut has no DS takes two of the three records that a name takes which is not there."""
    (tmp_path / "zone").write_text("$TTL 300\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\nsub NS ns.other.\n")
    signed = signing.sign_knot("z.test.", str(tmp_path / "zone"), str(tmp_path), denial="optout")
    stele.run("import", "--store", tmp_path / "store", "--zone", "z.test.", signed)
    stele.run("build", "--store", tmp_path / "store", "-o", tmp_path / "image")
    asked = [query(name + ".z.test", 1) for name in ("www.sub", "gone", "www.sub", "gone")]
    alone = [stele.ask_each(tmp_path / "image", [message])[0] for message in asked]
    assert stele.ask_each(tmp_path / "image", asked) == alone
    assert stele.ask_each(tmp_path / "image", asked[::-1]) == alone[::-1]
