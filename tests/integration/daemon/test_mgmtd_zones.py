# SPDX-License-Identifier: Apache-2.0
"""Which zones stele-mgmtd has, whence they come, and what becomes of their data when they go."""
import contextlib
import json
import os
import shutil
import subprocess
import threading
import time

import dns.edns
import dns.message
import dns.query
import pytest

import mgmtd
import peers
import stele
from fake_primary import FakePrimary, reply, wire

ZONE = """$TTL 300
@ SOA ns hostmaster %d 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.80
"""

SERVFAIL, REFUSED = 2, 5


def zones(*names, template="default"):
    return [{"name": name, "template": template} for name in names]


def primary(*names, **config):
    """A daemon that gives its zones to anybody on this machine."""
    return mgmtd.Daemon(
        {"zones": zones(*names), "acls": [{"id": "here", "prefixes": ["127.0.0.0/8"]}],
         "templates": [{"id": "default", "allow_transfer": ["here"]}], **config},
        data={name: ZONE % 1 for name in names})


def secondary(port, *names, **config):
    return mgmtd.Daemon(secondary_config(port, *names, **config))


def secondary_config(port, *names, **config):
    return {"zones": zones(*names, template="from"),
            "remotes": [{"id": "p", "addresses": ["127.0.0.1"], "port": port}],
            "templates": [{"id": "from", "primaries": ["p"], "retry_max": "1s"}], **config}


def in_store(daemon):
    """{zone: state} as the compiler lists them."""
    listed = stele.run("zones", "--store", daemon.store, "--json").stdout
    return {zone["zone"].rstrip("."): zone for zone in json.loads(listed)}


def test_not_loaded():
    """A configured zone is ours from the start, data or not; any other name is not."""
    with mgmtd.Daemon({"zones": zones("a.test")}) as daemon:
        daemon.wait_for(lambda: daemon.query("a.test").rcode() == SERVFAIL)
        daemon.wait_for(lambda: daemon.query("b.test").rcode() == REFUSED)
        zone = daemon.zones()["a.test"]
        assert not zone["loaded"] and zone["expired"] and zone["serial"] is None
        assert "not loaded" in daemon.ctl("zones").stdout
        daemon.load("a.test", ZONE % 4)
        daemon.wait("a.test", 4)
        assert daemon.serial("a.test") == 4
        assert daemon.zones()["a.test"]["serial"] == 4


def why(daemon, name):
    """Rcode of the reply, and the code of its extended error (RFC 8914)."""
    response = daemon.query(name, use_edns=0)
    codes = [int.from_bytes(option.to_wire()[:2], "big") for option in response.options if option.otype == 15]
    return (response.rcode(), *codes)


def test_refusals_say_why():
    with mgmtd.Daemon({"zones": zones("a.test", "b.test")}, data={"b.test": ZONE % 1}) as daemon:
        daemon.wait("b.test", 1)
        assert why(daemon, "www.b.test") == (0,)
        assert why(daemon, "elsewhere.test") == (REFUSED, 20)     # not authoritative
        assert why(daemon, "www.a.test") == (SERVFAIL, 24)        # no valid data
        assert not daemon.query("elsewhere.test").options         # nor where there is no EDNS


def test_no_zones():
    with mgmtd.Daemon() as daemon:
        daemon.wait_for(lambda: daemon.query("a.test").rcode() == REFUSED)
        assert daemon.zones() == {}


def test_list_in_canonical_order():
    names = ["b.test", "a.test", "z.a.test", "test", "c.b.test", "*.a.test"]
    with mgmtd.Daemon({"zones": zones(*names)}) as daemon:
        listed = [zone["zone"] for zone in daemon.json("zones")["zones"]]
        assert listed == ["test.", "a.test.", "\\*.a.test.", "z.a.test.", "b.test.", "c.b.test."] or \
            listed == ["test.", "a.test.", "*.a.test.", "z.a.test.", "b.test.", "c.b.test."]


