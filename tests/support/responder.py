# SPDX-License-Identifier: Apache-2.0
"""stele-responder on a virtual port, with namespaces for its clients and for its kernel side.

    client namespace --- port (TAP, or a veth with AF_PACKET) --- responder --- exception interface in
    the node's namespace
"""
import array
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import asking
import netns
import peers
import stele

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
V4, V6 = "10.53.0.2", "fd53::2"
CLIENT4, CLIENT6 = "10.53.0.1", "fd53::1"
START_S = 60    # a machine that does a hundred other things still gets there


class ResponderError(RuntimeError):
    """The responder did not start, or did not do what it was asked."""


def program(name, variable, folder):
    """Beside stele-compile, unless the environment says otherwise."""
    path = os.environ.get(variable) or stele.built(os.path.join(folder, name))
    if not os.access(path, os.X_OK):
        raise ResponderError("%s is not there: build it, or set %s" % (path, variable))
    return path


def binary():
    return program("stele-responder", "STELE_RESPONDER", "responder")


def stelectl(*words, check=True):
    """Run stelectl; its standard output."""
    done = subprocess.run([program("stelectl", "STELECTL", "mgmt"), *map(str, words)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode:
        raise ResponderError("stelectl %s: exit status %d\n%s" % (words, done.returncode, done.stderr))
    return done.stdout


def last_core():
    return max(os.sched_getaffinity(0))


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def yaml(value):
    """Flow style, with plain scalars: a size in quotes would be no size."""
    if isinstance(value, dict):
        return "{%s}\n" % ", ".join("%s: %s" % (key, yaml(member)) for key, member in value.items())
    if isinstance(value, list):
        return "[%s]" % ", ".join(map(yaml, value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"%s"' % text if ":" in text else text


class Node:
    """A responder that serves `image`; `change(config)` may change its configuration before it starts.

    `port`: "tap", "af_packet", "af_xdp", or "file" for one without an interface, which `change` describes.
    """

    def __init__(self, image, port="tap", exception=True, change=None, start=True):
        self.folder = tempfile.mkdtemp(prefix="stele-node-")
        self.control = os.path.join(self.folder, "control")
        self.log = os.path.join(self.folder, "log")
        self.process, self.port = None, port
        self.wrapper = []    # what the responder is started by, as ["taskset", "-c", "0"]
        self.namespaces = []
        self.client, self.node = self._namespace("c"), self._namespace("n")
        self.wire = self._namespace("w") if port.startswith("af_") else self.client
        self.interface = netns.unique("p")[:15]
        self.config = {
            "image": str(image), "state_dir": self._path("state"), "control": self.control,
            "user": "none",
            "memory": {"huge_pages": "none", "image_arena": "64M"},
            "ports": [{
                "device": "net_tap", "name": "port0", "args": {"iface": self.interface},
                "addresses": [V4 + "/24", V6 + "/64"], "cores": [last_core()],
                "exception": {"kind": "tap", "interface": "kernel0", "namespace": self.node.name},
            }],
            "idle": {"mode": "sleep", "max_delay": "200us"},
            "cookies": {"enabled": False},
            "rrl": {"enabled": False},
        }
        os.mkdir(self.config["state_dir"])
        if not exception:
            self.config["ports"][0]["exception"] = {"kind": "none"}
        if port.startswith("af_"):
            self._make_veth()
        if change:
            change(self.config)
        try:
            if start:
                self.start()
        except BaseException:
            self.stop()
            raise

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _namespace(self, kind):
        namespace = netns.Namespace(kind)
        self.namespaces.append(namespace)
        return namespace

    def _make_veth(self):
        """The responder's end is `wire0` in a namespace of its own."""
        self.wire.ip("link", "add", "wire0", "type", "veth", "peer", "name", self.interface,
                     "netns", self.client.name)
        for name, interface in (self.wire, "wire0"), (self.client, self.interface):
            # A kernel that leaves checksums to a card that is none would send wrong ones.
            netns.run(*name.command("ethtool", "-K", interface, "tx", "off", "rx", "off"))
        # What the kernel of this end would say of its own accord is not the responder's.
        netns.run(*self.wire.command("sysctl", "-qw", "net.ipv6.conf.wire0.disable_ipv6=1"))
        self.wire.ip("link", "set", "wire0", "up")
        self.config["ports"][0].update({"device": "net_" + self.port, "args": {"iface": "wire0"}})

    def write_config(self):
        path = self._path("config.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(yaml(self.config))
        return path

    def start(self, verbose=False):
        """Start, and wait until it says that it is ready."""
        path = self._path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            os.chmod(path, 0o666)    # it may not be root any more when it is ready
            notify.settimeout(0.2)
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    self.wire.command(*self.wrapper, binary(), "-c", self.write_config(),
                                      *["--verbose"] * verbose),
                    env={**os.environ, "NOTIFY_SOCKET": path}, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, preexec_fn=peers.end_with_parent)
            self._await_ready(notify)
        os.unlink(path)
        if self.port != "file":
            self._address_client()

    def _await_ready(self, notify):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if b"READY=1" in notify.recv(4096):
                    return
            except socket.timeout:
                pass
        raise ResponderError("the responder is not ready\n" + self.log_text())

    def _address_client(self):
        ip = self.client.ip
        ip("link", "set", self.interface, "up")
        ip("addr", "replace", CLIENT4 + "/24", "dev", self.interface)
        ip("addr", "replace", CLIENT6 + "/64", "dev", self.interface, "nodad")

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ask(self, queries, tcp=False, host=V4, tries_max=20):
        """The replies in order; None where there is none."""
        if tcp:
            return self.client.call(asking.ask_tcp, 53, queries, host=host)
        # The port has no flow control: what does not fit into a TAP's queue is lost, and asked again.
        return self.client.call(asking.ask_udp, 53, queries, host=host, window=32, tries_max=tries_max)

    def flood_kernel(self, cnt):
        """So many datagrams that are no queries, to where nobody listens."""
        def send():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for _ in range(cnt):
                    sock.sendto(b"x" * 100, (V4, 9999))

        self.client.call(send)

    def begin(self, op, fd=None, **members):
        """A request over a control connection of its own, over which the response will come."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(60)
        sock.connect(self.control)
        ancillary = [] if fd is None else [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        sock.sendmsg([json.dumps({"op": op, **members}).encode()], ancillary)
        return sock

    def request(self, op, fd=None, **members):
        """One request over the control socket; the response."""
        with self.begin(op, fd, **members) as sock:
            return json.loads(sock.recv(1 << 20))

    def load(self, image):
        with open(image, "rb") as file:
            return self.request("load", fd=file.fileno(), path=str(image))

    def counters(self):
        """The counters of all workers, from shared memory: {name: value}, and "balance"."""
        end = time.monotonic() + 20
        while True:
            stats = json.loads(stelectl("stats", "--json", "--socket", self.control))
            # Of a worker that was interrupted in the middle of a burst there is no whole copy for now.
            if not stats["torn"] or time.monotonic() > end:
                return {**stats["total"], "balance": stats["balance"]}

    def kill(self):
        """End it without giving it a chance to clean up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        """Ask it to end; its exit status."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise ResponderError("the responder does not end\n" + self.log_text())
        return self.process and self.process.returncode

    def stop(self):
        try:
            self.end()
        finally:
            for namespace in self.namespaces:
                namespace.remove()
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and self.process:
            print(self.log_text())
        self.stop()


class Listener:
    """A TCP service on the node's kernel side that says hello."""

    def __init__(self, namespace, port=53, host=V4):
        self.address = host, port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = namespace.call(socket.create_server, self.address, family=family)
        self.socket.settimeout(20)

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self):
        connection, _ = self.socket.accept()
        connection.sendall(b"hello")
        connection.close()

    def fetch(self):
        with socket.create_connection(self.address, timeout=20) as connection:
            return connection.recv(100)

    def __exit__(self, kind, value, trace):
        self.socket.close()
