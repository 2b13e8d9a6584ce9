# SPDX-License-Identifier: Apache-2.0
"""Catalog zones (RFC 9432): one daemon writes a catalog and another one reads it, and catalogs by hand."""
import os
import shutil
import signal

import dns.query
import dns.rcode
import dns.update
import pytest

import contents
import disks
import mgmtd

ZONE = """$TTL 300
@ SOA ns hostmaster %d 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
"""
HERE = {"id": "here", "prefixes": ["127.0.0.1"]}
EMPTY = """$TTL 0
@ SOA invalid. invalid. 1 3600 600 2147483646 0
@ NS invalid.
version TXT "2"
"""


def primary_config(*zones, notify=None):
    """Zones "name" or "name@template"; `cat` is written here, `own` is not listed."""
    remotes = [{"id": "secondary", "addresses": ["127.0.0.1"], "port": notify}] if notify else []
    told = {"notify": ["secondary"]} if notify else {}
    return {
        "acls": [HERE], "remotes": remotes,
        "templates": [
            {"id": "listed", "allow_transfer": ["here"], "catalog_zone": "cat.invalid", **told},
            {"id": "grouped", "allow_transfer": ["here"], "catalog_zone": "cat.invalid",
             "catalog_group": "special", **told},
            {"id": "own", "allow_transfer": ["here"], "allow_update": ["here"], **told},
            {"id": "catalog", "catalog": "producer", "allow_transfer": ["here"], **told},
        ],
        "zones": [{"name": "cat.invalid", "template": "catalog"}] + [
            {"name": zone.split("@")[0], "template": (zone + "@listed").split("@")[1]} for zone in zones],
    }


def secondary_config(port, *catalogs, **more):
    return {
        "acls": [HERE], "remotes": [{"id": "primary", "addresses": ["127.0.0.1"], "port": port}],
        "templates": [
            {"id": "catalog", "catalog": "consumer", "primaries": ["primary"], "catalog_template": "member",
             "catalog_groups": {"special": "special"}},
            {"id": "member", "primaries": ["primary"]},
            {"id": "special", "primaries": ["primary"], "allow_transfer": ["here"]},
            {"id": "own"},
        ],
        "zones": [{"name": name, "template": "catalog"} for name in catalogs] + more.get("zones", []),
    }


def members(daemon, catalog="cat.invalid"):
    return {name for name, zone in daemon.zones().items()
            if zone.get("catalog", "").rstrip(".") == catalog}


def test_written_and_read():
    data = {name: ZONE % 1 for name in ("a.test", "b.test", "c.test", "d.test")}
    with mgmtd.Daemon(primary_config("a.test", "b.test@grouped", "d.test@own"), data=data) as primary:
        primary.wait("cat.invalid", 1)
        with mgmtd.Daemon(secondary_config(primary.port, "cat.invalid")) as secondary:
            primary.reload(**primary_config("a.test", "b.test@grouped", "d.test@own",
                                            notify=secondary.port))
            secondary.wait("a.test", 1)
            secondary.wait("b.test", 1)
            assert members(secondary) == {"a.test", "b.test"}
            # The group's template lets zones be transferred, the other one does not.
            assert contents.transfer(secondary.port, "b.test") == contents.transfer(primary.port, "b.test")
            assert secondary.query("a.test", "AXFR", tcp=True).rcode() == dns.rcode.REFUSED
            assert secondary.query("d.test").rcode() == dns.rcode.REFUSED

            # One comes, one goes, one gets another group.
            primary.reload(**primary_config("a.test@grouped", "c.test", "d.test@own",
                                            notify=secondary.port))
            secondary.wait("c.test", 1)
            secondary.wait_for(lambda: members(secondary) == {"a.test", "c.test"})
            secondary.wait_for(lambda: secondary.query("b.test").rcode() == dns.rcode.REFUSED)
            secondary.wait_for(lambda: secondary.query("a.test", "AXFR", tcp=True).rcode() == 0)
            # Who reads what changed reads it once.
            assert secondary.log_text().count("audit what=add-zone zone=c.test.") == 1
            assert secondary.log_text().count("audit what=remove-zone zone=b.test.") == 1

            # It survives a restart of either, and of the catalog's primary being away.
            primary.end()
            secondary.restart()
            secondary.wait("a.test", 1)
            assert members(secondary) == {"a.test", "c.test"}
            serial = primary_serial = secondary.serial("cat.invalid")
            primary.start()
            primary.wait("cat.invalid", primary_serial)
            assert primary.serial("cat.invalid") == serial

            # A catalog that is one no more takes its members with it.
            secondary.reload(zones=[])
            secondary.wait_for(lambda: members(secondary) == set())
            secondary.wait_for(lambda: secondary.query("a.test").rcode() == dns.rcode.REFUSED)


