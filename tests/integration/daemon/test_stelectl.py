# SPDX-License-Identifier: Apache-2.0
"""`stelectl` against a server that answers what tests/integration/daemon/fake_responder.c says."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

import mgmtd
import stele

BUILD = os.environ.get("STELE_BUILD_DIR") or os.path.join(stele.ROOT, "build")
STELECTL = os.path.join(BUILD, "mgmt/stelectl")
FAKE = os.path.join(BUILD, "tests/integration/daemon/fake_responder")


class Server:
    def __init__(self, folder, *more):
        self.folder, self.more = folder, more
        self.socket = os.path.join(folder, "responder.sock")
        # Counters live on a tmpfs only.
        self.stats = "/dev/shm/stele-test-stelectl-%d-%d" % (os.getpid(), id(self))
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([FAKE, self.socket, self.stats, *self.more],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()
        self.process.stdout.close()


def ctl(*arguments):
    return subprocess.run([STELECTL, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def server():
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        running = Server(folder)
        yield running
        running.stop()
        assert running.process.returncode == 0
        assert not os.path.exists(running.socket) and not os.path.exists(running.stats)


def works(server, *arguments):
    done = ctl("--socket", server.socket, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def fails(server, status, words, *arguments):
    done = ctl("--socket", server.socket, *arguments)
    assert done.returncode == status, done
    assert words in done.stderr and done.stderr.startswith("stelectl: "), done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_help_and_usage():
    done = ctl("--help")
    assert done.returncode == 0
    commands = ("status", "zones", "zone", "load", "rollback", "wait", "reload", "drain", "undrain",
                "stats", "trace", "transfer", "notify", "health")
    for command in commands:
        assert "\n  " + command in done.stdout
        of_command = ctl(command, "--help")
        assert of_command.returncode == 0 and "usage: stelectl " + command in of_command.stdout
        assert "--socket PATH" in of_command.stdout
    assert ctl("--version").stdout == ctl("status", "--version").stdout != ""
    for wrong in ((), ("--json",), ("nothing",), ("status", "more"), ("zone",), ("zone", "a", "b"),
                  ("load",), ("wait", "example."), ("wait", "example.", "x"),
                  ("wait", "example.", "4294967296"), ("wait", "example.", "1", "--timeout", "x"),
                  ("stats", "--interval", "0"), ("stats", "--interval", "2"), ("stats", "--count", "2"),
                  ("stats", "x"), ("stats", "--watch", "--zones"),
                  ("trace",), ("trace", "a..b"), ("trace", "a", "NOTYPE"), ("trace", "a", "+no"),
                  ("health", "x"), ("health", "--timeout", "0"), ("status", "--nothing"), ("--json", "status", "--json"),
                  ("--socket", "a", "status", "-s", "a"), ("wait", "a.", "1", "-t", "1", "-t", "1")):
        done = ctl(*wrong)
        assert done.returncode == 2, wrong
        assert done.stderr.startswith("stelectl: ") and done.stdout == "", wrong


def test_nobody_there():
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        path = os.path.join(folder, "socket")
        for command in (("status",), ("zones",), ("wait", "a.", "1"), ("stats",), ("trace", "a.")):
            done = ctl("--socket", path, *command)
            assert done.returncode == 3
            assert done.stderr == "stelectl: %s: nobody listens there\n" % path
    done = ctl("stats", "--file", "/dev/shm/stele-no-such-file")
    assert done.returncode == 1 and "does not exist" in done.stderr


@pytest.mark.parametrize("whose, missing, commands", [
    ("the responder's", "R", (("load", STELECTL), ("rollback",), ("drain",), ("undrain",), ("stats",), ("health",),
                              ("trace", "a."))),
    ("the daemon's", "D", (("transfer", "a."), ("notify", "a."))),
    ("the daemon's, or else the responder's", "R", (("status",), ("zones",), ("zone", "a."), ("wait", "a.", "1"))),
    ("both servers'", "R", (("reload",),))])
def test_whose_socket(whose, missing, commands, tmp_path):
    """Where nobody listens, the last that is asked is complained of; and the help says who is asked."""
    sockets = {"STELE_RESPONDER_SOCKET": str(tmp_path / "R"), "STELE_MGMTD_SOCKET": str(tmp_path / "D")}
    for command in commands:
        done = subprocess.run([STELECTL, *command], env={**os.environ, **sockets}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.stderr == "stelectl: %s: nobody listens there\n" % (tmp_path / missing), command
        assert "control socket (%s)\n" % whose in ctl(command[0], "--help").stdout, command


def test_status(server):
    text = works(server, "status")
    for words in ("up 1 h 2 min", "generation 1, 25 zones", "/srv/example.image", "12.3MB",
                  "memory      12.4MB of 1.0GB for images, 2 MB pages",
                  "before it   none", "10.53.0.2  fd53::2", "up, 10000 Mbit/s", "zone-0.test.",
                  "and 17 more", "healthy"):
        assert words in text, words
    rows = text[text.index("CORE  NUMA"):].splitlines()
    assert rows[1].split() == ["1", "0", "tap0", "0", "1", "running"]
    assert rows[2].split() == ["2", "0", "tap0", "1", "0", "running"]
    # Common options may stand before and behind the command.
    for arguments in (("--json", "status"), ("status", "--json")):
        status = json.loads(works(server, *arguments))
        assert status["cores"][1]["generation"] == 0
        assert status["image"]["zones"] == 25 and status["previous"] is None
        assert len(status["zones"]) == 8 and "ok" not in status


def test_status_of_one_that_withdrew():
    """A health check that looks at its line alone lets a node back that was sound again long ago."""
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        running = Server(folder, "withdrawn")
        try:
            lines = works(running, "status").splitlines()
            assert "health      healthy" in lines
            assert [line for line in lines if line.startswith("withdrawn  ")]
        finally:
            running.stop()


def test_zones(server):
    listed = json.loads(works(server, "zones", "--json"))
    assert [zone["serial"] for zone in listed["zones"]] == list(range(100, 125))
    rows = works(server, "zones").splitlines()
    assert len(rows) == 26 and rows[0].split()[0] == "ZONE"
    assert rows[4].split() == ["zone-3.test.", "103", "3", "6", "nsec3", "(expired)", "2/2"]
    # The numbers of a column end in the same place.
    assert len({len(row) for row in rows}) == 1


def test_zone(server):
    text = works(server, "zone", "zone-1.test")
    assert "serial      101\n" in text and "signed      nsec3" in text
    assert [row.split() for row in text.splitlines()[-2:]] == [["1", "101", "1"], ["2", "-", "0"]]
    fails(server, 1, "no zone of this image", "zone", "other.test")
    # A name that is not UTF-8 is still the one that is asked for; what is no name is refused by the server.
    for name, told in ((b"A\xffb.test", b"A\\255b.test.: no zone"), (b"a..\xff", b"a..\\xff: no zone")):
        done = subprocess.run([STELECTL.encode(), b"--socket", server.socket.encode(), b"zone", name],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 1 and told in done.stderr, done


def test_load_and_rollback(server):
    good, bad = os.path.join(server.folder, "good"), os.path.join(server.folder, "bad")
    for path, content in ((good, "image 1"), (bad, "no image")):
        with open(path, "w") as out:
            out.write(content)
    fails(server, 1, "no image before", "rollback")
    assert works(server, "load", good).startswith(
        "generation 2 is served: 25 zones; copied 3 shards (4.1MB), kept 7, 12 ms")
    fails(server, 1, bad + ": byte 0: not an image", "load", bad)
    assert json.loads(works(server, "load", good, "--json"))["generation"] == 3
    assert works(server, "rollback") == "generation 2 is served again: /srv/example.image\n"
    fails(server, 1, "cannot open", "load", os.path.join(server.folder, "none"))
    fails(server, 1, "not a file", "load", server.folder)
    counted = json.loads(works(server, "stats", "--json"))["globals"]
    assert (counted["loads"], counted["loads_refused"]) == (2, 1)


def test_wait(server):
    assert works(server, "wait", "zone-1.test.", 150) == \
        "zone-1.test. is served with serial 150 on every core\n"
    fails(server, 1, "core 2 serves serial 101", "wait", "zone-1.test.", 201, "--timeout", "0")
    fails(server, 1, "core 2 serves serial 101", "wait", "zone-1.test.", 201, "--timeout=1")


def test_switches(server):
    assert works(server, "drain") == "drained\n"
    assert "not healthy, drained" in works(server, "status")
    assert json.loads(works(server, "undrain", "--json")) == {"drained": False}
    assert works(server, "reload") == "read again: cookie secrets\n"


def test_stats(server):
    text = works(server, "stats", "--cores", "--zones")
    for words in ("received", "answered_udp4", "drop_udp_checksum", "UDP checksum wrong",
                  "response_time", "cycles a packet", "zone.test."):
        assert words in text, words
    assert "drop_ip_header" not in text, "what did not happen is not shown"
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    counted = json.loads(works(server, "stats", "--json", "--zones"))
    total = counted["total"]
    assert total["received"] > 0 and counted["balance"] == 0 and counted["torn"] == 0
    assert total["received"] == total["answered"] + total["local"] + total["punted"] + total["dropped"]
    assert total["drop_udp_checksum"] * 32 == total["received"] * 7
    assert total["response_time"]["p50"] == 5119   # 5000 is in the bucket 4608 … 5119
    assert [core["core"] for core in counted["cores"]] == [1, 2]
    assert counted["cores"][1]["received"] == 0
    assert counted["zones"][0]["zone"] == "zone.test." and counted["zones"][0]["serial"] == 7
    # Without the server's help, as when it hangs.
    assert json.loads(ctl("stats", "--json", "--file", server.stats).stdout)["pid"] == counted["pid"]


def test_watch(server):
    lines = works(server, "stats", "--watch", "--count", 2).splitlines()
    assert len(lines) == 3 and lines[0].split()[:2] == ["TIME", "received/s"]
    rates = [json.loads(line) for line in
             works(server, "stats", "--watch", "--count", 2, "--json", "--zones").splitlines()]
    for rate in rates:
        total = rate["total"]
        assert rate["rates"] and 0 < total["answered"] < total["received"]
        assert total["received"] == pytest.approx(
            total["answered"] + total["local"] + total["punted"] + total["dropped"])
        assert rate["zones"][0]["answer"] == pytest.approx(total["answered"], rel=0.2)


def test_watch_over_a_restart(server):
    """The server starts again while its counters are watched."""
    with subprocess.Popen([STELECTL, "--socket", server.socket, "stats", "--watch", "--json",
                           "--count", "4"], stdout=subprocess.PIPE, text=True) as watching:
        first = json.loads(watching.stdout.readline())
        server.stop(signal.SIGKILL)   # leaves its socket and its file behind
        server.start()
        rest = [json.loads(line) for line in watching.stdout]
    assert watching.returncode == 0 and len(rest) == 3
    assert rest[-1]["pid"] == server.process.pid != first["pid"]
    assert all(value >= 0 for line in rest for value in
               (line["total"]["received"], line["total"]["dropped"]))


def test_trace(server):
    text = works(server, "trace", "www.example.", "AAAA", "+dnssec", "--client", "192.0.2.1")
    assert text.startswith(";; generation 1, no zone\n;; 1. from 192.0.2.1 by UDP\n"
                           ";; 2. no zone: REFUSED\n;; Got answer:\n")
    for words in ("status: REFUSED", ";; flags: qr aa rd;", "flags: do;",
                  ";www.example.\t\t\tIN\tAAAA"):
        assert words in text, words
    assert "by TCP" in works(server, "trace", "a.", "+tcp")
    traced = json.loads(works(server, "trace", "a.", "--json"))
    assert traced["message"]["status"] == "REFUSED" and traced["verdict"] == "reply"
    assert "for the daemon" in works(server, "trace", "punt.", "AXFR")
    assert "dropped" in works(server, "trace", "drop.")
    assert json.loads(works(server, "trace", "drop.", "--json"))["verdict"] == "drop"
    fails(server, 3, "does not parse", "trace", "bad.")


def test_health(server):
    """Why it is not healthy, too; nobody is asked but the responder, and one that says nothing not waited for long."""
    assert works(server, "health") == "healthy\n"
    works(server, "drain")
    done = ctl("--socket", server.socket, "health")
    assert (done.returncode, done.stdout, done.stderr) == (1, "unhealthy: drained\n", "")
    works(server, "undrain")
    assert json.loads(works(server, "health", "--json")) == {"healthy": True, "reasons": []}
    server.process.send_signal(signal.SIGSTOP)
    try:
        fails(server, 3, "no answer in time", "health", "--timeout", "1")
    finally:
        server.process.send_signal(signal.SIGCONT)
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        unwell = Server(folder, "unwell")
        try:
            reasons = ["no image is served", "no port has a link", "core 2 stands still"]
            done = ctl("--socket", unwell.socket, "health")
            assert (done.returncode, done.stdout) == (1, "unhealthy: %s\n" % ", ".join(reasons)), done
            done = ctl("--socket", unwell.socket, "health", "--json")
            assert done.returncode == 1 and json.loads(done.stdout) == {"healthy": False, "reasons": reasons}
        finally:
            unwell.stop()
    with mgmtd.Daemon() as daemon:
        done = daemon.ctl("health", check=False)
        assert done.returncode == 3 and done.stdout == "" and "no responder" in done.stderr, done


@contextlib.contextmanager
def daemon_beside(responder_socket, **config):
    """A daemon, and a stelectl that asks it and who listens there; `config`: of the daemon."""
    with mgmtd.Daemon({"zones": [{"name": "a.test"}], **config}) as daemon:
        environment = {**os.environ, "STELE_MGMTD_SOCKET": daemon.control, "STELE_RESPONDER_SOCKET": responder_socket}

        def both(*arguments):
            return subprocess.run([STELECTL, *arguments], env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        yield daemon, both


def reload_with_another_zone(daemon, both):
    """What stelectl ends with, and whether the daemon has the zone."""
    daemon.config["zones"] = [{"name": "a.test"}, {"name": "b.test"}]
    daemon.write_config()
    done = both("reload")
    return done, "b.test" in daemon.zones()


@pytest.mark.parametrize("how, status, told, changed", [
    ("refuses", 1, "responder.yaml:1:1: wrong", False),
    ("fails", 3, "stele-mgmtd has read its files again, stele-responder has not: no memory", True)])
def test_reload_that_a_responder_refuses(how, status, told, changed):
    """It is asked before the daemon changes anything; if it fails even so, who has changed is told."""
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        running = Server(folder, how)
        try:
            with daemon_beside(running.socket) as (daemon, both):
                done, has_changed = reload_with_another_zone(daemon, both)
                assert (done.returncode, done.stderr, has_changed) == (status, "stelectl: %s\n" % told, changed)
                assert ("read again: zones\n" in done.stdout) == changed
        finally:
            running.stop()


def test_reload_without_the_responder(tmp_path):
    """A daemon that works with one is reloaded, and that this one is not is told; one that works without is content."""
    nobody = str(tmp_path / "nobody")
    with daemon_beside(nobody, responder=nobody) as (daemon, both):
        done, has_changed = reload_with_another_zone(daemon, both)
        assert done.returncode == 3 and has_changed and "read again: zones\n" in done.stdout
        assert done.stderr == "stelectl: stele-mgmtd has read its files again, stele-responder has not: " \
            "%s: nobody listens there\n" % nobody
    with daemon_beside(nobody) as (daemon, both):
        done, has_changed = reload_with_another_zone(daemon, both)
        assert done.returncode == 0 and has_changed and done.stderr == "", done


def test_a_daemon_that_hangs(server):
    """The responder's health and status are shown; that the daemon says nothing is an error behind them."""
    with daemon_beside(server.socket) as (daemon, both):
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            done = both("health")
            assert (done.returncode, done.stdout, done.stderr) == (0, "healthy\n", "")
            done = both("status")
            assert done.returncode == 3 and done.stdout.startswith("server      stele-responder"), done
            assert done.stderr == "stelectl: %s: no answer in time\n" % daemon.control
            done = both("status", "--json")
            assert done.returncode == 3 and json.loads(done.stdout)["healthy"], done
        finally:
            daemon.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def accepting_nobody():
    """The path of a socket that somebody listens at who is not even reached any more: no more connections are taken."""
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder, contextlib.ExitStack() as stack:
        path = os.path.join(folder, "mgmtd.sock")
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listener.bind(path)
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                waiting.setblocking(False)
                waiting.connect(path)
        yield path


