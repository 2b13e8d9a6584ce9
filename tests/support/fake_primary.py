# SPDX-License-Identifier: Apache-2.0
"""A primary that says what a test wants it to say, over UDP and TCP on a port of 127.0.0.1.

A script is a function of a Question that yields what is sent: bytes (a message, sent behind its length over
TCP), Raw (bytes as they are), Pause (seconds), or nothing at all. When it ends, the connection is closed
unless it yielded Keep. Versions is a zone with a history; its method `answer` is the script of a primary
that does everything right, and others are made of its parts.
"""
import dataclasses
import socket
import struct
import sys
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import dns.tsig


@dataclasses.dataclass
class Raw:
    """Bytes that go out as they are."""
    data: bytes


@dataclasses.dataclass
class Pause:
    seconds: float


class Keep:
    """The connection stays open."""


@dataclasses.dataclass
class Question:
    message: dns.message.Message
    tcp: bool
    wire: bytes
    peer: str = None

    @property
    def name(self):
        return self.message.question[0].name

    @property
    def type(self):
        return dns.rdatatype.to_text(self.message.question[0].rdtype)

    @property
    def serial(self):
        """The client's, in a question for IXFR."""
        return self.message.authority[0][0].serial if self.message.authority else None


def record(owner, ttl, kind, data):
    return dns.rrset.from_text(dns.name.from_text(owner), ttl, "IN", kind, data)


def reply(question, records=(), rcode=0, flags=dns.flags.AA, ask=True, message_id=None):
    """One message, unsigned, with its records in this order."""
    message = dns.message.Message(question.message.id if message_id is None else message_id)
    message.flags = dns.flags.QR | flags
    message.set_rcode(rcode)
    if ask:
        message.question = question.message.question
    message.answer = list(records)
    return message


def wire(message):
    return message.to_wire(max_size=65535)


def sign_all(question, messages, keyring, keyname, which=lambda index, last: True,
             algorithm=dns.tsig.HMAC_SHA256):
    """Messages as signed bytes, by RFC 8945 section 5.3.1; `which` leaves signatures out."""
    context, wires = None, []
    for index, message in enumerate(messages):
        last = index == len(messages) - 1
        if index == 0 or which(index, last):
            message.use_tsig(keyring, keyname, algorithm=algorithm)
            message.request_mac = question.message.mac
            wires.append(message.to_wire(max_size=65535, multi=True, tsig_ctx=context))
            context = message.tsig_ctx
        else:
            data = message.to_wire(max_size=65535)
            context.update(data)
            wires.append(data)
    return wires


class Versions:
    """A zone: {serial: [(owner, ttl, type, data), ...]}, without SOA; the last one is current."""

    def __init__(self, name, versions, refresh=3600, retry=600, expire=86400, case=lambda s: s):
        self.name = name
        self.versions = versions
        self.timers = (refresh, retry, expire)
        self.case = case

    @property
    def serial(self):
        return list(self.versions)[-1]

    def soa(self, serial=None):
        serial = self.serial if serial is None else serial
        return record(self.name, 3600, "SOA", "ns.%s hostmaster.%s %d %d %d %d 300" % (
            self.name, self.name, serial, *self.timers))

    def records(self, serial=None):
        """Behind the SOA; one rrset a record."""
        return [record(*r) for r in self.versions[self.serial if serial is None else serial]]

    def axfr(self, serial=None):
        return [self.soa(serial), *self.records(serial), self.soa(serial)]

    def ixfr(self, since):
        """The records of deltas from `since` on; None if it is not known."""
        serials = list(self.versions)
        if since not in serials:
            return None
        records = [self.soa()]
        for old, new in zip(serials[serials.index(since):], serials[serials.index(since) + 1:]):
            before, after = self.versions[old], self.versions[new]
            records += [self.soa(old)] + [record(*r) for r in before if r not in after]
            records += [self.soa(new)] + [record(*r) for r in after if r not in before]
        return records + [self.soa()]

    def answer(self, question, size=100):
        """What a good primary says."""
        if question.type == "SOA":
            yield wire(reply(question, [self.soa()]))
            yield Keep
            return
        records = self.axfr()
        if question.type == "IXFR":
            if question.serial == self.serial:
                records = [self.soa()]
            else:
                records = self.ixfr(question.serial) or records
        for start in range(0, len(records), size):
            yield wire(reply(question, records[start:start + size], ask=start == 0))
        yield Keep

    def canonical(self, serial=None):
        """What a secondary holds then: {(owner, ttl, type, data)}, names in lower case."""
        return canonical([self.soa(serial), *self.records(serial)])