class ByHand:
    """Catalogs that are ordinary zones of a primary, changed by UPDATE."""

    def __init__(self, primary, secondary):
        self.primary, self.secondary = primary, secondary

    def change(self, catalog, *changes):
        """("add", name, type, data) or ("delete", name, ...), relative to the catalog."""
        message = dns.update.Update(catalog)
        for method, name, *words in changes:
            if method == "add":
                message.add(name, 0, *words)
            else:
                message.delete(name, *words)
        assert dns.query.tcp(message, "127.0.0.1", 30, self.primary.port).rcode() == 0
        zone = contents.transfer(self.primary.port, catalog)
        serial = contents.serial(zone)
        self.secondary.wait(catalog, serial)
        return serial

    def problems(self, catalog):
        return {problem["member"].rstrip("."): problem["reason"]
                for problem in self.secondary.zone(catalog)["problems"]}

    def until(self, catalog, expected):
        self.secondary.wait_for(lambda: members(self.secondary, catalog) == set(expected))

    def transfers(self, zone):
        return self.secondary.log_text().count("transfer-in zone=%s." % zone)


@pytest.fixture(name="hand")
def make_hand():
    names = ["one.invalid", "two.invalid", "a.test", "b.test", "mine.test"]
    data = {name: EMPTY if name.endswith("invalid") else ZONE % 1 for name in names}
    zones = [name + "@own" for name in names]
    with mgmtd.Daemon(primary_config(*zones), data=data) as primary:
        primary.wait("one.invalid", 1)
        primary.wait("two.invalid", 1)
        config = secondary_config(primary.port, "one.invalid", "two.invalid",
                                  zones=[{"name": "mine.test", "template": "own"}])
        with mgmtd.Daemon(config, data={"mine.test": ZONE % 7}) as secondary:
            primary.reload(**primary_config(*zones, notify=secondary.port))
            secondary.wait("one.invalid", 1)
            secondary.wait("two.invalid", 1)
            yield ByHand(primary, secondary)


def test_clashes(hand):
    hand.change("one.invalid", ("add", "x.zones", "PTR", "a.test."),
                ("add", "y.zones", "PTR", "mine.test."), ("add", "z.zones", "PTR", "one.invalid."))
    hand.until("one.invalid", {"a.test"})
    assert set(hand.problems("one.invalid")) == {"mine.test", "one.invalid"}
    assert hand.secondary.serial("mine.test") == 7
    # In a second catalog it is not taken away from the first one.
    hand.change("two.invalid", ("add", "x.zones", "PTR", "a.test."))
    hand.secondary.wait_for(lambda: "a.test" in hand.problems("two.invalid"))
    assert members(hand.secondary, "two.invalid") == set()
    # Once the first lets it go, the second has it.
    hand.change("one.invalid", ("delete", "x.zones"))
    hand.until("two.invalid", {"a.test"})
    assert hand.problems("two.invalid") == {}
    hand.secondary.wait("a.test", 1)


def test_broken(hand):
    hand.change("one.invalid", ("add", "x.zones", "PTR", "a.test."))
    hand.until("one.invalid", {"a.test"})
    for breaks, mends in [
            ((("delete", "version"),), (("add", "version", "TXT", "2"),)),
            ((("add", "version", "TXT", "1"),), (("delete", "version", "TXT", "1"),)),
            ((("add", "x.zones", "PTR", "b.test."),), (("delete", "x.zones", "PTR", "b.test."),)),
            ((("add", "y.zones", "PTR", "a.test."),), (("delete", "y.zones"),))]:
        # What comes with a broken version does not count, and what was there stays.
        hand.change("one.invalid", ("add", "new.zones", "PTR", "b.test."), *breaks)
        hand.secondary.wait_for(lambda: "broken catalog" in
                                hand.problems("one.invalid").get("one.invalid", ""))
        assert members(hand.secondary, "one.invalid") == {"a.test"}
        hand.change("one.invalid", ("delete", "new.zones"), *mends)
        hand.secondary.wait_for(lambda: hand.problems("one.invalid") == {})
        assert members(hand.secondary, "one.invalid") == {"a.test"}
    # What is not known is passed over.
    hand.change("one.invalid", ("add", "x.zones", "TXT", "text"), ("add", "future.x.zones", "A", "192.0.2.1"),
                ("add", "other", "PTR", "b.test."), ("add", "deep.er.x.zones", "PTR", "b.test."))
    assert members(hand.secondary, "one.invalid") == {"a.test"}


def test_by_force(hand):
    """What was put right at the primary under the serial of before comes with the zone, and counts."""
    serial = hand.change("one.invalid", ("add", "x.zones", "PTR", "a.test."))
    hand.until("one.invalid", {"a.test"})
    hand.primary.load("one.invalid", EMPTY.replace(" 1 ", " %d " % serial) + "y.zones PTR b.test.\n")
    hand.primary.wait_for(lambda: "b.test" in str(contents.transfer(hand.primary.port, "one.invalid")))
    hand.secondary.ctl("transfer", "one.invalid", "--force")
    hand.until("one.invalid", {"b.test"})


