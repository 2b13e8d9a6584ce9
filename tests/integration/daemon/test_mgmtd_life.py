# SPDX-License-Identifier: Apache-2.0
"""stele-mgmtd from start to end: command line, start order, service manager, signals, reload, status."""
import json
import os
import pwd
import signal
import socket
import stat

import dns.message
import dns.query
import dns.rcode
import dns.update
import pytest

import mgmtd
import netns
import stele

ZONE = """$TTL 300
@ SOA ns hostmaster %d 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.80
"""
KEY = {"transfer.test.": "hmac-sha256"}


def zones(*names, **options):
    return [{"name": name, **options} for name in names]


# ---- the command line ----

def test_usage():
    shown = mgmtd.run("--help")
    assert shown.returncode == 0 and shown.stdout.startswith("usage: stele-mgmtd")
    assert mgmtd.run("--version").stdout.startswith("stele-mgmtd ")
    for wrong in ((), ("-c",), ("-c", "x", "more"), ("--nothing",), ("-c", "x", "-c", "x"),
                  ("-c", "x", "-v", "--verbose"), ("-c", "x", "--check", "--check"),
                  ("-c", "x", "--files"), ("-c", "x", "--check", "--files", "--files")):
        done = mgmtd.run(*wrong)
        assert done.returncode == 2 and done.stdout == "" and done.stderr, wrong


def test_log_says_which_version():
    """Behind an upgrade, say, that has not reached every node."""
    version = mgmtd.run("--version").stdout.split()[1]
    with mgmtd.Daemon() as daemon:
        daemon.wait_for(lambda: "ready: version %s, 0 zones; control socket" % version in daemon.log_text())


