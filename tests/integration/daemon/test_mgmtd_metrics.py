# SPDX-License-Identifier: Apache-2.0
"""What monitoring sees: Prometheus' text, and a health check that asks a real question."""
import contextlib
import itertools
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import dns.query
import dns.update
import pytest

import certificates
import mgmtd
import peers
import stele

HERE = os.path.dirname(os.path.abspath(__file__))
RULES = os.path.join(stele.ROOT, "config/alerts.example.yaml")
ZONE = "metrics.test"
TEXT = "$TTL 60\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"

SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\})?'
                    r' (-?[0-9.]+(?:e[-+][0-9]+)?)\n')


class Monitored(mgmtd.Daemon):
    def __init__(self, **options):
        self.http = peers.free_port()
        config = {"metrics": {"address": "127.0.0.1", "port": self.http}, **options.pop("config", {})}
        super().__init__(config, **options)

    def get(self, path, method="GET"):
        """Status and body."""
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.http, path), method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        """{name with labels: value}; every line is one of the format, and each family has its type first."""
        status, text = self.get("/metrics")
        assert status == 200
        values, types = {}, {}
        for line in text.splitlines(keepends=True):
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                assert name not in types, "a family twice: " + name
                types[name] = kind
            elif not line.startswith("# HELP "):
                match = SAMPLE.fullmatch(line)
                assert match, line
                name = match[1] if match[1] in types else re.sub("_(bucket|sum|count)$", "", match[1])
                assert types.get(name) in ("counter", "gauge", "histogram"), line
                assert (match[1] + (match[2] or "")) not in values, line
                values[match[1] + (match[2] or "")] = float(match[3])
        return values


@pytest.fixture(scope="module", name="daemon")
def a_daemon():
    config = {"acls": [{"id": "all", "prefixes": ["127.0.0.0/8"]}],
              "templates": [{"id": "default", "allow_update": ["all"]}],
              "zones": [{"name": ZONE}, {"name": 'odd\\"name.test'}]}
    with Monitored(config=config, data={ZONE: TEXT, 'odd\\"name.test': TEXT}) as daemon:
        daemon.wait(ZONE, 7)
        yield daemon


def test_a_zone(daemon):
    values = daemon.metrics()
    zone = '{zone="%s."}' % ZONE
    assert values["stele_zone_serial" + zone] == 7
    assert values["stele_zone_served_serial" + zone] == 7
    assert values["stele_zone_loaded" + zone] == 1
    assert values["stele_zone_expired" + zone] == 0
    assert values["stele_zone_records" + zone] == 3
    assert values["stele_zones"] == 2
    # A name of a zone may hold what ends a label's value.
    assert [name for name in values if name.startswith("stele_zone_serial") and "odd" in name]


def test_a_change(daemon):
    before = daemon.metrics()
    update = dns.update.Update(ZONE)
    update.add("new", 60, "A", "192.0.2.7")
    assert dns.query.udp(update, "127.0.0.1", 30, daemon.port).rcode() == 0
    daemon.wait(ZONE, 8)
    after = daemon.metrics()
    zone = '{zone="%s."}' % ZONE
    assert after["stele_zone_served_serial" + zone] == 8
    for name in "stele_zone_updates_total" + zone, "stele_compiles_total":
        assert after[name] > before[name], name
    assert after["stele_served_generation"] > before["stele_served_generation"]


def test_queries_count(daemon):
    before = daemon.metrics()
    daemon.query(ZONE, "SOA", tcp=True)
    after = daemon.metrics()
    assert after["stele_service_tcp_queries_total"] == before["stele_service_tcp_queries_total"] + 1
    assert after["stele_service_tcp_replies_total"] == before["stele_service_tcp_replies_total"] + 1


def test_other_requests(daemon):
    assert daemon.get("/")[0] == 404
    assert daemon.get("/metrics", "DELETE")[0] == 405
    assert daemon.get("/healthz", "HEAD") == (200, "")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_others_are_heard(daemon, address):
    """Who keeps many connections busy with a byte now and then keeps nobody out, at the same address neither."""
    held = []
    for _ in range(32):
        held.append(socket.create_connection(("127.0.0.1", daemon.http), source_address=(address, 0)))
    over = threading.Event()

    def trickle():
        byte = iter(itertools.chain(b"GET /metrics HTTP/1.1\r\nX: ", itertools.repeat(ord("x"))))
        while not over.is_set():
            one = bytes([next(byte)])
            for sock in held:
                with contextlib.suppress(OSError):
                    sock.send(one)
            over.wait(0.1)

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        assert daemon.get("/healthz") == (200, "ok\n")
    finally:
        over.set()
        thread.join()
        for sock in held:
            sock.close()


def test_health(daemon):
    assert daemon.get("/healthz") == (200, "ok\n")


def test_health_without_a_zone():
    with Monitored() as daemon:
        status, text = daemon.get("/healthz")
        assert status == 503 and "no zone" in text


def test_health_where_it_listens():
    """Other addresses take effect at the next start: until then those that are there are asked, and told of."""
    with Monitored(data={ZONE: TEXT}) as daemon:
        daemon.wait(ZONE, 7)
        listening = daemon.json("status")["listen"]
        here = daemon.config["listen"]
        daemon.reload(listen=[{"address": "127.0.0.1", "port": peers.free_port()}])
        assert daemon.get("/healthz") == (200, "ok\n")
        assert daemon.json("status")["listen"] == listening
        # Nothing is due any more once it is as it was.
        daemon.reload(listen=here)
        assert daemon.log_text().count("listen has changed") == 1