def ctl_beside(daemon, responder, *words, **options):
    return subprocess.run([STELECTL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "STELE_MGMTD_SOCKET": daemon, "STELE_RESPONDER_SOCKET": responder},
                          text=True, **options)


def test_a_daemon_that_accepts_nobody(server):
    """It hangs, and is not taken for one that is not there: what is shown instead would be the responder's alone."""
    with accepting_nobody() as path:
        done = ctl_beside(path, server.socket, "status")
        assert done.returncode == 3 and done.stdout.startswith("server      stele-responder"), done
        assert done.stderr.startswith("stelectl: %s: cannot connect: " % path), done
        for words in ("zones",), ("zone", "zone-0.test."), ("wait", "zone-0.test.", "1"), ("reload",):
            done = ctl_beside(path, server.socket, *words)
            assert (done.returncode, done.stdout) == (3, ""), done
            assert done.stderr.startswith("stelectl: %s: cannot connect: " % path), done


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_a_daemon_for_others():
    """Who may not ask it is told so, and not that there is no responder."""
    with mgmtd.Daemon() as daemon:
        os.chmod(daemon.folder, 0o755)
        done = ctl_beside(daemon.control, daemon.path("nobody"), "status", user=65534, group=65534, extra_groups=[])
    assert (done.returncode, done.stdout) == (3, ""), done
    assert done.stderr == "stelectl: %s: cannot connect: Permission denied\n" % daemon.control