def test_check(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("listen: [{address: 127.0.0.1}]\n")
    bad.write_text("listen: [{address: 127.0.0.1}]\nzones:\n- {name: a..b}\n- {name: c, template: d}\n")
    done = mgmtd.run("-c", good, "--check")
    assert done.returncode == 0 and done.stderr == "", done
    done = mgmtd.run("-c", bad, "--check")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("stele-mgmtd: %s:3:10: name is 'a..b'" % bad)
    assert mgmtd.run("-c", tmp_path / "none.yaml", "--check").returncode == 1
    example = os.path.join(stele.ROOT, "config/mgmtd.example.yaml")
    assert mgmtd.run("-c", example, "--check").returncode == 0


@pytest.mark.parametrize("change, status, words", [
    ({}, 0, []),
    ({"keys": "/nonexistent/keys"}, 1, ["/nonexistent/keys: No such file"]),
    ({"acls": [{"id": "a", "keys": ["other.test."]}]}, 1, ["there is no key 'other.test.'"]),
    ({"cookies": {"secret_file": "/nonexistent/secrets"}}, 1, ["/nonexistent/secrets: No such file"]),
    ({"tls": {"certificate": "/nonexistent.pem", "key": "/nonexistent.key"}}, 1, ["/nonexistent.pem: "]),
    ({"remotes": [{"id": "p", "addresses": ["192.0.2.1"], "tls": {"enabled": True, "ca": "/nonexistent.ca"}},
                  {"id": "q", "addresses": ["192.0.2.1"], "tls": {"enabled": True, "ca": "/nonexistent.other"}}]}, 1,
     ["remote 'p': CA certificates /nonexistent.ca: ", "remote 'q': CA certificates /nonexistent.other: "]),
    ({"compiler": "/nonexistent/compiler"}, 1, ["/nonexistent/compiler: No such file"]),
    ({"user": "nobody-of-this-name"}, 1, ["there is no user 'nobody-of-this-name'"]),
    # They are read as who it will be, to whom the folder is closed.
    ({"user": "nobody"}, 3, ["/keys.yaml: Permission denied"]),
    ({"keys": "/nonexistent/keys", "compiler": "/nonexistent/compiler"}, 1, ["/nonexistent/keys: ", "/compiler: "]),
], ids=lambda value: ",".join(value) if isinstance(value, dict) else "")
def test_check_of_files(change, status, words):
    """What the configuration names is read, all of it, and nothing is made; --check alone looks at none of it."""
    if change.get("user") == "nobody" and os.geteuid() != 0:
        pytest.skip("needs root")
    daemon = mgmtd.Daemon(change, keys=KEY, start=False)
    try:
        assert mgmtd.run("-c", daemon.path("mgmtd.yaml"), "--check").returncode == 0
        before = os.listdir(daemon.folder)
        done = mgmtd.run("-c", daemon.path("mgmtd.yaml"), "--check", "--files")
        assert done.returncode == status and bool(done.stderr) == bool(words), done
        for word in words:
            assert word in done.stderr, done
        assert os.listdir(daemon.folder) == before
    finally:
        daemon.stop()


@pytest.mark.parametrize("change, words", [
    ({"keys": "/nonexistent/keys"}, "/nonexistent/keys"),
    ({"user": "nobody-of-this-name"}, "nobody-of-this-name"),
    ({"store": "/nonexistent/store"}, "/nonexistent/store"),
    ({"listen": [{"address": "192.0.2.77", "port": 5300}]}, "192.0.2.77"),
    ({"listen": [{"address": "127.0.0.1", "tls": True}],
      "tls": {"certificate": "/nonexistent.pem", "key": "/nonexistent.key"}}, "library::No such file or directory"),
])
def test_no_start(change, words):
    if "user" in change and os.geteuid() != 0:
        pytest.skip("needs root")
    daemon = mgmtd.Daemon(change, start=False)
    try:
        done = mgmtd.run("-c", daemon.path("mgmtd.yaml"))
        assert done.returncode in (1, 3) and words in done.stderr, done
        assert not os.path.exists(daemon.control)
    finally:
        daemon.stop()


def test_address_that_the_responder_brings(namespaces):
    """The addresses are those of its exception interface, so they go when it dies, and come with it."""
    namespace, address = netns.Namespace("late"), "192.0.2.53"
    try:
        daemon = mgmtd.Daemon({"zones": zones("example.test"), "responder": "/nonexistent/responder.sock"},
                              data={"example.test": ZONE % 1}, start=False, wrap=namespace.command())
        with daemon:
            daemon.config["listen"] = [{"address": address, "port": 53}, {"address": "2001:db8::53", "port": 53}]
            daemon.write_config()
            daemon.start()
            assert daemon.log_text().count("is not here yet") == 2
            namespace.ip("link", "add", "kernel0", "type", "veth", "peer", "name", "other0")
            namespace.ip("addr", "add", address + "/24", "dev", "kernel0")
            namespace.ip("addr", "add", "2001:db8::53/64", "dev", "kernel0", "nodad")
            namespace.ip("link", "set", "kernel0", "up")
            message = dns.message.make_query("example.test", "SOA")
            # The first image may still be in the making.
            daemon.wait_for(lambda: namespace.call(dns.query.udp, message, address, 20).answer)
            for host in address, "2001:db8::53":
                for ask in dns.query.udp, dns.query.tcp:
                    assert namespace.call(ask, message, host, 20).answer
    finally:
        namespace.remove()


def test_key_that_is_not_there():
    change = {"acls": [{"id": "a", "keys": ["other.test"]}]}
    daemon = mgmtd.Daemon(change, keys=KEY, start=False)
    try:
        done = mgmtd.run("-c", daemon.path("mgmtd.yaml"))
        assert done.returncode == 1 and "there is no key 'other.test'" in done.stderr
        assert mgmtd.SECRET not in done.stderr
    finally:
        daemon.stop()


def test_one_of_a_kind():
    with mgmtd.Daemon() as daemon:
        done = mgmtd.run("-c", daemon.path("mgmtd.yaml"))
        assert done.returncode == 3 and daemon.control in done.stderr
        assert daemon.json("status")["server"] == "stele-mgmtd"


# ---- the service manager ----

def test_notify(monkeypatch, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with mgmtd.Daemon() as daemon:
            heard = [manager.recv(4096).decode()]
            assert heard[0].startswith("READY=1\n")
            while manager.recv(4096) != b"WATCHDOG=1":
                pass
            daemon.ctl("reload")
            while not heard[-1].startswith("RELOADING=1\nMONOTONIC_USEC="):
                heard.append(manager.recv(4096).decode())
            while heard[-1] != "READY=1":
                heard.append(manager.recv(4096).decode())
            assert daemon.end() == 0
            while heard[-1] != "STOPPING=1":
                heard.append(manager.recv(4096).decode())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_gives_up_root():
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("there is no user 'nobody'")
    # A port that only root may take: the one capability that is kept.
    daemon = mgmtd.Daemon({"user": "nobody"}, start=False)
    try:
        os.chmod(daemon.folder, 0o755)
        os.chown(daemon.folder, user.pw_uid, user.pw_gid)
        daemon.start()
        with open("/proc/%d/status" % daemon.process.pid, encoding="ascii") as file:
            status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        assert status["Uid"].split() == [str(user.pw_uid)] * 4
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 1 << 10
        assert status["NoNewPrivs"] == "1"
        assert os.stat(daemon.store).st_uid == user.pw_uid
        socket_stat = os.stat(daemon.control)
        assert stat.S_IMODE(socket_stat.st_mode) == 0o660 and socket_stat.st_gid == user.pw_gid
    finally:
        daemon.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_end(how):
    daemon = mgmtd.Daemon({"zones": zones("example.org")}, data={"example.org": ZONE % 1})
    try:
        daemon.wait("example.org", 1)
        assert daemon.end(how) == 0
        assert not os.path.exists(daemon.control)
        assert "ended" in daemon.log_text()
    finally:
        daemon.stop()


def test_killed_and_back():
    """What was there answers at once: from the image of before, whether the store can be compiled or not."""
    config = {"zones": zones("example.org")}
    with mgmtd.Daemon(config, data={"example.org": ZONE % 7}) as daemon:
        daemon.wait("example.org", 7)
        daemon.end(signal.SIGKILL)
        daemon.config["compiler"] = "/bin/false"
        daemon.write_config()
        daemon.start()
        assert daemon.serial("example.org") == 7
        assert daemon.query("www.example.org", "A").answer[0][0].address == "192.0.2.80"


# ---- other processes ----

def test_started_by_who_ignores_its_children():
    """What is ignored is inherited, and of a child that ends so nobody is told how."""
    with mgmtd.Daemon({"zones": zones("example.test")}, data={"example.test": ZONE % 1},
                      wrap=["env", "--ignore-signal=CHLD"]) as daemon:
        daemon.wait("example.test", 1)
        assert daemon.json("status")["publisher"]["compile_error"] is None


def test_started_where_options_come_first():
    """With POSIXLY_CORRECT an option behind an operand is none: the compiler gets none there."""
    with mgmtd.Daemon({"zones": zones("example.test")}, data={"example.test": ZONE % 1},
                      wrap=["env", "POSIXLY_CORRECT=1"]) as daemon:
        daemon.wait("example.test", 1)
        daemon.load("example.test", ZONE % 2)
        daemon.wait("example.test", 2)
        assert daemon.json("status")["publisher"]["compiles_failed"] == 0


def test_import_beside_it():
    with mgmtd.Daemon() as daemon:
        assert daemon.query("example.org").rcode() != 0
        for serial in 1, 2, 3:
            daemon.load("example.org", ZONE % serial)
            daemon.wait("example.org", serial)
            assert daemon.serial("example.org") == serial
        assert daemon.zones()["example.org"]["role"] == "primary"
        assert not daemon.zone("example.org")["configured"]


def test_import_that_the_compiler_sees_first(tmp_path):
    """It comes between what the daemon wants compiled and the compiler's look into the store. What is served then is
    known as it is, and others are told of it, though there is nothing left to compile when the daemon looks."""
    compiler, coming, come = (tmp_path / name for name in ("compiler", "coming", "come"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(60)
        config = {"compiler": compiler,
                  "remotes": [{"id": "s", "addresses": ["127.0.0.1"], "port": ear.getsockname()[1]}],
                  "templates": [{"id": "told", "notify": ["s"]}],
                  "zones": [{"name": "a.test"}, {"name": "b.test", "template": "told"}]}
        with mgmtd.Daemon(config, data={"b.test": ZONE % 1}, start=False) as daemon:
            compiler.write_text("""#!/bin/sh
if mv {coming} {come} 2> /dev/null; then
    {binary} import --store {store} --zone b.test {come} > /dev/null || exit 9
fi
exec {binary} "$@"
""".format(coming=coming, come=come, binary=stele.binary(), store=daemon.store))
            compiler.chmod(0o755)
            daemon.start()
            daemon.wait("b.test", 1)
            for serial in 2, 3:
                coming.write_text(ZONE % serial)
                daemon.load("a.test", ZONE % serial)
                daemon.wait("a.test", serial)
                assert come.read_text() == ZONE % serial
                zone = daemon.zone("b.test")
                assert (zone["serial"], zone["served_serial"]) == (serial, serial)
                told = None
                while told != serial:
                    answer = dns.message.from_wire(ear.recv(65535)).answer
                    told = answer[0][0].serial if answer else None


# ---- reload ----

def test_reload_keeps_what_is_right():
    with mgmtd.Daemon({"zones": zones("a.test")}, keys=KEY) as daemon:
        # A zone that is new has its place in the store a moment later.
        daemon.wait_for(lambda: daemon.json("status")["store_generation"] > 0)
        before = daemon.zones()
        assert before["a.test"]["records"] == 0 and not before["a.test"]["loaded"]
        for broken in ({"zones": zones("b.test", template="none")},
                       {"zones": zones("b.test"), "acls": [{"id": "x", "keys": ["no.test"]}]},
                       {"zones": zones("b.test"), "acls": [], "keys": "/nonexistent"}):
            good = dict(daemon.config)
            daemon.config.update(broken)
            daemon.write_config()
            done = daemon.ctl("reload", check=False)
            assert done.returncode != 0 and done.stderr
            assert daemon.zones() == before
            daemon.config = good
        daemon.write_config()
        assert "zones" in daemon.reload(zones=zones("b.test"))
        assert set(daemon.zones()) == {"b.test"}
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.wait_for(lambda: daemon.log_text().count("audit what=reload") == 2)


def test_audit_is_left_out():
    """Whatever the change is, there is no line of it while the option is off; the reload that turns it on has one."""
    config = {"acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
              "remotes": [{"id": "away", "addresses": ["127.0.0.1"], "port": 9}],
              "templates": [{"id": "default", "allow_update": ["here"]}, {"id": "second", "primaries": ["away"]}],
              "zones": zones("a.test"), "log": {"audit": False}}
    with mgmtd.Daemon(config, data={"a.test": ZONE % 1}) as daemon:
        daemon.wait("a.test", 1)
        daemon.reload(zones=zones("a.test") + zones("b.test", "c.test", template="second"))
        daemon.ctl("transfer", "c.test")
        daemon.reload(zones=zones("a.test") + zones("c.test", template="second"))
        # Once this update is served, what was committed before it has been told of.
        message = dns.update.Update("a.test")
        message.add("new", 60, "A", "192.0.2.3")
        assert dns.query.udp(message, "127.0.0.1", 30, daemon.port).rcode() == dns.rcode.NOERROR
        daemon.wait("a.test", 2)
        daemon.reload(log={"audit": True})
        daemon.reload(zones=zones("a.test"))
        daemon.wait_for(lambda: "what=remove-zone zone=c.test." in daemon.log_text())
        audit = [line.partition("audit ")[2] for line in daemon.log_text().splitlines() if "audit " in line]
        assert sorted(audit) == ["what=reload", "what=reload", "what=remove-zone zone=c.test."]


def test_reload_says_what_it_cannot():
    with mgmtd.Daemon() as daemon:
        daemon.reload(threads=3, compile_max="5m")
        log = daemon.log_text()
        assert "threads has changed" in log and "compile_max has changed" in log
        assert "store has changed" not in log
        daemon.reload(log={"format": "json"})
        daemon.reload()
        last = daemon.log_text().splitlines()[-1]
        assert json.loads(last)["what"] == "reload"


# ---- status ----

def test_status():
    config = {"zones": zones("a.test", "empty.test"), "metrics": {"address": "none"}}
    with mgmtd.Daemon(config, data={"a.test": ZONE % 3}) as daemon:
        daemon.wait("a.test", 3)
        daemon.query("a.test")
        daemon.query("a.test", tcp=True)
        daemon.wait_for(lambda: daemon.query("empty.test").rcode() == 2)
        status = daemon.json("status")
        assert status["pid"] == daemon.process.pid and status["responder"] is None
        assert status["zones"] == {"total": 2, "loaded": 1, "expired": 0, "secondary": 0,
                                   "failing": 0, "behind": 0}
        published = status["publisher"]
        assert published["served"] == published["compiled"] == status["store_generation"]
        assert published["compile_error"] is None and published["responder_up"] is True
        assert status["service"]["udp_queries"] >= 1 and status["service"]["tcp_queries"] == 1
        assert status["listen"] == [{"address": "127.0.0.1#%d" % daemon.port, "tls": False}]
        text = daemon.ctl("status").stdout
        assert "zones       2, 1 not loaded\n" in text
        assert "process %d" % daemon.process.pid in text


def test_waits_as_long_as_it_is_told_to():
    """However long that is: multiplied by a million these would be times long past."""
    with mgmtd.Daemon({"zones": zones("a.test")}) as daemon:
        for serial, timeout_ms in ((1, 2 ** 63 - 1), (2, 18446744073710)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as waiting:
                waiting.settimeout(120)
                waiting.connect(daemon.control)
                waiting.send(json.dumps({"op": "wait", "zone": "a.test", "serial": serial,
                                         "timeout_ms": timeout_ms}).encode())
                # Its first look is behind it when others have been answered.
                daemon.ctl("status")
                daemon.load("a.test", ZONE % serial)
                assert json.loads(waiting.recv(1 << 20))["ok"]


def test_unknown_requests():
    with mgmtd.Daemon({"zones": zones("a.test")}) as daemon:
        for words, status, text in (
                (("load", daemon.store + "/data.mdb"), 2, "load"),
                (("drain",), 2, "drain"),
                (("zone", "b.test"), 1, "there is no zone"),
                (("transfer", "a.test"), 1, "no primaries"),
                (("transfer", "b.test"), 1, "there is no zone"),
                (("notify", "a.test"), 1, "nobody to notify"),
                (("wait", "a.test", "1", "--timeout", "0"), 1, "is not served with serial 1"),
                (("wait", "b.test", "1", "--timeout", "0"), 1, "is not served with serial 1"),
        ):
            done = daemon.ctl(*words, check=False)
            assert done.returncode == status and text in done.stderr, (words, done)