def test_many_zones():
    """A list of thousands comes in parts; a reload takes many away and brings others."""
    names = ["z%d.test" % i for i in range(3000)]
    with mgmtd.Daemon({"zones": zones(*names[:2000])}) as daemon:
        assert set(daemon.zones()) == set(names[:2000])
        daemon.wait_for(lambda: len(in_store(daemon)) == 2000)
        daemon.reload(zones=zones(*names[1000:]))
        assert set(daemon.zones()) == set(names[1000:])
        daemon.wait_for(lambda: set(in_store(daemon)) == set(names[1000:]))
        daemon.wait_for(lambda: daemon.query("z1.test").rcode() == REFUSED)
        daemon.wait_for(lambda: daemon.query("z2999.test").rcode() == SERVFAIL)
        assert daemon.json("status")["zones"]["total"] == 2000


def test_our_data_stays():
    """A primary's data is not removed by an edit of a file, neither by reload nor over a restart."""
    with mgmtd.Daemon({"zones": zones("a.test", "b.test")},
                      data={"a.test": ZONE % 1, "b.test": ZONE % 2}) as daemon:
        daemon.wait("b.test", 2)
        daemon.reload(zones=zones("a.test"))
        assert "zone-left zone=b.test." in daemon.log_text()
        assert not daemon.zone("b.test")["configured"]
        assert daemon.serial("b.test") == 2
        daemon.config["zones"] = []
        daemon.write_config()
        daemon.restart()
        assert daemon.serial("a.test") == 1 and daemon.serial("b.test") == 2
        assert set(daemon.zones()) == {"a.test", "b.test"}
        daemon.reload(zones=zones("b.test"))
        assert daemon.zone("b.test")["configured"] and not daemon.zone("a.test")["configured"]


def test_removed_by_hand():
    """`stele-compile remove` is how our own data goes; what is configured stays ours."""
    with mgmtd.Daemon({"zones": zones("a.test")},
                      data={"a.test": ZONE % 1, "b.test": ZONE % 2}) as daemon:
        daemon.wait("b.test", 2)
        done = stele.run("remove", "--store", daemon.store, "a.test", "c.test", check=False)
        assert done.returncode == 1 and "c.test" in done.stderr
        assert set(in_store(daemon)) == {"a.test", "b.test"}
        stele.run("remove", "--store", daemon.store, "A.test.", "b.test")
        daemon.wait_for(lambda: daemon.query("b.test").rcode() == REFUSED)
        daemon.wait_for(lambda: daemon.query("a.test").rcode() == SERVFAIL)
        assert set(daemon.zones()) == {"a.test"} and not daemon.zone("a.test")["loaded"]
        daemon.load("a.test", ZONE % 3)
        daemon.wait("a.test", 3)
    for wrong in (), ("--store", "/nonexistent", "a.test"), ("--store", "/nonexistent"):
        assert stele.run("remove", *wrong, check=False).returncode in (1, 2)


def test_data_of_others_goes():
    with primary("a.test", "b.test", "c.test") as source:
        source.wait("c.test", 1)
        with secondary(source.port, "a.test", "b.test", "c.test") as daemon:
            for name in "a.test", "b.test", "c.test":
                daemon.wait(name, 1)
            daemon.reload(zones=zones("b.test", "c.test", template="from"))
            daemon.wait_for(lambda: set(in_store(daemon)) == {"b.test", "c.test"})
            daemon.wait_for(lambda: daemon.query("a.test").rcode() == REFUSED)
            assert daemon.serial("b.test") == 1
            # The same while it was not running.
            daemon.end()
            daemon.config["zones"] = zones("c.test", template="from")
            daemon.write_config()
            daemon.start()
            daemon.wait_for(lambda: set(in_store(daemon)) == {"c.test"})
            daemon.wait_for(lambda: daemon.query("b.test").rcode() == REFUSED)
            assert daemon.serial("c.test") == 1
            # It comes again with everything else.
            daemon.reload(zones=zones("a.test", "c.test", template="from"))
            daemon.wait("a.test", 1)


