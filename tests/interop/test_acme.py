# SPDX-License-Identifier: Apache-2.0
"""Certificates by DNS challenge: certbot and lego put it into a zone of Stele by RFC 2136, and pebble, an ACME
server, looks for it there. The policy lets their keys write TXT at _acme-challenge names and nothing else."""
import json
import os
import socket
import subprocess
import time

import pytest

import certificates
import contents
import mgmtd
import peers

pytestmark = pytest.mark.slow
ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
"""
KEYS = {"certbot.": "hmac-sha512", "lego.": "hmac-sha256"}
CONFIG = {
    "acls": [{"id": "acme", "keys": list(KEYS)}, {"id": "here", "prefixes": ["127.0.0.1"]}],
    "update_policies": [{"id": "challenges", "rules": [
        {"match": "name", "name": "_acme-challenge.example.org", "types": ["TXT"]}]}],
    "templates": [{"id": "default", "allow_update": ["acme"], "update_policy": "challenges",
                   "allow_transfer": ["here"]}],
    "zones": [{"name": "example.org"}],
}


class Pebble(peers.Peer):
    """The ACME server; `ca` is what its own certificate is checked with."""
    program = "pebble"

    def __init__(self, dns_port):
        super().__init__()
        authority = certificates.Authority(self.folder)
        certificate, key = authority.issue("localhost", "DNS:localhost,IP:127.0.0.1")
        self.ca = authority.ca
        config = {"pebble": {
            "listenAddress": "127.0.0.1:%d" % self.port, "managementListenAddress": "127.0.0.1:%d" % peers.free_port(),
            "certificate": certificate, "privateKey": key, "httpPort": 5002, "tlsPort": 5001,
            "ocspResponderURL": "", "externalAccountBindingRequired": False}}
        path = self.write("pebble.json", json.dumps(config))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [peers.find("pebble"), "-config", path, "-dnsserver", "127.0.0.1:%d" % dns_port],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
                preexec_fn=peers.end_with_parent)
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, self.log_text()
                time.sleep(0.05)

    def url(self):
        return "https://localhost:%d/dir" % self.port


@pytest.fixture(name="both")
def make_both():
    if not peers.find("pebble"):
        pytest.skip("not installed: pebble")
    with mgmtd.Daemon(CONFIG, keys=KEYS, data={"example.org": ZONE}) as daemon:
        daemon.wait("example.org", 1)
        with Pebble(daemon.port) as pebble:
            yield daemon, pebble


def run(daemon, pebble, command, **environment):
    if not peers.find(command[0]):
        pytest.skip("not installed: " + command[0])
    done = subprocess.run([peers.find(command[0]), *command[1:]], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=pebble.folder,
                          env={**os.environ, **environment})
    assert done.returncode == 0, "%s\n%s\n%s" % (done.stdout, daemon.log_text(), pebble.log_text())
    # A change for each challenge, and back: nothing is left.
    zone = contents.transfer(daemon.port, "example.org")
    assert contents.serial(zone) >= 3 and not any(kind == "TXT" for _, _, kind, _ in zone)


def test_certbot(both):
    daemon, pebble = both
    with open(os.open(pebble.path("rfc2136.ini"), os.O_CREAT | os.O_WRONLY, 0o600), "w",
              encoding="ascii") as file:
        file.write("dns_rfc2136_server = 127.0.0.1\ndns_rfc2136_port = %d\ndns_rfc2136_name = certbot.\n"
                   "dns_rfc2136_secret = %s\ndns_rfc2136_algorithm = HMAC-SHA512\n" % (
                       daemon.port, mgmtd.SECRET))
    folders = [word for name in ("config", "work", "logs")
               for word in ("--%s-dir" % name, pebble.path("certbot-" + name))]
    run(daemon, pebble, [
        "certbot", "certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email",
        "--server", pebble.url(), "--dns-rfc2136", "--dns-rfc2136-credentials", pebble.path("rfc2136.ini"),
        "--dns-rfc2136-propagation-seconds", "3", "-d", "example.org", "-d", "*.example.org", *folders],
        REQUESTS_CA_BUNDLE=pebble.ca)
    assert os.path.exists(pebble.path("certbot-config/live/example.org/fullchain.pem"))


def test_lego(both):
    daemon, pebble = both
    where = "127.0.0.1:%d" % daemon.port
    run(daemon, pebble, [
        "lego", "--server", pebble.url(), "--email", "test@example.org", "--accept-tos", "--dns", "rfc2136",
        "--dns.resolvers", where, "--dns.disable-cp", "--path", pebble.path("lego"), "-d", "example.org",
        "-d", "*.example.org", "run"],
        LEGO_CA_CERTIFICATES=pebble.ca, RFC2136_NAMESERVER=where, RFC2136_TSIG_KEY="lego.",
        RFC2136_TSIG_SECRET=mgmtd.SECRET, RFC2136_TSIG_ALGORITHM="hmac-sha256.",
        RFC2136_PROPAGATION_TIMEOUT="60", RFC2136_POLLING_INTERVAL="1", RFC2136_DNS_TIMEOUT="10s",
        LEGO_DISABLE_CNAME_SUPPORT="true")
    assert os.path.exists(pebble.path("lego/certificates/example.org.crt"))
