# SPDX-License-Identifier: Apache-2.0
"""Connections of the daemon's service: pipelining, limits, and clients that do not behave."""
import os
import resource
import socket
import struct
import time

import pytest

import dnswire
import service
import stele

ZONE = os.path.join(stele.ROOT, "tests/golden/zones/nsec3.test.zone")
NOTIFY, UPDATE = 4, 5
LARGE = dnswire.query("nsec3.test.", "ANY", "do")     # the longest answer there is: kilobytes
SMALL = dnswire.query("nsec3.test.", "SOA")
PATIENT = "idle: 300s\nhandshake: 300s"     # where no time limit is meant, however slow the machine is


@pytest.fixture(scope="module")
def image():
    with stele.Stele([("nsec3.test", ZONE)]) as made:
        yield made


@pytest.fixture
def running(image):
    with service.Service(image.image) as made:
        yield made


def with_id(message, qid):
    return struct.pack("!H", qid) + message[2:]


def order(what, opcode=UPDATE, qid=1):
    return dnswire.query(what + ".test.", "SOA", opcode=opcode, qid=qid)


def id_of(message):
    return struct.unpack("!H", message[:2])[0]


def at_rest(counters):
    """The law of this service: each query was answered, or dropped."""
    return sum(counters[x + "_queries"] for x in ("udp", "tcp", "tls")) == counters["dropped"] + sum(
        counters[x + "_replies"] for x in ("udp", "tcp", "tls"))


# -- order ---------------------------------------------------------------------------------------
def test_pipelining(image, running):
    wanted = image.ask([SMALL], tcp=True)[0][2:]
    with running.connect() as connection:
        connection.send(*[with_id(SMALL, i) for i in range(3000)])
        for i in range(3000):
            reply = connection.receive()
            assert (id_of(reply), reply[2:]) == (i, wanted)
    assert at_rest(running.counters())


def test_out_of_order(running):
    """A handler that is slow holds up nobody (RFC 7766 section 6.2.1.1)."""
    with running.connect() as connection:
        connection.send(order("held", qid=1), with_id(SMALL, 2), order("held", NOTIFY, 3),
                        order("drop-50", qid=4), order("drop", qid=5), order("slow-100", qid=9), order("now", qid=6),
                        with_id(SMALL, 7), order("refuse-5", qid=8))
        assert [id_of(connection.receive()) for _ in range(5)] == [2, 6, 7, 8, 9]
        running.release()
        assert [id_of(connection.receive()) for _ in range(2)] == [3, 1]
    counters = running.wait_for(at_rest)
    assert at_rest(counters) and counters["dropped"] == 2


def test_half_closed(running):
    """A client that will ask no more gets all that it asked for; then the server closes too."""
    with running.connect() as connection:
        connection.send(order("held", qid=1), with_id(SMALL, 2), order("held", qid=3))
        connection.sock.shutdown(socket.SHUT_WR)
        assert id_of(connection.receive()) == 2
        running.ask_udp(SMALL)     # the loop has seen the end
        running.release()
        assert [id_of(connection.receive()) for _ in range(2)] == [3, 1]
        assert connection.is_closed()


@pytest.mark.parametrize("known", [False, True], ids=["closed", "reset"])
def test_gone_before_the_answer(running, known):
    """Who has closed may still take answers, until the first one comes back; who has reset takes none."""
    for _ in range(20):
        with running.connect() as connection:
            connection.send(order("held"), order("slow-100"), with_id(SMALL, 2))
            connection.receive()
            if known:
                connection.reset()
    counters = running.wait_for(lambda c: c["tcp_replies"] + c["dropped"] == 40 and
                                (not known or c["connections"] == 0))
    assert (counters["tcp_replies"] + counters["dropped"], counters["held"]) == (40, 20)
    assert not known or counters["connections"] == 0
    running.release()
    counters = running.wait_for(lambda c: at_rest(c) and c["connections"] == 0)
    assert at_rest(counters) and counters["connections"] == 0
    assert not known or counters["dropped"] >= 20


