# SPDX-License-Identifier: Apache-2.0
"""Stele as a black box: zone files in, an image, and `stele-compile answer` as the server."""
import os
import shutil
import struct
import subprocess
import tempfile

from asking import Pump

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BATCH = 4096   # queries written at once; the engine under test makes its own, smaller batches


class SteleError(RuntimeError):
    """A command of stele-compile did not do what it was asked."""


def binary():
    """The path of stele-compile: STELE_COMPILE, else that of the usual build directory."""
    path = os.environ.get("STELE_COMPILE") or os.path.join(ROOT, "build/zonecompiler/stele-compile")
    if not os.access(path, os.X_OK):
        raise SteleError("%s is not there: build it (meson compile -C build), or set STELE_COMPILE" % path)
    return path


def built(path):
    """A program of the same build directory, by its path there: all of a run are of one build."""
    return os.path.join(os.path.dirname(os.path.dirname(binary())), path)


def is_sanitized():
    """Whether it is a build with a sanitizer, which has needs of its own."""
    libraries = subprocess.run(["ldd", binary()], check=True, stdout=subprocess.PIPE, text=True).stdout
    return "libasan" in libraries or "libtsan" in libraries


def run(*arguments, check=True):
    """Run stele-compile; with check, SteleError unless it exits with 0."""
    done = subprocess.run([binary(), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    if check and done.returncode:
        raise SteleError("stele-compile %s: exit status %d\n%s%s" % (
            " ".join(map(str, arguments)), done.returncode, done.stdout, done.stderr))
    return done


def images_of_serials(folder, zone, serials):
    """An image for each serial: `zone` is the text of the zone example., with %(serial)d where that goes."""
    paths = []
    for serial in serials:
        (folder / "zone").write_text(zone % {"serial": serial})
        path = folder / ("%d.image" % serial)
        run("import", "--store", folder / "store", "--zone", "example.", folder / "zone")
        run("build", "--store", folder / "store", "-o", path)
        paths.append(path)
    return paths


def replace_image(path, image):
    """Puts a copy of `image` in the place of the file at `path`, as who pushes images does."""
    new = "%s.new" % path
    shutil.copy(image, new)
    os.replace(new, path)


def two_images(folder):
    """Of the zone example. with serial 1, and with 2: www.example. has the address 198.51.100.1, then 198.51.100.2."""
    return images_of_serials(folder, "$TTL 60\n@ SOA ns h %(serial)d 60 60 60 60\n@ NS ns\n"
                             "ns A 192.0.2.1\nwww A 198.51.100.%(serial)d\n", (1, 2))


class Answerer:
    """A running `stele-compile answer`. ask() gives the replies in order, None where none is sent."""

    def __init__(self, image, tcp=False, client=None, check_store=None, cookie_secret=None):
        command = [binary(), "answer", image]
        if cookie_secret:
            command += ["--cookie-secret", cookie_secret]
        if check_store:
            command += ["--check-store", check_store]
        if tcp:
            command.append("--tcp")
        if client:
            command += ["--client", client]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, bufsize=1 << 16)

    def ask(self, queries):
        replies = []
        for start in range(0, len(queries), BATCH):
            part = queries[start:start + BATCH]
            pump = Pump(self.process.stdin, b"".join(struct.pack("!H", len(q)) + q for q in part))
            for message in part:
                replies.append(self._read_one(message))
            pump.join()
        return replies

    def _read_one(self, message):
        head = self.process.stdout.read(2)
        body = b""
        if len(head) == 2:
            size = head[0] << 8 | head[1]
            if not size:
                return None
            body = self.process.stdout.read(size)
            if len(body) == size:
                return body
        raise SteleError("stele-compile answer ended with status %s at the query %s\n%s" % (
            self.process.wait(), message.hex(), self.error_text()))

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def stop(self):
        """Close its input and expect it to end by itself with status 0."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdout.read()
        status = self.process.wait()
        text = self.error_text()
        self.errors.close()
        self.process.stdout.close()
        if status:
            raise SteleError("stele-compile answer ended with status %d\n%s" % (status, text))


def ask_each(image, queries):
    """The replies of one answerer, which is asked one after the other: each finds what those before it left."""
    answerer = Answerer(image)
    try:
        return [answerer.ask([message])[0] for message in queries]
    finally:
        answerer.stop()


class Stele:
    """An image made of zone files [(name, file), ...], and answerers over it, started when first used."""

    def __init__(self, zones, cookie_secret=None):
        self.cookie_secret = cookie_secret
        self.folder = tempfile.mkdtemp(prefix="stele-test-")
        self.image = os.path.join(self.folder, "test.image")
        self.answerers = {}
        try:
            store = os.path.join(self.folder, "store")
            for name, path in zones:
                run("import", "--store", store, "--zone", name, path)
            run("build", "--store", store, "-o", self.image)
            run("verify", self.image)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def answerer(self, tcp=False, client=None):
        key = tcp, client
        if key not in self.answerers:
            self.answerers[key] = Answerer(self.image, tcp, client, cookie_secret=self.cookie_secret)
        return self.answerers[key]

    def ask(self, queries, tcp=False, client=None):
        return self.answerer(tcp, client).ask(queries)

    def stop(self):
        try:
            for answerer in self.answerers.values():
                answerer.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