def test_from_secondary_to_primary():
    """A zone that is made ours keeps its data, and does not expire any more."""
    with primary("a.test") as source:
        source.wait("a.test", 1)
        with secondary(source.port, "a.test") as daemon:
            daemon.wait("a.test", 1)
            assert daemon.zone("a.test")["role"] == "secondary"
            daemon.reload(zones=zones("a.test"))
            zone = daemon.zone("a.test")
            assert zone["role"] == "primary" and "expires_at" not in zone
            daemon.reload(zones=[])
            assert daemon.serial("a.test") == 1
            daemon.restart()
            assert daemon.serial("a.test") == 1
            # And back: what is newer there is fetched.
            source.load("a.test", ZONE % 5)
            source.wait("a.test", 5)
            daemon.reload(zones=zones("a.test", template="from"))
            daemon.wait("a.test", 5)


def test_expired_and_then_ours():
    """Expired it is answered with SERVFAIL; made ours it is served at once, with the data that it has."""
    short = (ZONE % 1).replace("3600 600 86400", "1 1 1")
    with primary("a.test") as source:
        source.load("a.test", short.replace(" 1 1 1 1 ", " 2 1 1 1 "))
        source.wait("a.test", 2)
        with secondary(source.port, "a.test") as daemon:
            daemon.wait("a.test", 2)
            source.end()
            daemon.wait_for(lambda: daemon.zone("a.test")["expired"])
            daemon.wait_for(lambda: daemon.query("a.test").rcode() == SERVFAIL)
            assert why(daemon, "a.test") == (SERVFAIL, 24)
            assert "expired" in daemon.ctl("zones").stdout
            daemon.reload(zones=zones("a.test"))
            daemon.wait_for(lambda: daemon.serial("a.test") == 2)
            assert not daemon.zone("a.test")["expired"]


def good_for_a_day(daemon, serial):
    """Waits until it is known when the zone expires, which ZONE says, and asks its primary once more."""
    daemon.wait("a.test", serial)
    daemon.wait_for(lambda: daemon.zone("a.test")["expires_at"])
    before = daemon.zone("a.test")["last_error_at"]
    daemon.wait_for(lambda: daemon.ctl("transfer", "a.test") and
                    daemon.zone("a.test")["last_error_at"] > before)
    zone = daemon.zone("a.test")
    assert zone["expires_at"] > time.time() + 80000 and not zone["expired"]
    assert daemon.serial("a.test") == serial


def refuse(question):
    yield wire(reply(question, rcode=REFUSED))


def after(event, script):
    """What a primary says once the event has come."""
    def held(question):
        event.wait(60)
        yield from script(question)
    return held


def test_imported_for_want_of_a_primary():
    """Nobody knows how old it is: it is good for as long as its SOA says."""
    with secondary(peers.free_port(), "a.test") as daemon:
        daemon.wait_for(lambda: daemon.zone("a.test")["last_error"] is not None)
        daemon.load("a.test", ZONE % 4)
        good_for_a_day(daemon, 4)


def test_imported_while_a_primary_is_asked():
    imported = threading.Event()
    with FakePrimary(after(imported, refuse)) as source, secondary(source.port, "a.test") as daemon:
        daemon.wait_for(lambda: source.asked)
        daemon.load("a.test", ZONE % 4)
        daemon.wait("a.test", 4)
        imported.set()
        good_for_a_day(daemon, 4)


def expire_of(daemon):
    """What EXPIRE (RFC 7314) says in a transfer of a.test."""
    question = dns.message.make_query("a.test", "AXFR")
    question.use_edns(options=[dns.edns.GenericOption(9, b"")])
    response = dns.query.tcp(question, "127.0.0.1", 60, daemon.port)
    return [int.from_bytes(option.data, "big") for option in response.options if option.otype == 9]


def test_imported_while_a_primary_is_asked_and_handed_on():
    """How long it is good is not known before that has ended, but it is not over."""
    imported = threading.Event()
    with FakePrimary(after(imported, refuse)) as source, secondary(
            source.port, "a.test", acls=[{"id": "here", "prefixes": ["127.0.0.0/8"]}],
            templates=[{"id": "from", "primaries": ["p"], "allow_transfer": ["here"]}]) as daemon:
        daemon.wait_for(lambda: source.asked)
        daemon.load("a.test", ZONE % 4)
        daemon.wait("a.test", 4)
        assert expire_of(daemon) == [86400]
        imported.set()
        daemon.wait_for(lambda: daemon.zone("a.test")["expires_at"])
        assert 86000 < expire_of(daemon)[0] <= 86400


