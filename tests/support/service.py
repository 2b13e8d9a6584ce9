# SPDX-License-Identifier: Apache-2.0
"""The daemon's service alone: tests/integration/service/service_host over an image, and ways to talk to it."""
import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time

import asking
import peers
import stele

KEYS = {   # algorithm: (id, secret)
    name: ("%s.key.test." % name, "c2VjcmV0IG9mIHRoZSBzZXJ2aWNlIHVuZGVyIHRlc3Qh")
    for name in ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha256-128", "hmac-sha384",
                 "hmac-sha384-192", "hmac-sha512", "hmac-sha512-256")
}


def start(config, log=None):
    """The running process, which listens already; RuntimeError with what it says if it does not start."""
    with tempfile.TemporaryFile("w+") as own:
        process = subprocess.Popen([stele.built("tests/integration/service/service_host"), config], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log or own,
                                   preexec_fn=peers.end_with_parent)
        if process.stdout.readline() == "ready\n":
            return process
        process.communicate()
        own.seek(0)
        text = own.read()
    if log:
        log.seek(0)
        text = log.read()
    raise RuntimeError("service_host ended with %d: %s" % (process.returncode, text))


class Service:
    """A running service_host. Options are sections of the configuration, as text, by name."""

    def __init__(self, image, address="127.0.0.1", tls=None, threads=1, listen=None, **sections):
        self.folder = tempfile.mkdtemp(prefix="stele-service-")
        self.image, self.address, self.threads, self.sections = image, address, threads, sections
        self.port, self.tls_port = peers.free_port(), peers.free_port()
        self.tls, self.listen = tls, listen
        self.configs, self.keys = 0, KEYS
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        try:
            self.process = start(self.config(), self.log)
        except BaseException:
            self.log.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def log_text(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def config(self, **sections):
        """Writes a configuration, with other sections than those of the start; its path."""
        sections = {**self.sections, **sections}
        self.configs += 1
        keys = os.path.join(self.folder, "keys.yaml")
        with open(keys, "w", encoding="utf-8") as file:
            os.chmod(keys, 0o600)
            file.write("keys:\n")
            for algorithm, (name, secret) in self.keys.items():
                file.write("  - id: %s\n    algorithm: %s\n    secret: %s\n" % (name, algorithm, secret))
        path = os.path.join(self.folder, "mgmtd%d.yaml" % self.configs)
        with open(path, "w", encoding="utf-8") as file:
            file.write("store: {0}/store\nimage: {1}\nstate_dir: {0}/state\ncontrol: {0}/control\n"
                       "keys: {0}/keys.yaml\nthreads: {2}\n".format(self.folder, self.image, self.threads))
            file.write("listen:\n")
            for address in self.listen or [self.address]:
                file.write('  - address: "%s"\n    port: %d\n' % (address, self.port))
                if self.tls:
                    file.write('  - address: "%s"\n    port: %d\n    tls: true\n' % (address, self.tls_port))
            if self.tls and "tls" not in sections:
                sections["tls"] = self.tls
            for name, options in sections.items():
                file.write("%s:\n%s" % (name, "".join("  %s\n" % line for line in options.splitlines())))
        return path

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("service_host ended with %s: %s" % (self.process.wait(), self.log_text()))
        return answer.rstrip("\n")

    def reload(self, **sections):
        return self.command("reload " + self.config(**sections))

    @contextlib.contextmanager
    def other_keys(self, keys):
        """Configurations that are written meanwhile have these keys."""
        self.keys = keys
        yield
        self.keys = KEYS

    def release(self):
        """Answers all requests that are held, the last one first; `held` of the counters is how many there are."""
        answer = self.command("release")
        if answer != "ok":
            raise RuntimeError("release: " + answer)

    def counters(self):
        return {name: int(value) for name, value in
                (pair.split("=") for pair in self.command("counters").split())}

    def wait_for(self, condition, seconds=60):
        """Until the condition holds for the counters; returns them."""
        deadline = time.monotonic() + seconds
        while True:
            counters = self.counters()
            if condition(counters) or time.monotonic() > deadline:
                return counters
            time.sleep(0.02)

    def ask_udp(self, message, client=None):
        """The reply to one datagram that is sent once, however long it takes (asking.ask_udp would repeat it, and each
        of them counts). When it returns, it is counted, and a single loop has worked on all that came before."""
        before = self.counters()["udp_replies"]
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            if client:
                sock.bind((client, 0))
            sock.connect((self.address, self.port))
            sock.send(message)
            reply = sock.recv(65535)
        self.wait_for(lambda counters: counters["udp_replies"] > before)
        return reply

    def connect(self, timeout=20, port=None, **options):
        return Connection(socket.create_connection((self.address, port or self.port), timeout=timeout), **options)

    def connect_tls(self, context=None, timeout=20, **options):
        sock = socket.create_connection((self.address, self.tls_port), timeout=timeout)
        try:
            return Connection((context or client_context()).wrap_socket(sock, server_hostname="ns.service.test"),
                              **options)
        except BaseException:
            sock.close()
            raise

    def stop(self, check=True):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status = self.process.wait(60)
        text = self.log_text()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if check and (status or text):
            raise RuntimeError("service_host ended with %d\n%s" % (status, text))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()


class Connection:
    """A connection over TCP or TLS, and messages with their lengths on it."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, *messages):
        self.sock.sendall(b"".join(struct.pack("!H", len(m)) + m for m in messages))

    def receive(self):
        """One message; EOFError when the server closes, ConnectionResetError when it resets."""
        size = struct.unpack("!H", asking.read_exactly(self.sock, 2))[0]
        return asking.read_exactly(self.sock, size)

    def ask(self, message):
        self.send(message)
        return self.receive()

    def is_closed(self):
        """Waits for the end; True if it was an orderly one, False if it was a reset."""
        try:
            while self.sock.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return False

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with a reset: unlike one that only sends no more, this client waits for nothing."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


def client_context(ca=None, certificate=None, alpn=("dot",), version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Authority:
    """A certificate authority in a folder, by the openssl program."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name, self.cnt = str(folder), name, 0
        self.key, self.certificate = self.path(name + ".key"), self.path(name + ".pem")
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                  "-keyout", self.key, "-out", self.certificate, "-subj", "/CN=" + name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, usage="serverAuth"):
        """(certificate, key): paths of PEM files for the DNS name."""
        self.cnt += 1
        base = self.path("%s-%s-%d" % (self.name, name, self.cnt))
        with open(base + ".ext", "w", encoding="ascii") as file:
            file.write("subjectAltName=DNS:%s\nextendedKeyUsage=%s\n" % (name, usage))
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", base + ".key",
                  "-out", base + ".csr", "-subj", "/CN=other." + name)
        self._run("x509", "-req", "-in", base + ".csr", "-CA", self.certificate, "-CAkey", self.key,
                  "-CAcreateserial", "-days", "30", "-extfile", base + ".ext", "-out", base + ".pem")
        return base + ".pem", base + ".key"

    @staticmethod
    def _run(*arguments):
        subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