def test_moves(hand):
    """With `coo` and the same label a zone keeps what is known of it; with another label it does not."""
    hand.change("one.invalid", ("add", "x.zones", "PTR", "a.test."))
    hand.secondary.wait("a.test", 1)
    hand.secondary.wait_for(lambda: hand.transfers("a.test") > 0)  # it is served a moment before that is logged
    transfers = hand.transfers("a.test")
    hand.change("two.invalid", ("add", "x.zones", "PTR", "a.test."))
    assert "a.test" in hand.problems("two.invalid")
    # To a third one, so not to this.
    hand.change("one.invalid", ("add", "coo.x.zones", "PTR", "three.invalid."))
    hand.change("two.invalid", ("add", "note", "TXT", "x"))
    assert "a.test" in hand.problems("two.invalid") and members(hand.secondary, "two.invalid") == set()
    hand.change("one.invalid", ("delete", "coo.x.zones"), ("add", "coo.x.zones", "PTR", "two.invalid."))
    hand.until("two.invalid", {"a.test"})
    assert hand.transfers("a.test") == transfers
    # That the catalog which gave it away lists it until everybody has followed is as it should be.
    hand.change("one.invalid", ("add", "z.zones", "PTR", "b.test."))
    hand.until("one.invalid", {"b.test"})
    assert hand.problems("one.invalid") == {}
    # If the other one lets it go, it is the first one's again, as long as that lists it.
    hand.change("two.invalid", ("delete", "x.zones"))
    hand.until("one.invalid", {"a.test", "b.test"})
    hand.secondary.wait("a.test", 1)
    hand.secondary.wait_for(lambda: hand.transfers("a.test") > transfers)
    transfers = hand.transfers("a.test")
    hand.change("two.invalid", ("add", "x.zones", "PTR", "a.test."))
    hand.until("two.invalid", {"a.test"})
    hand.change("one.invalid", ("delete", "x.zones"), ("delete", "coo.x.zones"))
    assert members(hand.secondary, "two.invalid") == {"a.test"}
    assert hand.secondary.serial("a.test") == 1
    # Within a catalog.
    hand.change("two.invalid", ("delete", "x.zones"), ("add", "y.zones", "PTR", "a.test."))
    hand.secondary.wait_for(lambda: hand.transfers("a.test") > transfers)
    hand.secondary.wait("a.test", 1)
    assert members(hand.secondary, "two.invalid") == {"a.test"}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_state_is_lost(hand, how):
    """What came from primaries is the catalog's again, though nothing else says that it was; and served meanwhile."""
    hand.change("one.invalid", ("add", "x.zones", "PTR", "a.test."))
    hand.secondary.wait("a.test", 1)
    hand.secondary.end(how)
    hand.primary.end()
    shutil.rmtree(hand.secondary.path("state"))
    hand.secondary.start()
    assert members(hand.secondary, "one.invalid") == {"a.test"}
    assert hand.problems("one.invalid") == {}
    assert hand.secondary.serial("a.test") == 1
    # It follows its primary, and goes when the catalog lets it go.
    hand.primary.load("a.test", ZONE % 2)
    hand.primary.start()
    hand.primary.wait("a.test", 2)
    hand.secondary.ctl("transfer", "a.test")
    hand.secondary.wait("a.test", 2)
    hand.change("one.invalid", ("delete", "x.zones"))
    hand.until("one.invalid", set())
    hand.secondary.wait_for(lambda: hand.secondary.query("a.test").rcode() == dns.rcode.REFUSED)


def test_state_is_lost_and_the_zone_is_ours(hand):
    """What clients have changed, or an operator has imported, does not become a catalog's."""
    hand.change("one.invalid", ("add", "x.zones", "PTR", "a.test."), ("add", "y.zones", "PTR", "b.test."))
    hand.secondary.wait("a.test", 1)
    hand.secondary.wait("b.test", 1)
    hand.secondary.end()
    shutil.rmtree(hand.secondary.path("state"))
    before = dict(hand.secondary.config)
    hand.secondary.config.update(zones=[], templates=before["templates"] + [
        {"id": "default", "allow_update": ["here"]}])
    hand.secondary.write_config()
    hand.secondary.start()
    message = dns.update.Update("a.test")
    message.add("ours", 60, "A", "192.0.2.3")
    assert dns.query.tcp(message, "127.0.0.1", 60, hand.secondary.port).rcode() == 0
    hand.secondary.load("b.test", ZONE % 2)
    hand.secondary.wait("a.test", 2)
    hand.secondary.wait("b.test", 2)
    hand.secondary.reload(zones=before["zones"])
    assert set(hand.problems("one.invalid")) == {"a.test", "b.test"}
    assert members(hand.secondary, "one.invalid") == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_log_says_written_when_it_is():
    """Not each time that it is tried."""
    with disks.small_disk(8) as folder:
        config = {**primary_config("a.test"), "store": os.path.join(folder, "store")}
        filler = os.path.join(folder, "filler")
        with mgmtd.Daemon(config) as daemon:
            def written():
                return daemon.log_text().count("catalog-written")

            daemon.wait("cat.invalid", 1)
            before = written()
            assert before > 0
            disks.fill(filler)
            many = ["z%d.test" % i for i in range(2000)]
            daemon.reload(zones=primary_config("a.test", *many)["zones"])
            daemon.wait_for(lambda: "catalog-failed" in daemon.log_text())
            assert written() == before
            os.unlink(filler)
            daemon.wait_for(lambda: written() > before)
