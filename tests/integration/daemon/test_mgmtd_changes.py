# SPDX-License-Identifier: Apache-2.0
"""UPDATE through the whole daemon: nsupdate at one end, answers and secondaries at the other."""
import contextlib
import socket
import subprocess
import threading

import dns.message
import dns.opcode
import dns.query
import dns.update
import pytest

import mgmtd
import peers
import stele
from conftest import need

ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.80
"""
KEY = "changes.test."


def primary(**config):
    return mgmtd.Daemon({
        "zones": [{"name": "a.test"}],
        "acls": [{"id": "changer", "keys": [KEY]}, {"id": "here", "prefixes": ["127.0.0.0/8"]}],
        "templates": [{"id": "default", "allow_update": ["changer"], "allow_transfer": ["here"]}],
        **config}, keys={KEY: "hmac-sha256"}, data={"a.test": ZONE})


def nsupdate(daemon, *lines, key=True, options=()):
    need("nsupdate")
    script = ["server 127.0.0.1 %d" % daemon.port, "zone a.test"]
    if key:
        script.append("key hmac-sha256:%s %s" % (KEY, mgmtd.SECRET))
    return subprocess.run([peers.find("nsupdate"), *options], text=True,
                          input="\n".join([*script, *lines, "send", ""]),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("options", [(), ("-v",)], ids=["udp", "tcp"])
def test_nsupdate(options):
    with primary() as daemon:
        daemon.wait("a.test", 1)
        done = nsupdate(daemon, "add new.a.test 60 TXT carved", options=options)
        assert done.returncode == 0, done
        daemon.wait("a.test", 2)
        assert daemon.query("new.a.test", "TXT").answer[0][0].strings == (b"carved",)
        zone = daemon.zone("a.test")
        assert zone["serial"] == zone["served_serial"] == 2 and zone["updates"] == 1
        # Refused: without a key, and for a prerequisite; nothing changes.
        assert "REFUSED" in nsupdate(daemon, "add x.a.test 60 TXT x", key=False).stdout
        assert "NXRRSET" in nsupdate(daemon, "prereq yxrrset new.a.test A",
                                     "add x.a.test 60 TXT x").stdout
        assert daemon.zone("a.test")["serial"] == 2
        audit = [line for line in daemon.log_text().splitlines() if "audit" in line]
        assert len(audit) == 1 and "from_serial=1 to_serial=2" in audit[0]
        assert "key=%s" % KEY in audit[0] and mgmtd.SECRET not in daemon.log_text()


def test_survives():
    """What was acknowledged is there after a kill, and is served."""
    with primary() as daemon:
        daemon.wait("a.test", 1)
        for i in range(5):
            assert nsupdate(daemon, "add n%d.a.test 60 A 192.0.2.1" % i).returncode == 0
            daemon.restart(how=9)
            daemon.wait("a.test", 2 + i)
            assert daemon.query("n%d.a.test" % i, "A").answer


def test_reaches_a_secondary():
    with primary() as daemon:
        with mgmtd.Daemon({
                "zones": [{"name": "a.test", "template": "from"}],
                "remotes": [{"id": "p", "addresses": ["127.0.0.1"], "port": daemon.port}],
                "templates": [{"id": "from", "primaries": ["p"]}]}) as secondary:
            secondary.wait("a.test", 1)
            daemon.config["remotes"] = [
                {"id": "s", "addresses": ["127.0.0.1"], "port": secondary.port}]
            daemon.config["templates"][0]["notify"] = ["s"]
            daemon.reload()
            assert nsupdate(daemon, "add new.a.test 60 A 192.0.2.2").returncode == 0
            secondary.wait("a.test", 2)
            assert secondary.query("new.a.test", "A").answer[0][0].address == "192.0.2.2"


class Told(threading.Thread):
    """A secondary that asks for the serial whenever it is notified, and never else."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port, self.primary, self.seen = self.sock.getsockname()[1], None, []

    def run(self):
        while True:
            wire, peer = self.sock.recvfrom(4096)
            notify = dns.message.from_wire(wire)
            if notify.opcode() != dns.opcode.NOTIFY:
                return
            self.sock.sendto(dns.message.make_response(notify).to_wire(), peer)
            self.seen.append(self.primary.serial("a.test"))

    def end(self):
        message = dns.message.make_query("a.test", "SOA")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(message.to_wire(), ("127.0.0.1", self.port))
        self.join(20)
        self.sock.close()


def test_told_of_the_last_change(tmp_path):
    """Of one that comes while the one before it is compiled, too: told of that one, a secondary does not see it yet."""
    told = Told()
    compiled = tmp_path / "compiled"
    slow = tmp_path / "slow-compiler"
    # What it says is what the daemon waits for.
    slow.write_text('#!/bin/sh\nsaid=$("%s" "$@")\nstatus=$?\ntouch "%s"\nsleep 1\nprintf "%%s\\n" "$said"\n'
                    'exit $status\n' % (stele.binary(), compiled))
    slow.chmod(0o755)
    with primary(remotes=[{"id": "s", "addresses": ["127.0.0.1"], "port": told.port}], compiler=str(slow),
                 templates=[{"id": "default", "allow_update": ["changer"], "notify": ["s"]}]) as daemon:
        told.primary = daemon
        told.start()
        try:
            daemon.wait("a.test", 1)
            for round in range(3):
                with contextlib.suppress(FileNotFoundError):
                    compiled.unlink()
                assert nsupdate(daemon, "add first%d.a.test 60 TXT x" % round).returncode == 0
                daemon.wait_for(compiled.exists)
                assert nsupdate(daemon, "add second%d.a.test 60 TXT x" % round).returncode == 0
                serial = 3 + 2 * round
                daemon.wait("a.test", serial)
                daemon.wait_for(lambda serial=serial: told.seen and told.seen[-1] == serial)
        finally:
            told.end()


def test_many_at_once():
    """Updates from several clients: all are applied, each is one serial, and all are served."""
    clients, each = 4, 50
    failures = []

    def change(daemon, client):
        for i in range(each):
            update = dns.update.UpdateMessage("a.test", keyring=daemon.key(KEY))
            update.add("c%d-%d" % (client, i), 60, "A", "192.0.2.3")
            if dns.query.tcp(update, "127.0.0.1", 60, daemon.port).rcode() != 0:
                failures.append((client, i))

    with primary() as daemon:
        daemon.wait("a.test", 1)
        threads = [threading.Thread(target=change, args=(daemon, c)) for c in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        daemon.wait("a.test", 1 + clients * each)
        assert daemon.zone("a.test")["serial"] == 1 + clients * each
        for client in range(clients):
            assert daemon.query("c%d-%d.a.test" % (client, each - 1), "A").answer
        status = daemon.json("status")["publisher"]
        assert status["compiles_failed"] == 0
