# SPDX-License-Identifier: Apache-2.0
"""stele-mgmtd as a process of its own, on a port of 127.0.0.1, with a folder for all that it keeps.

    with mgmtd.Daemon({"zones": [{"name": "example.org"}]}, data={"example.org": ZONE}) as daemon:
        daemon.wait("example.org", 1)
        daemon.query("example.org", "SOA")

The configuration is a dictionary, in the words of docs/configuration.md. What it does not say of paths,
addresses and the responder (there is none) is filled in.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import dns.exception
import dns.message
import dns.query
import dns.tsig

import peers
import stele

THREADS = int(os.environ.get("STELE_MGMTD_THREADS", 1))   # more of them where races are looked for
START_S = 60   # a machine that does a hundred other things still gets there
SECRET = "c2VjcmV0IG9mIHRoZSBkYWVtb24gdW5kZXIgdGVzdCEh"


class DaemonError(RuntimeError):
    """The daemon did not start, or did not do what it was asked."""


def program(name, variable, folder="mgmt"):
    """Beside stele-compile, unless the environment says otherwise."""
    path = os.environ.get(variable) or stele.built(os.path.join(folder, name))
    if not os.access(path, os.X_OK):
        raise DaemonError("%s is not there: build it, or set %s" % (path, variable))
    return path


def yaml(value):
    """Flow style. What could be a number or a word stays without quotes: in them it would be neither."""
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (yaml(key), yaml(member))
                                  for key, member in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(yaml, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z0-9./_-]+", text) and text[0] not in "-" else json.dumps(text)


def run(*arguments):
    """Run stele-mgmtd to its end: for --check, --help and what does not start."""
    return subprocess.run([program("stele-mgmtd", "STELE_MGMTD"), *map(str, arguments)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Daemon:
    """A running daemon.

    `config`: sections over those of default_config(). `keys`: {id: algorithm}, all with SECRET. `data`:
    {zone: text of its file}, imported before the start. `folder`: that of another one, which has ended,
    to go on with what it left (it is not removed then). `wrap`: words before the command.
    """

    def __init__(self, config=(), keys=(), data=(), folder=None, start=True, wrap=()):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="stele-mgmtd-")
        self.control, self.store = self.path("mgmtd.sock"), self.path("store")
        self.log, self.wrap = self.path("log"), list(wrap)
        self.port = peers.free_port()
        self.keys, self.process = dict(keys), None
        self.config = {**self.default_config(), **dict(config)}
        try:
            for zone, text in dict(data).items():
                self.load(zone, text)
            self.write_config()
            if start:
                self.start()
        except BaseException:
            self.stop()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def default_config(self):
        config = {
            "store": self.store, "image": self.path("image"), "state_dir": self.path("state"),
            "control": self.control, "responder": "none", "user": "none", "threads": THREADS,
            "compiler": stele.binary(), "listen": [{"address": "127.0.0.1", "port": self.port}],
        }
        if self.keys:
            config["keys"] = self.path("keys.yaml")
        return config

    def write_config(self):
        self._write("mgmtd.yaml", 0o644, "".join("%s: %s\n" % (key, yaml(value))
                                                 for key, value in self.config.items()))
        if self.keys:
            self._write("keys.yaml", 0o600, "keys:\n" + "".join(
                '  - {id: "%s", algorithm: %s, secret: "%s"}\n' % (name, algorithm, SECRET)
                for name, algorithm in self.keys.items()))

    def _write(self, name, mode, text):
        """Whole at any time, for a daemon that starts meanwhile. A link leads to where there is room."""
        path = os.path.realpath(self.path(name))
        with open(os.open(path + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w",
                  encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def load(self, zone, text):
        """As an operator does it: a zone file by `stele-compile import`, whether the daemon runs or not."""
        path = self.path("import.zone")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        stele.run("import", "--store", self.store, "--zone", zone, path)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrap, program("stele-mgmtd", "STELE_MGMTD"), "-c", self.path("mgmtd.yaml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                preexec_fn=peers.end_with_parent)
        self.wait_for(lambda: self.ctl("status", check=False).returncode == 0, START_S)

    def wait_for(self, condition, seconds=START_S):
        """Until condition() is true; DaemonError if it is not in time, or the daemon has ended."""
        end = time.monotonic() + seconds
        while not condition():
            if self.process and self.process.poll() is not None:
                raise DaemonError("stele-mgmtd ended with status %d\n%s" % (
                    self.process.returncode, self.log_text()))
            if time.monotonic() > end:
                raise DaemonError("not within %d s\n%s" % (seconds, self.log_text()[-8000:]))
            time.sleep(0.02)

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- the control socket ----

    def ctl(self, *words, check=True):
        done = subprocess.run(
            [program("stelectl", "STELECTL"), "--socket", self.control, *map(str, words)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if check and done.returncode:
            raise DaemonError("stelectl %s: exit status %d\n%s\n%s" % (
                words, done.returncode, done.stderr, self.log_text()[-8000:]))
        return done

    def json(self, *words):
        return json.loads(self.ctl(*words, "--json").stdout)

    def zones(self):
        """{name without the last dot: what is known of it}"""
        return {zone["zone"].rstrip("."): zone for zone in self.json("zones")["zones"]}

    def zone(self, name):
        return self.json("zone", name)

    def wait(self, zone, serial, seconds=START_S):
        """Until every core serves this serial, or a later one."""
        self.ctl("wait", zone, serial, "--timeout", seconds)

    def reload(self, **sections):
        """With other sections of the configuration; the text of what stelectl says."""
        self.config.update(sections)
        self.write_config()
        return self.ctl("reload").stdout

    # ---- questions ----

    def key(self, name):
        """A key of `keys`, for dnspython."""
        return dns.tsig.Key(name, SECRET, self.keys[name])

    def query(self, name, rdtype="SOA", tcp=False, key=None, timeout=60, **options):
        """The response as dnspython has it. Over UDP it is asked again until `timeout`."""
        message = dns.message.make_query(name, rdtype, **options)
        if key:
            message.use_tsig(self.key(key))
        if tcp:
            return dns.query.tcp(message, "127.0.0.1", timeout, self.port)
        end = time.monotonic() + timeout
        while True:
            try:
                return dns.query.udp(message, "127.0.0.1", 1, self.port)
            except dns.exception.Timeout:
                if time.monotonic() > end:
                    raise

    def serial(self, zone):
        """Of the SOA that is answered; None if there is none in the answer."""
        answer = self.query(zone, "SOA").answer
        return answer[0][0].serial if answer else None

    # ---- the end ----

    def end(self, how=signal.SIGTERM):
        """Ends the process; its exit status (negative: the signal). What it keeps stays."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise DaemonError("stele-mgmtd does not end\n" + self.log_text()[-8000:]) from None
        finally:
            status, self.process = self.process.returncode, None
        return status

    def restart(self, how=signal.SIGTERM):
        self.end(how)
        self.start()

    def stop(self, judge=False):
        """With `judge`, DaemonError if it ends otherwise than it should: sanitizers speak at the end."""
        try:
            status = self.end()
            if judge and status:
                raise DaemonError("stele-mgmtd ended with status %d\n%s" % (status, self.log_text()[-20000:]))
        finally:
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop(judge=kind is None)