@contextlib.contextmanager
def expired():
    """A primary that has gone, and a secondary of which a.test, of serial 2, has expired for that."""
    with primary("a.test") as source:
        source.load("a.test", (ZONE % 2).replace("3600 600 86400", "1 1 1"))
        source.wait("a.test", 2)
        with secondary(source.port, "a.test") as daemon:
            daemon.wait("a.test", 2)
            source.end()
            daemon.wait_for(lambda: daemon.zone("a.test")["expired"])
            # Which is served a moment later: a start goes on with what was served.
            daemon.wait_for(lambda: daemon.query("a.test").rcode() == SERVFAIL)
            yield source, daemon


def test_imported_in_the_place_of_what_had_expired():
    with expired() as (_, daemon):
        stele.run("remove", "--store", daemon.store, "a.test")
        daemon.wait_for(lambda: not daemon.zone("a.test")["loaded"])
        daemon.load("a.test", ZONE % 4)
        good_for_a_day(daemon, 4)


def test_imported_over_what_had_expired():
    with expired() as (_, daemon):
        daemon.load("a.test", ZONE % 4)
        good_for_a_day(daemon, 4)


def test_imported_over_what_had_expired_before_the_start():
    with expired() as (_, daemon):
        daemon.end()
        daemon.load("a.test", ZONE % 4)
        daemon.start()
        daemon.wait_for(lambda: daemon.zone("a.test")["last_error"] is not None)
        good_for_a_day(daemon, 4)


def test_expired_and_nothing_is_remembered():
    """A zone is good when a primary says so, not because nobody knows any more that it had expired."""
    with expired() as (source, daemon):
        daemon.end()
        shutil.rmtree(daemon.path("state"))
        good = daemon.log_text().count("zone-good-again")
        daemon.start()
        daemon.wait_for(lambda: daemon.zone("a.test")["last_error"] is not None)
        assert daemon.zone("a.test")["expired"]
        assert why(daemon, "a.test") == (SERVFAIL, 24)
        assert daemon.log_text().count("zone-good-again") == good
        source.start()
        source.wait("a.test", 2)
        daemon.ctl("transfer", "a.test")
        daemon.wait_for(lambda: daemon.serial("a.test") == 2)


def test_removed_by_hand_it_comes_again():
    with primary("a.test") as source:
        source.wait("a.test", 1)
        with secondary(source.port, "a.test") as daemon:
            daemon.wait("a.test", 1)
            stele.run("remove", "--store", daemon.store, "a.test")
            daemon.wait_for(lambda: daemon.zone("a.test")["transfers"] > 1)
            daemon.wait_for(lambda: daemon.serial("a.test") == 1)


def test_other_primaries():
    """After a reload that names another primary, that one is asked without waiting for the refresh."""
    with primary("a.test") as first, primary("a.test") as second:
        first.wait("a.test", 1)
        second.load("a.test", ZONE % 9)
        second.wait("a.test", 9)
        with secondary(first.port, "a.test") as daemon:
            daemon.wait("a.test", 1)
            daemon.reload(remotes=[{"id": "p", "addresses": ["127.0.0.1"], "port": second.port}])
            daemon.wait("a.test", 9)


def test_changes_reach_secondaries():
    """From an import at the primary to an answer at a secondary of a secondary, by NOTIFY alone."""
    with primary("a.test") as source:
        source.wait("a.test", 1)
        middle = mgmtd.Daemon(secondary_config(
            source.port, "a.test", acls=[{"id": "here", "prefixes": ["127.0.0.0/8"]}]), start=False)
        with middle:
            middle.config["templates"][0]["allow_transfer"] = ["here"]
            middle.write_config()
            middle.start()
            middle.wait("a.test", 1)
            with secondary(middle.port, "a.test") as last:
                last.wait("a.test", 1)
                for teller, told in (source, middle), (middle, last):
                    teller.config.setdefault("remotes", []).append(
                        {"id": "down", "addresses": ["127.0.0.1"], "port": told.port})
                    teller.config["templates"][0]["notify"] = ["down"]
                    teller.reload()
                for serial in 2, 3:
                    source.load("a.test", ZONE % serial)
                    last.wait("a.test", serial)
                    assert last.serial("a.test") == serial
                middle.wait_for(lambda: [
                    (one["remote"], one["serial"], one["state"]) for one in middle.zone("a.test")["notified"]
                ] == [("down", 3, "acknowledged")])