# A zone and what it is next, for tests to which it does not matter what is in it.
ZONE = "zone.test."
BASE = [(ZONE, 300, "NS", "ns.zone.test."), ("ns.zone.test.", 300, "A", "192.0.2.1"),
        ("www.zone.test.", 300, "TXT", '"one"')]
NEXT = BASE[:2] + [("www.zone.test.", 300, "TXT", '"two"')]


def versions(**timers):
    """ZONE with serial 1."""
    return Versions(ZONE, {1: BASE}, **timers)


def canonical(rrsets):
    return {(rrset.name.to_text().lower(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype),
             rdata.to_text().lower()) for rrset in rrsets for rdata in rrset}


def silent(question):
    """A script: over UDP nothing comes, and TCP is closed."""
    return iter(())


class FakePrimary:
    """Runs a script: FakePrimary(zone.answer). `script` may be changed while it runs.

    `tls`: an ssl.SSLContext with which connections are taken.
    """

    def __init__(self, script, keyring=None, port=0, tls=None):
        self.script = script
        self.tls = tls
        self.keyring = keyring
        self.asked = []
        self.stopping = False
        self.connection_cnt = 0
        self.answered_cnt = 0
        while True:
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind(("127.0.0.1", port))
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(self.tcp.getsockname())
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.port = self.tcp.getsockname()[1]
        self.tcp.listen(100)
        self.connections = set()
        self.threads = [threading.Thread(target=target, daemon=True)
                        for target in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    def stop(self):
        self.stopping = True
        for sock in (self.tcp, self.udp, *self.connections):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for thread in self.threads:
            thread.join(5)

    def asked_for(self, kind):
        """How many questions of this type came."""
        return sum(q.type == kind for q in self.asked)

    def settled(self, count, seconds=60):
        """Waits until so many questions for the SOA came, and none more follows."""
        deadline = time.monotonic() + seconds
        while self.asked_for("SOA") < count:
            assert time.monotonic() < deadline, self.asked
            time.sleep(0.01)
        time.sleep(0.1)
        assert self.asked_for("SOA") == count

    def _question(self, data, tcp, peer):
        keyring = self.keyring if self.keyring is not None else True
        message = dns.message.from_wire(data, keyring=keyring, ignore_trailing=False)
        question = Question(message, tcp, data, peer[0])
        self.asked.append(question)
        return question

    def _serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(65535)
            except OSError:
                data, peer = b"", None
            if self.stopping:
                return
            if not data:
                continue
            for part in self.script(self._question(data, False, peer)):
                if isinstance(part, Pause):
                    time.sleep(part.seconds)
                elif isinstance(part, (Raw, bytes)) and not self._send_udp(part, peer):
                    return
            self.answered_cnt += 1

    def _send_udp(self, part, peer):
        """False when it is stopped meanwhile."""
        try:
            self.udp.sendto(part.data if isinstance(part, Raw) else part, peer)
        except OSError:
            if self.stopping:
                return False
            raise
        return True

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            self.connections.add(connection)
            self.connection_cnt += 1
            threading.Thread(target=self._serve_connection, args=(connection,),
                             daemon=True).start()

    def _serve_connection(self, connection):
        try:
            if self.tls:
                self.connections.discard(connection)
                connection = self.tls.wrap_socket(connection, server_side=True)
                self.connections.add(connection)
            while self._serve_one(connection):
                pass
            if self.tls:
                connection.unwrap()
        except (OSError, dns.exception.DNSException) as error:
            # For whoever reads why a test failed.
            if not self.stopping:
                print("fake primary: %r" % error, file=sys.stderr)
        finally:
            self.connections.discard(connection)
            connection.close()

    def _serve_one(self, connection):
        """True if another question may come over this connection."""
        head = receive(connection, 2)
        if not head:
            return False
        data = receive(connection, struct.unpack("!H", head)[0])
        keep = False
        for part in self.script(self._question(data, True, connection.getpeername())):
            if part is Keep:
                keep = True
            elif isinstance(part, Pause):
                time.sleep(part.seconds)
            elif isinstance(part, Raw):
                connection.sendall(part.data)
            else:
                connection.sendall(struct.pack("!H", len(part)) + part)
        self.answered_cnt += 1
        return keep


def receive(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return b""
        data += part
    return data
