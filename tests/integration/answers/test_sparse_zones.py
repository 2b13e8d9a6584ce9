# SPDX-License-Identifier: Apache-2.0
"""Zones with many more empty non-terminals than owners, such as a reverse zone of IPv6."""

import json
import random

import stele

SEED = "00112233445566778899aabbccddeeff"


def load(folder, hosts, serial):
    zone = folder / "zone"
    lines = ["$TTL 300", "@ SOA ns.test. h.test. %d 1 1 1 1" % serial, "@ NS ns.test."]
    lines += ["%s PTR host.test." % ".".join(host) for host in hosts]
    zone.write_text("\n".join(lines) + "\n")
    stele.run("import", "--store", folder / "store", "--zone", "8.b.d.0.1.0.0.2.ip6.arpa", zone)


def test_a_host_more_is_appended(tmp_path):
    """Shards are as many as all names need, those without records too: if not, each update would build anew."""
    rng = random.Random("sparse")
    hosts = ["%024x" % rng.getrandbits(96) for _ in range(2500)]
    image, fresh = tmp_path / "image", tmp_path / "fresh"
    load(tmp_path, hosts[:-2], 1)
    stele.run("build", "--store", tmp_path / "store", "-o", image, "--seed", SEED)
    for serial, cnt in ((2, len(hosts) - 1), (3, len(hosts))):
        load(tmp_path, hosts[:cnt], serial)
        done = json.loads(stele.run("update", "--store", tmp_path / "store", "--json", image).stdout)
        assert done["result"] == "appended", done
    stele.run("verify", image)
    stele.run("build", "--store", tmp_path / "store", "-o", fresh, "--seed", SEED, "--jobs", "1")
    assert stele.run("dump", image).stdout == stele.run("dump", fresh).stdout


def test_the_number_of_threads_makes_no_difference(tmp_path):
    rng = random.Random("threads")
    load(tmp_path, ["%024x" % rng.getrandbits(96) for _ in range(4000)], 1)
    images = [tmp_path / jobs for jobs in ("1", "2", "5")]
    for image in images:
        stele.run("build", "--store", tmp_path / "store", "-o", image, "--seed", SEED, "--jobs", image.name)
    stats = json.loads(stele.run("stats", "--json", images[0]).stdout)
    assert stats["names"] > 4096 * 8
    assert all(image.read_bytes() == images[0].read_bytes() for image in images)
