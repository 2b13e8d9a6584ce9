# SPDX-License-Identifier: Apache-2.0
"""Those who ask, in the client's namespace, and look at each answer: over UDP at the port, over TCP and TLS through the
port at the daemon.

A question is asked, and then answered, unanswered, or on a connection that was cut: each is counted.
"""
import random
import socket
import struct
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

import responder
import service
from history import GONE

ROUND = 20            # questions that are under way at once
SILENCE_S = 1.0
TIMEOUT_S = 8.0
ROUNDS_MAX = 40       # of a connection


def without_signature(one, other):
    """Whether two values are the same but for signatures, as they are without DO; with DO `other` has one."""
    if one is GONE:
        return False
    return one == other or one.split(" ")[0] == other


class Checker(threading.Thread):
    """`histories`: the zones that are asked for; answers over the same `way` have a floor in common."""

    def __init__(self, world, histories, seed, name, way, pause_s):
        super().__init__(daemon=True, name=name)
        self.world, self.histories, self.way, self.pause_s = world, histories, way, pause_s
        self.rng = random.Random("%s %s" % (seed, name))
        self.halted, self.wrong, self.faults = threading.Event(), [], []
        self.asked = self.answered = self.late = self.cut = self.checked = 0
        self.lost_at, self.cuts = [], []
        self.slowest_s = 0.0

    def question(self, number):
        """(message, history, label, floor)"""
        history = self.rng.choice(self.histories)
        label = "@" if self.rng.random() < 0.2 else self.rng.choice(history.keys())
        name = history.zone if label == "@" else "%s.%s" % (label, history.zone)
        message = dns.message.make_query(name, "SOA" if label == "@" else "TXT", want_dnssec=self.rng.random() < 0.5,
                                         payload=1232)
        message.id = number & 0xFFFF
        message.flags &= ~dns.flags.RD
        return message, history, label, history.floor(self.way)

    def look_at(self, question, wire):
        message, history, label, floor = question
        try:
            reply = dns.message.from_wire(wire)
            fault = self.fault(message, history, label, floor, reply)
        except (dns.exception.DNSException, ValueError) as error:
            fault = "%s: %r" % (message.question[0], error)
        self.checked += 1
        if fault and len(self.wrong) < 1000:
            self.wrong.append(fault)

    def fault(self, message, history, label, floor, reply):
        """What is wrong with a reply, or None."""
        what = message.question[0]
        if reply.id != message.id or reply.question != message.question or not reply.flags & dns.flags.QR:
            return "%s: a reply to something else: %s" % (what, reply.question)
        if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return "%s over %s: %s" % (what, self.way, dns.rcode.to_text(reply.rcode()))
        if not reply.flags & dns.flags.AA:
            return "%s over %s: not authoritative" % (what, self.way)
        for rrset in reply.authority:
            if rrset.rdtype == dns.rdatatype.SOA:
                fault = history.check_serial(self.way, floor, rrset[0].serial)
                if fault:
                    return fault
        found = {rrset.rdtype if rrset.rdtype != dns.rdatatype.RRSIG else (rrset.covers,): rrset
                 for rrset in reply.answer}
        if label == "@":
            if dns.rdatatype.SOA not in found:
                return "%s over %s: no SOA: %s" % (what, self.way, reply)
            return history.check_serial(self.way, floor, found[dns.rdatatype.SOA][0].serial)
        return self.check_text(message, history, label, floor, reply, found)

    def check_text(self, message, history, label, floor, reply, found):
        texts, signatures = found.get(dns.rdatatype.TXT), found.get((dns.rdatatype.TXT,))
        if texts is None:
            if reply.answer or reply.rcode() != dns.rcode.NXDOMAIN:
                return "%s over %s: neither the record nor NXDOMAIN: %s" % (message.question[0], self.way, reply)
            return history.check(self.way, floor, label, GONE)
        if len(texts) != 1 or len(reply.answer) != 1 + (signatures is not None):
            return "%s over %s: other records: %s" % (message.question[0], self.way, reply.answer)
        value = texts[0].to_text().strip('"')
        if signatures is not None:
            value += " " + signatures[0].to_text()
        elif message.ednsflags & dns.flags.DO:
            # As it is, so it does not fit where there should be a signature.
            return history.check(self.way, floor, label, value)
        return history.check(self.way, floor, label, value, same=without_signature)

    def run(self):
        try:
            self.world.node.client.call(self.work)
        except Exception as error:    # told in the balance
            self.faults.append("%s ended: %r" % (self.name, error))

    def work(self):
        raise NotImplementedError

    def halt(self):
        self.halted.set()
        self.join(60)
        if self.is_alive():
            self.faults.append("%s does not end" % self.name)


class UdpChecker(Checker):
    """Rounds of questions, each waited for until it is quiet."""

    def __init__(self, world, histories, seed, name, way, pause_s, host=responder.V4):
        super().__init__(world, histories, seed, name, way, pause_s)
        self.host = host

    def work(self):
        number = 0
        while not self.halted.is_set():
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                sock.connect((self.host, 53))
                for _ in range(ROUNDS_MAX):
                    number = self.round(sock, number)
                    if self.halted.wait(self.pause_s):
                        break

    def round(self, sock, number):
        waiting, begin = {}, time.monotonic()
        for number in range(number + 1, number + 1 + ROUND):
            question = self.question(number)
            waiting[question[0].id] = question
            self.asked += 1
            sock.send(question[0].to_wire())
        sock.settimeout(SILENCE_S)
        while waiting:
            try:
                wire = sock.recv(65535)
            except socket.timeout:
                break
            except OSError:
                continue    # an ICMP message about an earlier one
            question = waiting.pop(struct.unpack("!H", wire[:2])[0], None)
            if question is None:
                self.late += 1
                continue
            self.answered += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - begin)
            self.look_at(question, wire)
        if waiting:
            self.lost_at.append((begin, time.monotonic(), len(waiting)))
        return number


class StreamChecker(Checker):
    """Pipelined questions on connections that last a while; every other one is TLS."""

    def work(self):
        number = 0
        while not self.halted.is_set():
            begin, outstanding = time.monotonic(), [0]
            try:
                with self.connect(self.rng.random() < 0.5) as connection:
                    for _ in range(self.rng.randrange(1, ROUNDS_MAX)):
                        number = self.round(connection, number, outstanding)
                        if self.halted.wait(self.pause_s):
                            break
            except (OSError, EOFError) as error:
                self.cut += outstanding[0]
                self.cuts.append((begin, time.monotonic(), "%r, %d questions under way" % (error, outstanding[0])))
                self.halted.wait(0.2)

    @staticmethod
    def connect(tls):
        sock = socket.create_connection((responder.V4, 853 if tls else 53), timeout=TIMEOUT_S)
        if not tls:
            return service.Connection(sock)
        try:
            return service.Connection(service.client_context().wrap_socket(sock))
        except BaseException:
            sock.close()
            raise

    def round(self, connection, number, outstanding):
        questions = []
        for number in range(number + 1, number + 1 + ROUND):
            questions.append(self.question(number))
        self.asked += ROUND
        outstanding[0] = ROUND
        connection.send(*(question[0].to_wire() for question in questions))
        waiting = {question[0].id: question for question in questions}
        while waiting:
            wire = connection.receive()
            question = waiting.pop(struct.unpack("!H", wire[:2])[0], None)
            if question is None:
                self.wrong.append("a reply over %s that nobody asked for" % self.way)
                continue
            self.answered += 1
            outstanding[0] -= 1
            self.look_at(question, wire)
        return number