def test_pipeline_limit(image):
    """No more than so many requests are with handlers; the others wait in the connection."""
    with service.Service(image.image, tcp="pipeline: 4") as running:
        with running.connect() as connection:
            connection.send(*[order("held", qid=i) for i in range(12)], with_id(SMALL, 12))
            for wanted in (range(4), range(4, 8), range(8, 13)):     # as soon as it may, the query is answered
                running.wait_for(lambda c: c["held"] >= 4)
                running.ask_udp(SMALL)     # the loop has taken what it does take
                counters = running.counters()
                assert (counters["held"], counters["tcp_queries"], counters["tcp_replies"]) == (
                    4, wanted[0] + 4, wanted[0])
                running.release()
                assert sorted(id_of(connection.receive()) for _ in wanted) == list(wanted)


def test_datagrams_with_handlers(image):
    """Over UDP too: more updates than handlers may have at once get no answer, and come again. All else has one."""
    large = struct.pack("!BHHIH", 0, 10, 1, 0, 60000) + bytes(60000)
    with service.Service(image.image) as running, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((running.address, running.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for i in range(400):
            message = order("held", qid=i)
            client.send(message[:10] + b"\0\1" + message[12:] + large)
            if i % 2 == 1:
                running.wait_for(lambda c, sent=i + 1: c["udp_queries"] == sent)
        counters = running.counters()
        assert counters["udp_replies"] == 0 and 100 < counters["dropped"] < 200, counters
        client.settimeout(20)
        client.send(order("now", NOTIFY, 400))
        assert id_of(client.recv(65536)) == 400
        running.release()
        counters = running.wait_for(at_rest)
        assert counters["udp_replies"] == 401 - counters["dropped"]
        client.send(order("now", qid=401))
        while id_of(client.recv(65536)) != 401:
            pass
        assert at_rest(running.wait_for(at_rest))     # of a datagram, the reply comes before its count


# -- framing -------------------------------------------------------------------------------------
@pytest.mark.parametrize("tls", [False, True])
def test_byte_at_a_time(image, tls, tmp_path):
    options = {}
    if tls:
        options["tls"] = "certificate: %s\nkey: %s" % service.Authority(tmp_path).issue("ns.service.test")
    with service.Service(image.image, **options) as running:
        with running.connect_tls() if tls else running.connect() as connection:
            if not tls:
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in struct.pack("!H", len(SMALL)) + with_id(SMALL, 9):
                connection.sock.sendall(bytes([byte]))
            assert id_of(connection.receive()) == 9


def test_longest_message(image, running):
    """65,535 bytes, in pieces, with another one right behind it."""
    fill = 65535 - len(SMALL) - 11 - 4
    message = dnswire.query("nsec3.test.", "SOA", "plain", qid=5,
                            options=struct.pack("!HH", 65001, fill) + b"x" * fill)
    assert len(message) == 65535
    stream = (struct.pack("!H", 65535) + message) * 3 + struct.pack("!H", len(SMALL)) + with_id(SMALL, 6)
    for size in (len(stream), 65536, 30000, 1461):
        with running.connect() as connection:
            for start in range(0, len(stream), size):
                connection.sock.sendall(stream[start:start + size])
            assert [id_of(connection.receive()) for _ in range(4)] == [5, 5, 5, 6]


@pytest.mark.parametrize("message", [b"", b"x", b"\0" * 11])
def test_no_header(running, message):
    """Whoever sends that has lost its place in the stream."""
    with running.connect() as connection:
        connection.send(with_id(SMALL, 1))
        assert id_of(connection.receive()) == 1
        connection.send(message)
        with pytest.raises((EOFError, ConnectionResetError)):
            connection.receive()
    assert at_rest(running.counters())


def test_responses_are_ignored(running):
    with running.connect() as connection:
        connection.send(dnswire.query("nsec3.test.", "SOA", flags=dnswire.QR), with_id(SMALL, 1))
        assert id_of(connection.receive()) == 1
    assert running.counters()["dropped"] == 1


# -- time ----------------------------------------------------------------------------------------
def test_idle(image):
    with service.Service(image.image, tcp="idle: 5s\nhandshake: 300s") as running:
        with running.connect() as quiet, running.connect() as busy, running.connect() as waiting:
            waiting.send(order("held", qid=3))     # our turn, not the client's
            assert running.wait_for(lambda c: c["held"] == 1)["held"] == 1
            quiet.ask(SMALL)     # behind it, so that it is not closed before
            end = time.monotonic() + 60
            while running.counters()["timed_out"] == 0 and time.monotonic() < end:
                busy.ask(SMALL)
                time.sleep(0.05)
            assert running.counters()["timed_out"] == 1
            assert quiet.is_closed()
            running.release()
            assert id_of(waiting.receive()) == 3
        assert at_rest(running.counters())


@pytest.mark.parametrize("bytes_of_it", [1, 2, 20])
def test_half_a_message(image, bytes_of_it):
    """However slowly it comes on: half a message has its own time."""
    with service.Service(image.image, tcp=PATIENT) as running:
        with running.connect() as quiet, running.connect() as half:
            quiet.ask(SMALL)
            half.ask(SMALL)
            # Not before: for the first message it would hold too.
            assert running.reload(tcp="idle: 300s\nhandshake: 1s") == "ok"
            half.sock.sendall((struct.pack("!H", 60000) + b"\0" * 100)[:bytes_of_it])
            end = time.monotonic() + 60
            while running.counters()["timed_out"] == 0 and time.monotonic() < end:
                try:
                    half.sock.sendall(b"\0")
                except OSError:
                    break
                time.sleep(0.1)
            assert running.counters()["timed_out"] == 1
            half.is_closed()     # or this does not return
            quiet.ask(SMALL)


def test_first_message_has_its_time(image):
    with service.Service(image.image, tcp="idle: 60s\nhandshake: 1s") as running:
        with running.connect() as connection:
            assert not connection.is_closed()     # a reset
        assert running.counters()["timed_out"] == 1


def test_tls_handshake_has_its_time(image, tmp_path):
    tls = "certificate: %s\nkey: %s" % service.Authority(tmp_path).issue("ns.service.test")
    with service.Service(image.image, tls=tls, tcp=PATIENT) as running:
        with running.connect(port=running.tls_port) as silent, running.connect(port=running.tls_port) as half:
            half.sock.sendall(b"\x16\x03\x01\x02\x00\x01")
            assert running.reload(tcp="idle: 300s\nhandshake: 1s") == "ok"
            silent.is_closed()
            half.is_closed()
        counters = running.wait_for(lambda c: c["connections"] == 0)
        assert (counters["timed_out"], counters["tls_failed"], counters["connections"]) == (2, 2, 0)


def test_keepalive(running):
    """RFC 7828: told to who asks, in tenths of a second; by default idle is 10 s."""
    with running.connect() as connection:
        reply = connection.ask(dnswire.query("nsec3.test.", "SOA", "plain", options=b"\0\x0b\0\0"))
        assert reply.endswith(b"\0\x0b\0\x02\0\x64")
        assert b"\0\x0b\0\x02" not in connection.ask(dnswire.query("nsec3.test.", "SOA", "plain"))
    reply = running.ask_udp(dnswire.query("nsec3.test.", "SOA", "plain", options=b"\0\x0b\0\0"))
    assert b"\0\x0b\0\x02" not in reply


# -- clients that take nothing -------------------------------------------------------------------
def flood(running, connection, message, limit):
    """Sends until nothing more is taken, though the server had its turns; how many bytes that were."""
    connection.sock.setblocking(False)
    block = (struct.pack("!H", len(message)) + message) * 100
    sent, stalled = 0, 0
    while stalled < 20 and sent < limit:
        try:
            sent += connection.sock.send(block[sent % (len(message) + 2):])
            stalled = 0
        except BlockingIOError:
            stalled += 1
            running.ask_udp(SMALL)
            time.sleep(0.05)
    connection.sock.settimeout(20)
    return sent


def memory_of(process):
    with open("/proc/%d/statm" % process.pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_slow_reader(image):
    """Who does not take replies is not read from: the memory that it costs has a bound."""
    wanted = image.ask([LARGE], tcp=True)[0][2:]
    with service.Service(image.image, tcp=PATIENT) as running, running.connect() as connection:
        before = memory_of(running.process)
        sent = flood(running, connection, LARGE, 1 << 26)
        assert sent < 1 << 26     # it was stopped
        counters = running.counters()
        assert memory_of(running.process) - before < 4 << 20
        assert counters["tcp_queries"] < sent // (len(LARGE) + 2)
        whole, rest = divmod(sent, len(LARGE) + 2)
        if rest:
            connection.sock.setblocking(False)
        for _ in range(whole):     # and all is answered once it does
            connection.sock.settimeout(20)
            assert connection.receive()[2:] == wanted
        assert running.wait_for(at_rest)["tcp_queries"] == whole


def test_slow_reader_is_closed(image):
    with service.Service(image.image, tcp=PATIENT) as running:
        clients = [running.connect() for _ in range(5)]
        for client in clients:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            flood(running, client, LARGE, 1 << 22)
        assert running.counters()["connections"] == 5
        # Not before: those that are flooded first would be closed while others are.
        assert running.reload(tcp="idle: 1s\nhandshake: 1s") == "ok"
        counters = running.wait_for(lambda c: c["connections"] == 0)
        assert (counters["connections"], counters["timed_out"]) == (0, 5)
        for client in clients:
            assert not client.is_closed()     # a reset
            client.close()


# -- limits --------------------------------------------------------------------------------------
def expect_refused(running, source="127.0.0.1"):
    with pytest.raises((EOFError, OSError)):
        with socket.create_connection(("127.0.0.1", running.port), timeout=20, source_address=(source, 0)) as sock:
            service.Connection(sock).ask(SMALL)


def test_connections_of_one_client(image):
    with service.Service(image.image, threads=2, tcp=PATIENT + "\nconnections_per_client: 3") as running:
        mine = [running.connect() for _ in range(3)]
        for connection in mine:
            connection.ask(SMALL)
        expect_refused(running)
        other = socket.create_connection(("127.0.0.1", running.port), timeout=20, source_address=("127.0.0.9", 0))
        service.Connection(other).ask(SMALL)     # somebody else
        other.close()
        assert running.counters()["refused_client"] == 1
        mine.pop().close()
        running.wait_for(lambda c: c["connections"] == 2)
        mine.append(running.connect())
        mine[-1].ask(SMALL)
        assert running.reload(tcp=PATIENT + "\nconnections_per_client: 1") == "ok"
        for connection in mine:     # those that are open stay
            connection.ask(SMALL)
        expect_refused(running)
        for connection in mine:
            connection.close()


def test_one_that_is_quiet_makes_room(image):
    with service.Service(image.image, tcp=PATIENT + "\nconnections: 5\nconnections_per_client: 5") as running:
        def connect(i):
            return service.Connection(socket.create_connection(
                ("127.0.0.1", running.port), timeout=20, source_address=("127.0.1.%d" % i, 0)))
        clients = [connect(i) for i in range(1, 6)]
        for client in clients:
            client.ask(SMALL)
        for i in (0, 1, 3, 4):
            clients[i].ask(SMALL)
        new = connect(6)
        new.ask(SMALL)
        assert not clients[2].is_closed()     # a reset
        for i in (0, 1, 3, 4):
            clients[i].ask(SMALL)
        counters = running.counters()
        assert (counters["evicted"], counters["connections"], counters["refused_full"]) == (1, 5, 0)
        for client in clients + [new]:
            client.close()


def test_thousands(image):
    """Each is answered, whatever the number of descriptors that the program was started with."""
    cnt = 3000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < cnt + 600:
        pytest.skip("not so many descriptors")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
        with service.Service(image.image, threads=2,
                             tcp=PATIENT + "\nconnections: 4000\nconnections_per_client: 4000") as running:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            clients = [running.connect() for _ in range(cnt)]
            before = memory_of(running.process)
            for _ in range(2):
                for i, client in enumerate(clients):
                    client.send(with_id(SMALL, i))
                for i, client in enumerate(clients):
                    assert id_of(client.receive()) == i
            counters = running.counters()
            assert (counters["connections"], counters["tcp_queries"]) == (cnt, 2 * cnt)
            assert memory_of(running.process) - before < cnt * 4096
            for client in clients:
                client.close()
            assert running.wait_for(lambda c: c["connections"] == 0)["connections"] == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptors_left(image):
    """The limit of the system is lower than ours: others make room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    with service.Service(image.image,
                         tcp=PATIENT + "\nconnections: 4000\nconnections_per_client: 4000") as running:
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (60, hard))
        clients = []
        for _ in range(100):
            clients.append(running.connect())
            clients[-1].ask(SMALL)
        counters = running.counters()
        assert counters["evicted"] > 30
        for client in clients:
            client.close()


# -- streams -------------------------------------------------------------------------------------
def stream(what, qid=1):
    return dnswire.query(what + ".test.", "AXFR", qid=qid)


def number_of(message):
    """Which message of its stream it is."""
    at = 12
    while message[at]:
        at += message[at] + 1
    return struct.unpack("!I", message[at + 1 + 4 + 12:at + 1 + 4 + 16])[0]


def test_stream(running):
    with running.connect() as connection:
        connection.send(stream("1000.5000"))
        for i in range(1000):
            reply = connection.receive()
            assert (len(reply), number_of(reply)) == (5000, i)
        connection.send(with_id(SMALL, 7), stream("1.65535", 8), stream("0.1", 9), with_id(SMALL, 10))
        assert sorted(id_of(connection.receive()) for _ in range(3)) == [7, 8, 10]
    counters = running.wait_for(at_rest)
    assert at_rest(counters) and (counters["transfers_out"], counters["transfers_out_failed"]) == (3, 0)


def test_streams_side_by_side(running):
    """Two transfers and queries on one connection: each goes on, in its own order."""
    with running.connect() as connection:
        connection.send(stream("2000.3000", 1), stream("2000.3000", 2), *[with_id(SMALL, 3) for _ in range(50)],
                        order("slow-20", qid=4))
        seen = {1: 0, 2: 0, 3: 0, 4: 0}
        first_done = None
        for _ in range(2000 + 2000 + 50 + 1):
            reply = connection.receive()
            qid = id_of(reply)
            if qid in (1, 2):
                assert number_of(reply) == seen[qid]
            seen[qid] += 1
            if first_done is None and 2000 in (seen[1], seen[2]):
                first_done = dict(seen)
        assert seen == {1: 2000, 2: 2000, 3: 50, 4: 1}
        assert min(first_done[1], first_done[2]) > 1900 and first_done[3] == 50


def test_stream_waits_for_its_reader(running):
    before = memory_of(running.process)
    with running.connect() as slow, running.connect() as other:
        slow.send(stream("20000.20000"))     # 400 MB
        time.sleep(0.5)
        other.ask(SMALL)
        assert memory_of(running.process) - before < 4 << 20
        for i in range(200):
            assert number_of(slow.receive()) == i
    counters = running.wait_for(lambda c: c["connections"] == 0)
    assert at_rest(counters) and (counters["transfers_out"], counters["transfers_out_failed"]) == (1, 1)


def test_stream_that_fails(running):
    with running.connect() as connection:
        connection.send(stream("break.3.100"))
        with pytest.raises((EOFError, ConnectionResetError)):
            for _ in range(4):
                connection.receive()
    counters = running.wait_for(lambda c: c["connections"] == 0)
    assert at_rest(counters) and counters["transfers_out_failed"] == 1


def test_transfers_at_once(image):
    with service.Service(image.image, tcp="transfers: 2") as running:
        one, two, three = (running.connect() for _ in range(3))
        for connection in (one, two):
            connection.send(stream("20000.20000"))
            connection.receive()
        reply = dnswire.parse(three.ask(stream("1.100")))
        assert (reply.rcode, reply.answer) == (dnswire.SERVFAIL, ())
        one.close()
        running.wait_for(lambda c: c["transfers_out_failed"] == 1)
        assert number_of(three.ask(stream("1.100"))) == 0
        two.close()
        three.close()


def test_end_with_everything_open(image):
    """The program ends in order, whatever is under way."""
    with service.Service(image.image, threads=2) as running:
        clients = [running.connect() for _ in range(10)]
        for client in clients[:4]:
            client.send(stream("20000.20000"))
        for client in clients[4:7]:
            client.sock.sendall(b"\0")
        for client in clients:
            if client in clients[7:]:
                client.ask(SMALL)
        running.wait_for(lambda c: c["transfers_out"] == 4)
    for client in clients:
        client.close()
