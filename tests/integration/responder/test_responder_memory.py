# SPDX-License-Identifier: Apache-2.0
"""Updates do not double memory: what they replace is used again, so an image and a quarter more is enough."""
import pytest

import dnswire
import responder
import stele

HOSTS, ZONES, TURNS = 400_000, 96, 24
MIB = 1 << 20
# What a load takes for a moment, for lists and the copies of pages, and an allocator keeps.
OTHER_KB = 8 << 10

pytestmark = pytest.mark.usefixtures("namespaces")


class Changing:
    """An image of many names, in which small zones change, each in shards of its own."""

    def __init__(self, folder):
        self.folder, self.store, self.path = folder, folder / "store", folder / "image"
        self.write("large.test", "".join("h%d A 192.0.2.%d\n" % (i, i % 250) for i in range(HOSTS)))
        for number in range(ZONES):
            self.change(number, 0)
        stele.run("build", "--store", self.store, "-o", self.path)

    def write(self, zone, hosts, serial=1):
        file = self.folder / "zone"
        file.write_text("$ORIGIN %s.\n$TTL 60\n@ SOA ns h %d 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n%s"
                        % (zone, serial, hosts))
        stele.run("import", "--store", self.store, "--zone", zone, file)

    def change(self, number, turn):
        self.write("z%d.test" % number, "www A 198.51.100.%d\n" % turn, 1 + turn)


def own_kb(pid):
    """Resident, and not of a file that the page cache has anyway."""
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("RssAnon:", "RssShmem:")))


def test_room_for_a_quarter_is_enough(tmp_path, monkeypatch):
    # What the sanitizer holds back of freed memory would count too.
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
    image = Changing(tmp_path)
    size = image.path.stat().st_size
    arena_mib = size * 5 // 4 // MIB + 1
    assert arena_mib >= 16

    def change(config):
        config["memory"]["image_arena"] = "%dM" % arena_mib

    with responder.Node(image.path, change=change) as node:
        responder.wait_until(lambda: node.request("status")["image"]["served_from"] == "arena")
        before, most, replaced = own_kb(node.process.pid), 0, 0
        for turn in range(1, TURNS + 1):
            numbers = [(turn * 4 + i) % ZONES for i in range(4)]
            for number in numbers:
                image.change(number, turn)
            stele.run("update", "--store", image.store, image.path)
            answer = node.load(image.path)
            assert answer["ok"], answer
            replaced += answer["bytes_copied"]
            most = max(most, own_kb(node.process.pid))
            asked = [dnswire.query("www.z%d.test." % number, "A") for number in numbers]
            assert [dnswire.last_address(reply) for reply in node.ask(asked)] == ["198.51.100.%d" % turn] * 4
        assert replaced > size    # all of it once, by what was copied
        print("%d KB of an image of %d KB replaced; at first %d KB resident, at most %d"
              % (replaced // 1024, size // 1024, before, most))
        assert most - before < size // 4 // 1024 + OTHER_KB
        assert node.request("status")["arena"]["used_max"] <= arena_mib * MIB
