# SPDX-License-Identifier: Apache-2.0
"""A UDP and TCP port in front of `stele-compile answer`, so that a resolver can ask it."""
import socket
import struct
import threading

import peers
from asking import read_exactly


class Bridge:
    """Forwards each query to the answerer of its transport; mangle(reply) may change what goes back."""

    def __init__(self, server, mangle=None):
        self.server, self.mangle = server, mangle or (lambda reply: reply)
        self.port, self.lock, self.closing = peers.free_port(), threading.Lock(), False
        self.failure = None
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.bind(("127.0.0.1", self.port))
        self.udp.settimeout(0.2)
        self.tcp = socket.create_server(("127.0.0.1", self.port), backlog=100)
        self.tcp.settimeout(0.2)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def answer(self, message, tcp):
        with self.lock:
            try:
                reply = self.server.ask([message], tcp=tcp)[0]
            except Exception as error:    # told to the test by stop(); a resolver sees silence
                self.failure = self.failure or error
                return None
        return reply and self.mangle(reply)

    def serve_udp(self):
        while not self.closing:
            try:
                message, client = self.udp.recvfrom(65535)
            except socket.timeout:
                continue
            reply = self.answer(message, False)
            if reply:
                self.udp.sendto(reply, client)

    def serve_tcp(self):
        while not self.closing:
            try:
                sock, _ = self.tcp.accept()
            except socket.timeout:
                continue
            threading.Thread(target=self.serve_connection, args=(sock,), daemon=True).start()

    def serve_connection(self, sock):
        with sock:
            sock.settimeout(10)
            try:
                while not self.closing:
                    message = read_exactly(sock, struct.unpack("!H", read_exactly(sock, 2))[0])
                    reply = self.answer(message, True)
                    if reply:
                        sock.sendall(struct.pack("!H", len(reply)) + reply)
            except (EOFError, OSError):
                pass

    def stop(self):
        self.closing = True
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()
        if self.failure:
            raise self.failure

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
