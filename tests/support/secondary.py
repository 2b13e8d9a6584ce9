# SPDX-License-Identifier: Apache-2.0
"""Stele as a secondary: tests/integration/secondary/secondary_host with a configuration of its own."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

import dns.zone

import stele
from peers import end_with_parent


def program(name="secondary_host"):
    path = stele.built(os.path.join("tests/integration/secondary", name))
    if not os.access(path, os.X_OK):
        raise stele.SteleError("%s is not there: build it (meson compile -C build)" % path)
    return path


class Secondary:
    """Looks after `zones` (names) of `primaries`: ports of 127.0.0.1, or remotes as YAML flow maps.

    `options`: further lines of the template; `keys`: [(id, algorithm, secret)].
    """

    def __init__(self, zones, primaries, options=(), keys=(), folder=None):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="stele-secondary-")
        self.store = self.path("store")
        remotes = []
        for index, primary in enumerate(primaries):
            if isinstance(primary, int):
                primary = "addresses: [127.0.0.1], port: %d" % primary
            remotes.append("  - {id: p%d, %s}\n" % (index, primary))
        text = "store: {0}/store\nimage: {0}/image\nstate_dir: {0}/state\n".format(self.folder)
        text += "control: {0}/control.sock\nuser: none\n"\
            "listen: [{{address: 127.0.0.1, port: 53}}]\n".format(self.folder)
        if keys:
            text += "keys: %s\n" % self._write_keys(keys)
        text += "remotes:\n" + "".join(remotes)
        text += "templates:\n  - id: secondary\n    primaries: [%s]\n" % ", ".join(
            "p%d" % index for index in range(len(primaries)))
        text += "".join("    %s\n" % line for line in options)
        text += "zones:\n" + "".join(
            "  - {name: \"%s\", template: secondary}\n" % name for name in zones)
        self.config = self.path("mgmtd.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.process = None
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def _write_keys(self, keys):
        path = self.path("keys.yaml")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write("keys:\n" + "".join(
                "  - {id: %s, algorithm: %s, secret: \"%s\"}\n" % key for key in keys))
        return path

    def start(self):
        self.log = open(self.path("log"), "ab")
        self.process = subprocess.Popen([program(), self.config], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log,
                                        preexec_fn=end_with_parent)
        assert self._answer() == "ready"

    def _answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if ready else b""
        assert line, "secondary_host does not answer:\n" + self.log_text()
        return json.loads(line)

    def command(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        return self._answer()

    def zone(self, name):
        return self.command("zone", name)

    def counts(self):
        return self.command("counts")

    def wait(self, name, condition, seconds=60):
        """The zone once the condition holds; fails with what is known otherwise."""
        deadline = time.monotonic() + seconds
        while True:
            zone = self.zone(name)
            if condition(zone):
                return zone
            assert time.monotonic() < deadline, "%s\n%s" % (zone, self.log_text()[-6000:])
            time.sleep(0.003)

    def wait_serial(self, name, serial, seconds=60):
        return self.wait(name, lambda z: z["loaded"] and z["serial"] == serial, seconds)

    def wait_error(self, name, text, seconds=60):
        return self.wait(name, lambda z: text in (z["error"] or ""), seconds)

    def log_text(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def events(self, event):
        """Log lines of this event, as dictionaries."""
        found = []
        for line in self.log_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == event:
                found.append(entry)
        return found

    def export(self, name):
        """The zone's file, from the store."""
        return stele.run("export", "--store", self.store, name).stdout

    def canonical(self, name):
        """As Versions.canonical()."""
        zone = dns.zone.from_text(self.export(name), origin=name, relativize=False)
        return {(owner.to_text().lower(), ttl, kind, data)
                for owner, node in zone.items() for rdataset in node
                for owner_text, ttl, kind, data in _flat(owner, rdataset)}

    def stop(self):
        """Ends it in order: its status, 0 unless something is wrong."""
        if self.process is None:
            return 0
        try:
            self.process.stdin.write(b"quit\n")
            self.process.stdin.close()
        except OSError:
            pass
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        status = self.stop()
        text = self.log_text()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert kind is not None or status == 0, "secondary_host: status %d\n%s" % (status,
                                                                                  text[-6000:])


def _flat(owner, rdataset):
    import dns.rdatatype
    for rdata in rdataset:
        yield (owner.to_text().lower(), rdataset.ttl, dns.rdatatype.to_text(rdataset.rdtype),
               rdata.to_text().lower())