def test_health_asks_for_a_name():
    """The configured one, which is not there: what answers is not what it should be."""
    http = peers.free_port()
    config = {"metrics": {"address": "127.0.0.1", "port": http, "health_name": "elsewhere.test"}}
    with Monitored(config=config, data={ZONE: TEXT}) as daemon:
        daemon.http = http
        daemon.wait(ZONE, 7)
        status, text = daemon.get("/healthz")
        assert status == 503 and "rcode" in text


def check_rules(values):
    """config/alerts.example.yaml speaks of nothing that is not there."""
    with open(RULES, encoding="utf-8") as file:
        text = re.sub(r"#.*", "", file.read())
    expressions = re.findall(r"expr:(.*?)\n +(?:for|annotations):", text, re.S)
    assert len(expressions) == text.count("- alert:") > 10
    names = {re.sub("{.*", "", name) for name in values}
    named = set(re.findall(r"\bstele_\w+", " ".join(expressions)))
    # A zone of our own has no primary, and does not expire; this daemon has no certificate.
    assert named - names == {"stele_zone_expires_timestamp_seconds", "stele_zone_primary_serial",
                             "stele_tls_certificate_expires_timestamp_seconds"}
    for counter in re.findall(r"[a-z_]+", " ".join(re.findall(r'counter=~?"([^"]*)"', text))):
        assert any('counter="%s"' % counter in name for name in values), counter


def test_rules_of_secondaries(daemon):
    """What is not there for a zone of our own has its families all the same."""
    text = daemon.get("/metrics")[1]
    for name in "stele_zone_expires_timestamp_seconds", "stele_zone_primary_serial":
        assert "# TYPE %s gauge" % name in text


def test_the_end_of_a_certificate(daemon, tmp_path):
    """Of the one that clients are shown: the new one from a reload on, and it alone."""
    name = "stele_tls_certificate_expires_timestamp_seconds"
    authority = certificates.Authority(tmp_path)
    certificate, key = authority.issue("ns.test", days=3)
    config = {"listen": [{"address": "127.0.0.1", "port": peers.free_port(), "tls": True}],
              "tls": {"certificate": certificate, "key": key}}

    def end():
        done = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-enddate"], check=True,
                              stdout=subprocess.PIPE, text=True)
        return ssl.cert_time_to_seconds(done.stdout.strip().partition("=")[2])

    assert name not in daemon.metrics()
    with Monitored(config=config) as encrypted:
        first = end()
        assert encrypted.metrics()[name] == first
        authority.issue("ns.test", days=30)
        assert end() > first + 86400 and encrypted.metrics()[name] == first
        encrypted.reload()
        assert encrypted.metrics()[name] == end()


@pytest.mark.skipif(not shutil.which("promtool"), reason="not installed: promtool")
def test_rules_as_prometheus_reads_them():
    subprocess.run(["promtool", "check", "rules", RULES], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["promtool", "test", "rules", os.path.join(HERE, "alerts.test.yaml")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def test_a_responder(namespaces):
    import responder

    with mgmtd.Daemon(data={ZONE: TEXT}) as first:
        first.wait(ZONE, 7)
        first.end()
        node = responder.Node(first.path("image"))
        try:
            with Monitored(config={"responder": node.control}, folder=first.folder) as daemon:
                daemon.wait(ZONE, 7)
                assert daemon.get("/healthz") == (200, "ok\n")
                assert node.ask([b"\x12\x34\0\0\0\1\0\0\0\0\0\0\7metrics\4test\0\0\6\0\1"])[0]
                values = daemon.metrics()
                assert values["stele_responder_up"] == 1
                assert values['stele_responder_zone_answer_total{zone="%s."}' % ZONE] >= 1
                check_rules(values)
                assert values["stele_responder_healthy"] == 1 and values["stele_responder_drained"] == 0
                assert values['stele_responder_link_up{port="port0"}'] == 1
                assert values["stele_responder_arena_bytes"] == 64 << 20
                responder.wait_until(lambda: 0 < daemon.metrics()["stele_responder_arena_used_bytes"] < 64 << 20)
                turns = 'stele_responder_quiescent_total{core="%d"}' % responder.last_core()
                responder.wait_until(lambda: daemon.metrics()[turns] > values[turns] > 0)
                received = sum(value for name, value in values.items()
                               if name.startswith("stele_responder_received_total"))
                gone = sum(value for name, value in values.items() if re.match(
                    r"stele_responder_(answered|local|punted|dropped)_total\{", name))
                assert received > 0 and received == gone

                node.request("drain")
                status, text = daemon.get("/healthz")
                assert status == 503 and "drained" in text
                values = daemon.metrics()
                assert values["stele_responder_healthy"] == 0 and values["stele_responder_drained"] == 1
                node.request("undrain")
                assert daemon.get("/healthz")[0] == 200
                node.end()
                assert daemon.get("/healthz")[0] == 503
                values = daemon.metrics()
                assert values["stele_responder_up"] == 0 and "stele_responder_healthy" not in values
        finally:
            node.stop()
