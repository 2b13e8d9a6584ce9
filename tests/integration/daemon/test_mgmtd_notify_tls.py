# SPDX-License-Identifier: Apache-2.0
"""NOTIFY to servers that speak TLS: over TLS, or where they say so in the clear."""
import contextlib
import socket

import dns.message
import dns.opcode
import pytest

import mgmtd
import peers
from certificates import Authority
from test_mgmtd_changes import KEY, nsupdate, primary

NAME = "secondary.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


class Pair:
    """A primary, and a secondary that listens with TLS, on another port than without."""

    def __init__(self, authority, told, key=None, names=("a.test",), certificate=None):
        certificate, private = certificate or authority.issue(NAME)
        tls_port = peers.free_port()
        keys = {KEY: "hmac-sha256"}
        self.primary = primary(zones=[{"name": name} for name in names])
        try:
            for name in names[1:]:
                self.primary.load(name, "@ 60 SOA ns hostmaster 1 3600 600 86400 300\n@ 60 NS ns\nns 60 A 192.0.2.1\n")
            remote = {"id": "p", "addresses": ["127.0.0.1"], "port": self.primary.port}
            if key:
                remote["key"] = key
            self.secondary = mgmtd.Daemon({
                "zones": [{"name": name, "template": "from"} for name in names],
                "remotes": [remote],
                "tls": {"certificate": certificate, "key": private},
                "templates": [{"id": "from", "primaries": ["p"]}]}, keys=keys, start=False)
            self.secondary.config["listen"].append({"address": "127.0.0.1", "port": tls_port, "tls": True})
            self.secondary.write_config()
            self.secondary.start()
            for name in names:
                self.secondary.wait(name, 1)
            self.primary.config["remotes"] = [{
                "id": "s", "addresses": ["127.0.0.1"], "port": tls_port, **({"key": key} if key else {}),
                "tls": {"enabled": True, "name": NAME, "ca": authority.ca}, **told(self)}]
            self.primary.config["templates"][0]["notify"] = ["s"]
            self.primary.reload()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for daemon in self.primary, getattr(self, "secondary", None):
            if daemon:
                daemon.stop()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    def told(self, name="a.test"):
        notified = self.primary.zone(name)["notified"]
        return notified[0] if notified else {"state": "not yet", "tries": 0}

    def service(self):
        return self.secondary.json("status")["service"]


@pytest.mark.parametrize("key", [None, KEY])
def test_over_tls(authority, key):
    with Pair(authority, lambda pair: {}, key) as pair:
        before = pair.service()
        assert nsupdate(pair.primary, "add new.a.test 60 A 192.0.2.2").returncode == 0
        pair.secondary.wait("a.test", 2)
        pair.primary.wait_for(lambda: pair.told()["state"] == "acknowledged")
        after = pair.service()
        assert after["tls_queries"] - before["tls_queries"] == 1 and after["tls_failed"] == 0
        assert pair.secondary.zone("a.test")["notifies"] == 1
        # And again: each has a connection of its own.
        assert nsupdate(pair.primary, "add newer.a.test 60 A 192.0.2.2").returncode == 0
        pair.secondary.wait("a.test", 3)


def test_to_a_port_in_the_clear(authority):
    with Pair(authority, lambda pair: {"notify_port": pair.secondary.port}) as pair:
        assert nsupdate(pair.primary, "add new.a.test 60 A 192.0.2.2").returncode == 0
        pair.secondary.wait("a.test", 2)
        pair.primary.wait_for(lambda: pair.told()["state"] == "acknowledged")
        assert pair.service()["tls_queries"] == 0


def test_who_is_not_believed(authority, tmp_path):
    """A certificate of somebody else: nothing is said, the reason is told, and it is tried again."""
    with Pair(authority, lambda pair: {}, certificate=Authority(tmp_path, "other").issue(NAME)) as pair:
        assert nsupdate(pair.primary, "add new.a.test 60 A 192.0.2.2").returncode == 0
        pair.primary.wait_for(lambda: "certificate" in (pair.told().get("error") or ""))
        assert pair.told()["state"] == "waiting" and pair.service()["tls_queries"] == 0
        pair.primary.wait_for(lambda: pair.told()["tries"] > 1)
        assert pair.secondary.zone("a.test")["serial"] == 1


def test_many_zones(authority):
    """More than there are connections at once: all are told."""
    names = ["a.test"] + ["z%d.test" % i for i in range(60)]
    with Pair(authority, lambda pair: {}, names=names) as pair:
        for name in names:
            pair.primary.wait(name, 1)  # it looks once a second at what others store
            pair.primary.ctl("notify", name)
        for name in names:
            pair.primary.wait_for(lambda: pair.told(name)["state"] == "acknowledged")
        # Handshakes may have failed: a message that a newer one replaces is cut off.
        assert pair.service()["tls_queries"] >= len(names)


def test_without_tls_the_port_may_be_another(authority):
    """`notify_port` for a server whose NOTIFY is heard by somebody else."""
    def is_told():
        """Answers what came, which may be about the serial before, too."""
        with contextlib.suppress(BlockingIOError):
            while True:
                message, peer = ear.recvfrom(65535)
                question = dns.message.from_wire(message)
                assert question.opcode() == dns.opcode.NOTIFY
                ear.sendto(dns.message.make_response(question).to_wire(), peer)
        told = daemon.zone("a.test")["notified"]
        return told and told[0]["state"] == "acknowledged" and told[0]["serial"] == 2

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear, primary() as daemon:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        daemon.config["remotes"] = [{"id": "s", "addresses": ["127.0.0.1"], "port": 1,
                                     "notify_port": ear.getsockname()[1]}]
        daemon.config["templates"][0]["notify"] = ["s"]
        daemon.reload()
        assert nsupdate(daemon, "add new.a.test 60 A 192.0.2.2").returncode == 0
        daemon.wait_for(is_told)