def test_two_servers(server):
    """Without --socket the daemon is asked where it runs, and the responder for what only that knows."""
    with mgmtd.Daemon({"zones": [{"name": "a.test"}]}) as daemon:
        environment = {**os.environ, "STELE_MGMTD_SOCKET": daemon.control,
                       "STELE_RESPONDER_SOCKET": server.socket}

        def works_alone(*arguments):
            done = subprocess.run([STELECTL, *arguments], env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert done.returncode == 0 and done.stderr == "", done
            return done.stdout

        text = works_alone("status")
        assert text.startswith("daemon      stele-mgmtd") and "\nserver      stele-responder" in text
        assert "\nhealth      healthy\n" in text and "zone-0.test." in text
        status = json.loads(works_alone("status", "--json"))
        assert status["daemon"]["server"] == "stele-mgmtd" and len(status["cores"]) == 2
        [zone] = json.loads(works_alone("zones", "--json"))["zones"]
        assert zone["zone"] == "a.test." and zone["role"] == "primary"
        assert "role        primary" in works_alone("zone", "a.test")
        assert works_alone("drain") == "drained\n"
        reloaded = works_alone("reload").splitlines()
        assert "read again: zones" in reloaded and "read again: cookie secrets" in reloaded
        # What --socket names is one server and no other.
        assert json.loads(works(server, "zones", "--json"))["total"] == 25
        assert "stele-responder" not in daemon.ctl("status").stdout
        # And without the daemon it is as if there had never been one.
        daemon.end()
        assert len(works_alone("zones").splitlines()) == 26
        assert works_alone("status").startswith("server      stele-responder")


def test_no_daemon(server):
    """What only the daemon can do is not asked of the responder."""
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        path = os.path.join(folder, "socket")
        environment = {**os.environ, "STELE_MGMTD_SOCKET": path, "STELE_RESPONDER_SOCKET": server.socket}
        for command in ("transfer", "notify"):
            done = subprocess.run([STELECTL, command, "a.test"], env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert done.returncode == 3, done
            assert done.stderr == "stelectl: %s: nobody listens there\n" % path


def test_closed_output(server):
    """Nobody reads what is printed: an error, no silence."""
    with open("/dev/full", "w") as full:
        for command in (["status"], ["zones", "--json"], ["stats"], ["stats", "--watch", "--count", "1"]):
            done = subprocess.run([STELECTL, "--socket", server.socket, *command], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
            assert done.returncode == 3 and "standard output" in done.stderr, command


# ---- a daemon that says what a test wants ----

@contextlib.contextmanager
def saying(*responses):
    """The path of a socket: each connection has one request answered, in turn; None closes it without an answer."""
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder, \
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        path = os.path.join(folder, "socket")
        listener.bind(path)
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):    # nobody comes any more
                for response in responses:
                    with listener.accept()[0] as connection:
                        connection.recv(65536)
                        if response is not None:
                            connection.send(json.dumps(response).encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_what_has_just_happened():
    """The second that it is shown in is that of the failure, or one after it: never one to come."""
    now = int(time.time())
    zone = {"ok": True, "zone": "example.", "role": "secondary", "template": "default", "loaded": True,
            "last_error": "no primary answers", "last_error_at": now,
            "notified": [{"remote": "far", "serial": 1, "state": "failed", "at": now, "error": "no answer"}]}
    with saying(zone) as path:
        done = ctl("--socket", path, "zone", "example.")
    assert done.returncode == 0, done
    assert re.search(r"^failed      \S+ \S+ \((now|\d+ s ago)\)$", done.stdout, re.M), done.stdout
    assert re.search(r"^notified    far: serial 1 failed (now|\d+ s ago): no answer$", done.stdout, re.M), done.stdout


def odd(value):
    """What every text of a response may hold, too: numbers stay."""
    if isinstance(value, dict):
        return {name: odd(member) if name not in ("server", "verdict", "reply") else member
                for name, member in value.items()}
    if isinstance(value, list):
        return [odd(member) for member in value]
    return value + "\x1b[31m\n\x07\x9b\x7f\u00e9" if isinstance(value, str) else value


RESPONSES = {
    ("status",): [
        {"server": "stele-responder", "version": "1", "healthy": True, "image": {"name": "a"},
         "previous": {"name": "b"}, "arena": {"pages": "2M"}, "addresses": ["192.0.2.1"],
         "ports": [{"name": "p", "device": "d", "mac": "m", "link": "up"}], "cores": [{"port": "p", "state": "s"}]},
        {"generation": 1, "total": 1, "zones": [{"zone": "example.", "signed": "no"}]}],
    ("zones",): [{"store_generation": 1, "total": 1, "zones": [
        {"zone": "example.", "role": "primary", "signed": "no", "last_error": "late"}]}],
    ("zone", "example."): [
        {"zone": "example.", "role": "secondary", "template": "t", "catalog": "c.", "primaries": ["p"], "notify": ["n"],
         "loaded": True, "signed": "no", "last_error": "late",
         "notified": [{"remote": "far", "state": "failed", "error": "no answer"}],
         "problems": [{"member": "m.", "reason": "r"}]}],
    ("rollback",): [{"generation": 1, "name": "image"}],
    ("trace", "example."): [{"verdict": "drop", "generation": 1, "zone": "example.", "steps": ["a step"]}],
}


@pytest.mark.parametrize("words", RESPONSES, ids=lambda words: words[0])
def test_odd_bytes_of_a_response(words):
    """A path, or what a peer said: shown, not sent to the terminal. JSON has it as it came."""
    plain, responses = ([{"ok": True, **change(one)} for one in RESPONSES[words]] for change in (lambda one: one, odd))
    with saying(*plain) as path:
        expected = ctl("--socket", path, *words)
    with saying(*responses) as path:
        done = ctl("--socket", path, *words)
    with saying(*responses) as path:
        told = ctl("--socket", path, "--json", *words)
    assert (expected.returncode, done.returncode, told.returncode) == (0, 0, 0), (expected, done, told)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout), done.stdout
    suffix = "\\x1b[31m\\n\\x07\\xc2\\x9b\\x7f\u00e9"
    spaces = re.compile(r" +")   # columns are wider
    assert spaces.sub(" ", done.stdout.replace(suffix, "")) == spaces.sub(" ", expected.stdout)
    first = next(text for text in texts_of(responses[0]) if "\x1b" in text)
    assert first in set(texts_of(json.loads(told.stdout)))


def texts_of(value):
    if isinstance(value, str):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_of(member)


def test_odd_bytes_of_a_refusal():
    with saying({"ok": False, "kind": "input", "error": "no\x1b[31m\n"}) as path:
        done = ctl("--socket", path, "rollback")
    assert (done.returncode, done.stderr) == (1, "stelectl: no\\x1b[31m\\n\n")
