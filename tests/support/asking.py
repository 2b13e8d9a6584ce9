# SPDX-License-Identifier: Apache-2.0
"""Ask a server over UDP or TCP many questions at once.

One socket, a window of outstanding queries told apart by id, and a retry when the server stays silent:
this keeps 50,000 queries to a peer at a few seconds, where one query at a time would take minutes.
"""
import math
import select
import socket
import struct
import threading
import time

WINDOW = 100
RETRY_AFTER_S = 0.5   # lower: a busy machine causes needless repeats; higher: each silence costs more
TRIES = 4             # a query that stays unanswered so many times has no reply


def ask_udp(port, queries, host="127.0.0.1", window=WINDOW, tries_max=TRIES):
    """The replies to the queries (messages without regard to their id) in order; None = no reply."""
    replies = [None] * len(queries)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.connect((host, port))
        sock.setblocking(False)
        outstanding, pending, next_query = {}, [], 0   # id -> (index, tries)
        late = {}    # the same of those that were given up, and asked again
        qid = 0
        while next_query < len(queries) or outstanding or pending:
            while len(outstanding) < window and (pending or next_query < len(queries)):
                if pending:
                    index, tries = pending.pop()
                else:
                    index, tries = next_query, 0
                    next_query += 1
                qid = (qid + 1) & 0xFFFF
                while qid in outstanding:
                    qid = (qid + 1) & 0xFFFF
                outstanding[qid] = index, tries + 1
                try:
                    sock.send(struct.pack("!H", qid) + queries[index][2:])
                except (BlockingIOError, ConnectionRefusedError):
                    pass   # counts as lost; it is repeated
            ready, _, _ = select.select([sock], [], [], RETRY_AFTER_S)
            if not ready:
                for index, tries in outstanding.values():
                    if tries < tries_max:
                        pending.append((index, tries))
                late.update(outstanding)
                outstanding.clear()
                continue
            try:
                while True:
                    msg = sock.recv(65535)
                    if len(msg) < 12:
                        continue
                    number = msg[0] << 8 | msg[1]
                    found = outstanding.pop(number, None) or late.pop(number, None)
                    if found:
                        replies[found[0]] = msg
            except (BlockingIOError, ConnectionRefusedError):
                pass
    return replies


def read_exactly(sock, size):
    parts = bytearray()
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def ask_tcp(port, queries, host="127.0.0.1"):
    """As ask_udp, pipelined over TCP connections of at most 100 queries each."""
    replies = [None] * len(queries)
    for start in range(0, len(queries), WINDOW):
        part = queries[start:start + WINDOW]
        with socket.create_connection((host, port), timeout=20) as sock:
            sock.sendall(b"".join(struct.pack("!HH", len(q), i) + q[2:] for i, q in enumerate(part)))
            try:
                for _ in part:
                    msg = read_exactly(sock, struct.unpack("!H", read_exactly(sock, 2))[0])
                    replies[start + (msg[0] << 8 | msg[1])] = msg
            except (EOFError, OSError):
                pass
    return replies


def ask_until_answered(port, message, process, seconds=60):
    """Repeat one UDP query until something other than SERVFAIL or REFUSED comes; False when the process ends, or after
    so many seconds (None: however long it takes)."""
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            try:
                sock.connect(("127.0.0.1", port))
                sock.send(message)
                msg = sock.recv(65535)
                if msg[3] & 15 not in (2, 5):
                    return True
            except OSError:
                pass
        time.sleep(0.05)
    return False


class Pump(threading.Thread):
    """Writes a block of bytes to a pipe while the caller reads the other end, so that neither blocks."""

    def __init__(self, stream, data):
        super().__init__(daemon=True)
        self.stream, self.data = stream, data
        self.start()

    def run(self):
        try:
            self.stream.write(self.data)
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            pass   # the reader sees the end of the process and reports it
