# SPDX-License-Identifier: Apache-2.0
"""scripts/quickstart as a newcomer runs it, and what it leaves behind, which is nothing.

With names of this process and --isolate, beside whatever else runs; the last of these tests leaves out
--isolate, as nobody types it, where the addresses are free.
"""
import os
import signal
import subprocess
import time

import pytest

import documents
import netns
import peers
import responder

SCRIPT = os.path.join(responder.ROOT, "scripts/quickstart")
WAIT_S = 120    # a machine that does a hundred other things still gets there

def as_from_a_terminal():
    """A test run in the background may have been told to ignore Ctrl-C or a hangup, which scripts cannot take back."""
    for number in signal.SIGINT, signal.SIGQUIT, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)
    peers.end_with_parent()


pytestmark = pytest.mark.usefixtures("namespaces")


class Quickstart:
    """Runs the script under a name of its own, with the programs of the build under test."""

    def __init__(self, folder):
        self.name = netns.unique("q")
        self.dir = "/run/%s-quickstart" % self.name
        # The layout of a build directory, whatever the places are that the variables name.
        self.build = str(folder)
        for program, variable, place in (("stele-compile", "STELE_COMPILE", "zonecompiler"),
                                         ("stele-responder", "STELE_RESPONDER", "responder"),
                                         ("stele-mgmtd", "STELE_MGMTD", "mgmt"),
                                         ("stelectl", "STELECTL", "mgmt")):
            os.makedirs(os.path.join(self.build, place), exist_ok=True)
            os.symlink(os.path.abspath(responder.program(program, variable, place)),
                       os.path.join(self.build, place, program))

    def command(self, *words):
        return [SCRIPT, "--no-build", "--build-dir", self.build, "--name", self.name, "--isolate", *words]

    def run(self, *words, **more):
        return subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **more)

    def start(self, *words):
        """In the foreground; returns once it says that it stays up."""
        self.log = os.path.join(self.build, "log")
        with open(self.log, "wb") as log:
            process = subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, preexec_fn=as_from_a_terminal)
        self.await_true(lambda: "Ctrl-C ends it" in self.text() or process.poll() is not None)
        assert process.poll() is None, self.text()
        return process

    def text(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def await_true(condition):
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def pid(self, what="responder"):
        with open("%s/%s.pid" % (self.dir, what), encoding="utf-8") as file:
            return int(file.read().split()[0])

    def dig(self, *words):
        return subprocess.run(["ip", "netns", "exec", self.name + "-host", "dig", "+time=5", "+short", *words],
                              stdout=subprocess.PIPE, text=True).stdout

    def remains(self):
        """Whatever there still is of it."""
        found = [name for name in os.listdir("/run") if name.startswith(self.name)]
        found += [name for name in os.listdir("/run/netns") if name.startswith(self.name)]
        found += [name for name in os.listdir("/sys/class/net") if name.startswith(self.name)]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    if self.dir.encode() in file.read():
                        found.append("process " + pid)
            except OSError:
                pass    # it has ended meanwhile
        return found


@pytest.fixture
def quickstart(tmp_path):
    made = Quickstart(tmp_path / "a build's")    # wherever somebody has cloned it
    yield made
    made.run("--stop")
    assert made.remains() == []


def gone(pid):
    """Whether a process has ended, buried or not."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_once_and_once_more_from_elsewhere(quickstart):
    for _ in range(2):
        done = quickstart.run("--once", cwd="/")
        assert done.returncode == 0, done.stdout
        assert "22 checks, 0 failed" in done.stdout and "NOT SO" not in done.stdout
        assert quickstart.remains() == []


def test_detach_and_stop(quickstart):
    done = quickstart.run("--detach")
    assert done.returncode == 0, done.stdout
    pid = quickstart.pid()
    assert quickstart.dig("@10.53.0.2", "www.nsec.test", "AAAA") == "2001:db8::80\n"
    assert quickstart.dig("@fd53::2", "www.example", "A") == "192.0.2.80\n"

    # A second one is the first, or says that there is one.
    done = quickstart.run("--detach")
    assert done.returncode == 0 and "runs already: process %d" % pid in done.stdout
    done = quickstart.run("--once")
    assert done.returncode == 1 and "runs already" in done.stdout
    assert quickstart.pid() == pid and not gone(pid)

    assert quickstart.run("--stop").returncode == 0
    assert gone(pid) and quickstart.remains() == []
    done = quickstart.run("--stop")
    assert done.returncode == 0 and "nothing to stop" in done.stdout


@pytest.mark.parametrize("mode, status", [("--once", 1), ("--detach", 0)])
def test_two_at_once(quickstart, tmp_path, mode, status):
    """While one builds, another one starts: that stays, whatever the first had seen before."""
    tools, called, go = tmp_path / "bin", tmp_path / "called", tmp_path / "go"
    tools.mkdir()
    (tools / "meson").write_text("#!/bin/sh\ntouch %s\nuntil [ -e %s ]; do sleep 0.05; done\n" % (called, go))
    (tools / "meson").chmod(0o755)
    with open(quickstart.build + "/build.ninja", "wb"):
        pass
    slower = subprocess.Popen([word for word in quickstart.command(mode) if word != "--no-build"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "PATH": "%s:%s" % (tools, os.environ["PATH"])})
    quickstart.await_true(lambda: called.exists() or slower.poll() is not None)
    assert quickstart.run("--detach").returncode == 0
    pid = quickstart.pid()
    go.touch()
    text = slower.communicate()[0]
    assert not gone(pid), text
    assert slower.returncode == status and "runs already: process %d" % pid in text
    assert quickstart.dig("@10.53.0.2", "www.example", "A") == "192.0.2.80\n"


def test_what_it_says_to_type_next(quickstart):
    """The commands at its end work as they stand there, in a shell that knows nothing."""
    done = quickstart.run("--detach")
    lines = done.stdout.split("What to type next")[1].splitlines()
    commands = [line.strip() for line in lines if line.startswith("  ")]
    assert len(commands) == 11
    script = "\n".join(commands).replace("stats --watch", "stats --watch --count 2 --interval 1")
    script = script.replace("$EDITOR ", "sed -i 's/ hostmaster [0-9]* / hostmaster 2030010101 /' ")
    done = subprocess.run(["sh", "-e", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert quickstart.dig("@10.53.0.2", "example", "SOA").split()[2] == "2030010102"
    assert "moving.test." in done.stdout and "secondary" in done.stdout


def test_what_the_readme_says_to_type_next(quickstart):
    quickstart.run("--detach")
    script = next(body for kind, body in documents.blocks("README.md") if "stele-quickstart/env" in body)
    for word, instead in (("/run/stele-quickstart", quickstart.dir), ("--watch", "--watch --count 1"),
                          ("dig ", "ip netns exec %s-host dig " % quickstart.name)):
        assert word in script
        script = script.replace(word, instead)
    done = subprocess.run(["sh", "-e", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert "status: NXDOMAIN" in done.stdout and "NSEC3" in done.stdout and "moving.test." in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stays_until_it_is_told(quickstart, number):
    process = quickstart.start()
    pid = quickstart.pid()
    assert quickstart.dig("@10.53.0.2", "www.example") == "192.0.2.80\n"
    process.send_signal(number)
    assert process.wait(WAIT_S) == 0
    assert gone(pid) and quickstart.remains() == []


def test_stop_ends_one_in_the_foreground(quickstart):
    process = quickstart.start()
    assert quickstart.run("--stop").returncode == 0
    assert process.wait(WAIT_S) == 0 and quickstart.remains() == []


@pytest.mark.parametrize("after_s", [0.05, 0.3, 0.8, 1.5])
def test_interrupted_on_the_way(quickstart, after_s):
    """Wherever it is just then, it takes away what it has made."""
    process = subprocess.Popen(quickstart.command("--once"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(after_s)
    process.terminate()
    text = process.communicate(timeout=WAIT_S)[0]
    # bash itself may fail to read what a signal is to do, and says so then (see the traps of the script)
    assert process.returncode in (0, 143, -signal.SIGTERM) or "trap: line" in text, text
    assert quickstart.remains() == []


def test_killed_and_started_again(quickstart):
    """What a killed one leaves is taken away by the next, or by --stop."""
    process = quickstart.start()
    process.kill()
    process.wait()
    done = quickstart.run("--once")
    assert done.returncode == 1 and "runs already" in done.stdout
    for daemon in "responder", "primary", "mgmtd":
        os.kill(quickstart.pid(daemon), signal.SIGKILL)
        quickstart.await_true(lambda: gone(quickstart.pid(daemon)))
    done = quickstart.run("--once")
    assert done.returncode == 0, done.stdout
    assert quickstart.remains() == []


@pytest.mark.parametrize("daemon", ["responder", "mgmtd"])
def test_a_daemon_that_ends_is_no_secret(quickstart, daemon):
    process = quickstart.start()
    os.kill(quickstart.pid(daemon), signal.SIGKILL)
    assert process.wait(WAIT_S) == 3
    assert "the %s has ended" % daemon in quickstart.text() and quickstart.remains() == []


def test_a_pid_that_is_somebody_elses(quickstart):
    """--stop ends no process that has only got the number."""
    assert quickstart.run("--detach").returncode == 0
    ours = quickstart.pid()
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        path = quickstart.dir + "/responder.pid"
        with open(path, encoding="utf-8") as file:
            record = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write("%d %s\n" % (stranger.pid, record.split()[1]))
        os.kill(ours, signal.SIGTERM)
        quickstart.await_true(lambda: gone(ours))
        assert quickstart.run("--stop").returncode == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_namespace_that_is_taken(quickstart):
    name = quickstart.name + "-node"
    netns.run("ip", "netns", "add", name)
    try:
        done = quickstart.run("--once")
        assert done.returncode == 1 and "the network namespace '%s' is taken" % name in done.stdout
        assert os.path.exists("/run/netns/" + name)
    finally:
        netns.run("ip", "netns", "del", name)


def test_what_is_not_built(quickstart):
    os.unlink(os.path.join(quickstart.build, "mgmt/stelectl"))
    done = quickstart.run("--once")
    assert done.returncode == 1 and "mgmt/stelectl is not there" in done.stdout


def test_a_failed_check_fails_it(quickstart, tmp_path):
    """A responder that lies is noticed: here dig is asked in its place."""
    liar = tmp_path / "bin"
    liar.mkdir()
    (liar / "dig").write_text("#!/bin/sh\n[ \"$1\" = -v ] || echo 'status: SERVFAIL'\n")
    (liar / "dig").chmod(0o755)
    environment = {**os.environ, "PATH": "%s:%s" % (liar, os.environ["PATH"])}
    for mode in "--once", "--detach":
        done = quickstart.run(mode, env=environment)
        assert done.returncode == 1 and "# NOT SO: an answer (expected status: NOERROR)" in done.stdout
        assert quickstart.remains() == []


def test_start_that_takes_too_long():
    """The bound is one of time, however long a try takes: here a second, and so does each."""
    script = """start_max_s=1 dir=/nonexistent tries=0
        alive() { true; }
        fail() { echo "$tries tries: $2"; exit "$1"; }
        try() { tries=$((tries + 1)); sleep 1; false; }
        . scripts/quickstart.d/servers.sh
        await mgmtd try 2>&1"""
    done = subprocess.run(["bash", "-euc", script], cwd=responder.ROOT, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1] in ["%d tries: the mgmtd did not start" % cnt for cnt in (1, 2)]


@pytest.mark.parametrize("words", [["--nonsense"], ["--name", "Upper"], ["--name", "a" * 15], ["--name", ""],
                                   ["--build-dir", ""], ["--once", "--stop"], ["--stop", "--detach"]])
def test_usage(words):
    done = subprocess.run([SCRIPT, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.startswith("quickstart: ")


def test_without_isolation(quickstart):
    """As it stands in the README, where nothing else has the addresses; then names that are taken."""
    command = [word for word in quickstart.command() if word != "--isolate"]
    done = subprocess.run(command + ["--detach"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if "are taken" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
    answer = subprocess.run(["dig", "@10.53.0.2", "+short", "www.example"], stdout=subprocess.PIPE, text=True)
    assert answer.stdout == "192.0.2.80\n"
    assert os.path.exists("/sys/class/net/%s0" % quickstart.name)

    other = subprocess.run([SCRIPT, "--no-build", "--build-dir", quickstart.build, "--once", "--name",
                            netns.unique("r")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    assert other.returncode == 1 and "addresses of 10.53.0.0/24 or fd53::/64 are taken" in other.stdout


def test_an_interface_that_is_taken(quickstart):
    interface = quickstart.name + "0"
    netns.run("ip", "tuntap", "add", "dev", interface, "mode", "tap")
    try:
        command = [word for word in quickstart.command("--once") if word != "--isolate"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 1 and "the interface '%s' is taken" % interface in done.stdout
        assert os.path.exists("/sys/class/net/" + interface)
    finally:
        netns.run("ip", "link", "del", interface)


def test_it_builds(quickstart):
    """All of it, as in the README; in a test run, packages and build are there already."""
    build = os.environ.get("STELE_BUILD_DIR") or os.path.join(responder.ROOT, "build")
    if not os.path.exists(build + "/build.ninja"):
        pytest.skip("there is no build directory")
    done = subprocess.run([SCRIPT, "--build-dir", build, "--name", quickstart.name, "--isolate", "--once"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    assert done.returncode == 0, done.stdout
    assert quickstart.remains() == []