def test_transfer_and_notify_by_hand():
    with primary("a.test") as source:
        source.wait("a.test", 1)
        with secondary(source.port, "a.test") as daemon:
            daemon.wait("a.test", 1)
            source.load("a.test", ZONE % 2)
            source.wait("a.test", 2)
            daemon.ctl("transfer", "a.test")
            daemon.wait("a.test", 2)
            count = daemon.zone("a.test")["transfers"]
            daemon.ctl("transfer", "a.test", "--force")
            daemon.wait_for(lambda: daemon.zone("a.test")["transfers"] == count + 1)
            audits = [line.split("peer=")[0] + line.split("peer=")[1].partition(" ")[2]
                      for line in daemon.log_text().splitlines() if "audit what=axfr" in line]
            assert [audit.partition("zone=a.test. ")[2] for audit in audits] == \
                ["to_serial=1", "from_serial=1 to_serial=2", "from_serial=2 to_serial=2"]
            source.config["remotes"] = [
                {"id": "down", "addresses": ["127.0.0.1"], "port": daemon.port}]
            source.config["templates"][0]["notify"] = ["down"]
            source.reload()
            assert "1 servers" in source.ctl("notify", "a.test").stdout
            daemon.wait_for(lambda: daemon.zone("a.test")["notifies"] == 1)


def test_nobody_there():
    """A primary that is not there: told as the zone's error, and its data is fetched once it comes."""
    port = peers.free_port()
    with secondary(port, "a.test") as daemon:
        daemon.wait_for(lambda: daemon.zone("a.test")["last_error"] is not None)
        assert daemon.query("a.test").rcode() == SERVFAIL
        assert daemon.json("status")["zones"]["failing"] == 1
        with primary("a.test", listen=[{"address": "127.0.0.1", "port": port}]):
            daemon.wait("a.test", 1)
            daemon.wait_for(lambda: daemon.zone("a.test")["last_error"] is None)


def test_times_outlive_a_restart():
    with primary("a.test") as source:
        source.wait("a.test", 1)
        with secondary(source.port, "a.test") as daemon:
            daemon.wait("a.test", 1)
            before = daemon.zone("a.test")
            time.sleep(1.1)   # a later time of day must not be taken for the old one
            daemon.restart()
            after = daemon.zone("a.test")
            for member in "refreshed_at", "next_refresh_at", "expires_at", "primary_serial":
                assert after[member] == before[member], member
            assert daemon.serial("a.test") == 1


def test_full_disk(tmp_path):
    """Zones that could not be written come once there is room again."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=True)
    try:
        with mgmtd.Daemon({"zones": zones("a.test")}, folder=str(folder), start=False) as daemon:
            daemon.log = str(tmp_path / "log")
            daemon.start()
            # Before there is an image, every name gets SERVFAIL.
            daemon.wait_for(lambda: daemon.query("elsewhere.test").rcode() == REFUSED)
            daemon.wait_for(lambda: daemon.query("a.test").rcode() == SERVFAIL)
            filler = os.open(folder / "filler", os.O_CREAT | os.O_WRONLY)
            with pytest.raises(OSError):
                while True:
                    os.write(filler, bytes(1 << 12))
            os.close(filler)
            many = ["z%d.test" % i for i in range(2000)]
            daemon.config["zones"] = zones("a.test", *many)
            os.unlink(folder / "mgmtd.yaml")    # there is no room for a longer one
            os.symlink(tmp_path / "mgmtd.yaml", folder / "mgmtd.yaml")
            daemon.reload()
            daemon.wait_for(lambda: "store-failed" in daemon.log_text())
            assert daemon.query("a.test").rcode() == SERVFAIL
            os.unlink(folder / "filler")
            daemon.wait_for(lambda: daemon.query("z1999.test").rcode() == SERVFAIL)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
