# SPDX-License-Identifier: Apache-2.0
"""Dynamic updates as people make them: nsupdate as it is, policies, and secondaries that pass updates on."""
import os
import socket
import ssl
import subprocess
import threading

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone
import pytest

import certificates
import contents
import mgmtd
import peers
import signing
from fake_primary import FakePrimary, Keep

ZONE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
"""
KEYS = {"any.": "hmac-sha256", "acme.": "hmac-sha512", "host.example.org.": "hmac-sha224"}
POLICY = {
    "acls": [{"id": "keys", "keys": list(KEYS)}, {"id": "here", "prefixes": ["127.0.0.1"]}],
    "update_policies": [{"id": "rules", "rules": [
        {"keys": ["any."], "match": "zone", "types": ["ANY"]},
        {"keys": ["acme."], "match": "wildcard", "name": "*.example.org", "types": ["TXT"]},
        {"keys": ["host.example.org."], "match": "self", "types": ["A", "AAAA"]},
        {"keys": ["host.example.org."], "match": "selfsub", "types": ["TXT"]},
    ]}],
    "templates": [{"id": "default", "allow_update": ["keys"], "update_policy": "rules",
                   "allow_transfer": ["here"]}],
    "zones": [{"name": "example.org"}],
}


@pytest.fixture(name="daemon", scope="module")
def make_daemon():
    with mgmtd.Daemon(POLICY, keys=KEYS, data={"example.org": ZONE}) as daemon:
        daemon.wait("example.org", 1)
        yield daemon


def update(daemon, key, *changes, port=None, tcp=False):
    """The rcode; a change is a method of dns.update.Update and its arguments."""
    message = dns.update.Update("example.org")
    if key:
        message.use_tsig(dns.tsig.Key(key, mgmtd.SECRET, KEYS[key]))
    for method, *arguments in changes:
        getattr(message, method)(*arguments)
    send = dns.query.tcp if tcp else dns.query.udp
    reply = send(message, "127.0.0.1", 30, port or daemon.port)
    assert reply.opcode() == dns.opcode.UPDATE and reply.flags & dns.flags.QR
    # The reply is signed, and dnspython has verified that.
    assert reply.had_tsig == bool(key)
    return dns.rcode.to_text(reply.rcode())


def test_policy(daemon):
    add = "add"
    for key, expected, change in [
            (None, "REFUSED", (add, "a", 300, "A", "192.0.2.3")),
            ("any.", "NOERROR", (add, "a", 300, "A", "192.0.2.3")),
            ("any.", "NOERROR", (add, "sub", 300, "NS", "ns.sub")),
            ("acme.", "NOERROR", (add, "_acme-challenge.www", 60, "TXT", "token")),
            ("acme.", "NOERROR", ("delete", "_acme-challenge.www", "TXT")),
            ("acme.", "NOERROR", (add, "x", 60, "TXT", "token")),
            ("acme.", "NOERROR", ("delete", "x")),
            ("acme.", "REFUSED", (add, "@", 60, "TXT", "token")),
            ("acme.", "REFUSED", (add, "www", 60, "A", "192.0.2.9")),
            ("acme.", "REFUSED", ("delete", "www")),
            ("acme.", "REFUSED", ("delete", "www", "A")),
            ("host.example.org.", "NOERROR", (add, "host", 60, "A", "192.0.2.9")),
            ("host.example.org.", "REFUSED", (add, "host", 60, "MX", "1 www")),
            ("host.example.org.", "REFUSED", (add, "x.host", 60, "A", "192.0.2.9")),
            ("host.example.org.", "NOERROR", (add, "x.host", 60, "TXT", "x")),
            ("host.example.org.", "REFUSED", (add, "ghost", 60, "A", "192.0.2.9"))]:
        assert update(daemon, key, change) == expected, (key, change)
    # One record that is not allowed, and nothing of the message happens.
    before = contents.transfer(daemon.port, "example.org")
    assert update(daemon, "acme.", (add, "y", 60, "TXT", "t"), (add, "y", 60, "A", "192.0.2.1")) == "REFUSED"
    assert contents.transfer(daemon.port, "example.org") == before


def test_answered_as_it_is_changed(daemon):
    """What was acknowledged is in the store, and soon in every answer; over TCP too."""
    assert update(daemon, "any.", ("replace", "www", 60, "A", "192.0.2.77"), tcp=True) == "NOERROR"
    zone = contents.transfer(daemon.port, "example.org")
    assert ("www.example.org.", 60, "A", "192.0.2.77") in zone
    daemon.wait("example.org", contents.serial(zone))
    assert daemon.query("www.example.org", "A").answer[0][0].address == "192.0.2.77"
    assert "what=update zone=example.org. peer=127.0.0.1#" in daemon.log_text()


def test_survives_a_crash():
    """Acknowledged, then killed: it is there afterwards."""
    with mgmtd.Daemon(POLICY, keys=KEYS, data={"example.org": ZONE}) as daemon:
        daemon.wait("example.org", 1)
        for number in range(20):
            assert update(daemon, "any.", ("add", "n%d" % number, 60, "A", "192.0.2.3")) == "NOERROR"
        daemon.restart(9)
        daemon.wait("example.org", 21)
        zone = contents.transfer(daemon.port, "example.org")
        assert contents.serial(zone) == 21
        assert sum(owner.startswith("n") and kind == "A" for owner, _, kind, _ in zone) == 21


def nsupdate(port, text, *arguments):
    if not peers.find("nsupdate"):
        pytest.skip("not installed: nsupdate")
    return subprocess.run([peers.find("nsupdate"), *arguments], text=True, stdout=subprocess.PIPE,
                          input="server 127.0.0.1 %d\n%s" % (port, text), stderr=subprocess.STDOUT)


def test_nsupdate(daemon):
    key = ["-y", "hmac-sha256:any.:" + mgmtd.SECRET]
    done = nsupdate(daemon.port, """zone example.org
prereq nxdomain by-nsupdate.example.org
update add by-nsupdate.example.org 300 A 192.0.2.42
update add by-nsupdate.example.org 300 TXT "with ; and \\"quotes\\""
send
prereq yxrrset by-nsupdate.example.org A 192.0.2.42
update delete by-nsupdate.example.org A
send
""", *key)
    assert (done.returncode, done.stdout) == (0, "")
    zone = {record for record in contents.transfer(daemon.port, "example.org")
            if record[0].startswith("by-nsupdate")}
    assert [record[2] for record in zone] == ["TXT"]
    # Without `zone` it finds out by itself, over TCP too.
    done = nsupdate(daemon.port, "update add other.example.org 300 A 192.0.2.43\nsend\n", "-v", *key)
    assert (done.returncode, done.stdout) == (0, "")
    # What is refused is told.
    done = nsupdate(daemon.port, "zone example.org\nprereq nxdomain www.example.org\n"
                    "update add www.example.org 300 A 192.0.2.42\nsend\n", *key)
    assert done.returncode == 2 and "YXDOMAIN" in done.stdout
    done = nsupdate(daemon.port, "zone example.org\nupdate delete www.example.org\nsend\n", "-y",
                    "hmac-sha512:acme.:" + mgmtd.SECRET)
    assert done.returncode == 2 and "REFUSED" in done.stdout
    done = nsupdate(daemon.port, "zone example.net\nupdate delete www.example.net\nsend\n", *key)
    assert done.returncode == 2 and "NOTAUTH" in done.stdout


@pytest.fixture(name="pair")
def make_pair():
    """A primary, and a secondary that has none of its keys and passes updates on."""
    with mgmtd.Daemon(POLICY, keys=KEYS, data={"example.org": ZONE}) as primary:
        config = {
            "acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
            "remotes": [{"id": "dead", "addresses": ["127.0.0.1"], "port": peers.free_port()},
                        {"id": "primary", "addresses": ["127.0.0.1"], "port": primary.port}],
            "templates": [{"id": "default", "primaries": ["dead", "primary"], "allow_update": ["here"],
                           "forward_updates": True, "allow_transfer": ["here"]}],
            "zones": [{"name": "example.org"}],
        }
        primary.wait("example.org", 1)
        with mgmtd.Daemon(config) as secondary:
            primary.reload(
                remotes=[{"id": "secondary", "addresses": ["127.0.0.1"], "port": secondary.port}],
                templates=[{**POLICY["templates"][0], "notify": ["secondary"]}])
            secondary.wait("example.org", 1)
            yield primary, secondary


def test_forwarded(pair):
    """Byte for byte, so that client and primary share the key, and nobody in between."""
    primary, secondary = pair
    assert update(primary, "any.", ("add", "a", 60, "A", "192.0.2.3"), port=secondary.port) == "NOERROR"
    zone = contents.transfer(primary.port, "example.org")
    assert ("a.example.org.", 60, "A", "192.0.2.3") in zone
    # And back: NOTIFY, IXFR.
    secondary.wait("example.org", contents.serial(zone))
    assert contents.transfer(secondary.port, "example.org") == zone
    # The primary's refusal comes back as it is too, and over TCP.
    assert update(primary, "acme.", ("add", "a", 60, "A", "192.0.2.3"), port=secondary.port,
                  tcp=True) == "REFUSED"
    assert update(primary, None, ("add", "a", 60, "A", "192.0.2.4"), port=secondary.port) == "REFUSED"


def test_no_primary_to_forward_to(pair):
    primary, secondary = pair
    primary.end()
    message = dns.update.Update("example.org")
    message.add("a", 60, "A", "192.0.2.3")
    reply = dns.query.udp(message, "127.0.0.1", 30, secondary.port)
    assert reply.rcode() == dns.rcode.SERVFAIL


def test_forwarded_once():
    """A primary that took the update and says nothing may have performed it: no other one gets it too."""
    def script(question):
        # No zone to be had; what it says to an update is nothing, for as long as the connection is there.
        if question.message.opcode() == dns.opcode.UPDATE:
            yield Keep
    with FakePrimary(script) as first, FakePrimary(script) as second:
        config = {
            "acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
            "remotes": [{"id": "gone", "addresses": ["127.0.0.1"], "port": peers.free_port()},
                        {"id": "first", "addresses": ["127.0.0.1"], "port": first.port},
                        {"id": "second", "addresses": ["127.0.0.1"], "port": second.port}],
            "templates": [{"id": "default", "primaries": ["gone", "first", "second"],
                           "allow_update": ["here"], "forward_updates": True}],
            "zones": [{"name": "example.org"}],
        }
        with mgmtd.Daemon(config) as daemon:
            message = dns.update.Update("example.org")
            message.add("a", 60, "A", "192.0.2.3")
            reply = dns.query.tcp(message, "127.0.0.1", 120, daemon.port)
            assert reply.rcode() == dns.rcode.SERVFAIL
        updates = [[question.message.opcode() for question in primary.asked].count(dns.opcode.UPDATE)
                   for primary in (first, second)]
        assert updates == [1, 0]


def addition(name="a"):
    message = dns.update.Update("example.org")
    message.add(name, 60, "A", "192.0.2.3")
    return message


def forwarding_to(port, **remote):
    return {
        "acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
        "remotes": [{"id": "primary", "addresses": ["127.0.0.1"], "port": port, **remote}],
        "templates": [{"id": "default", "primaries": ["primary"], "allow_update": ["here"],
                       "forward_updates": True}],
        "zones": [{"name": "example.org"}],
    }


def test_forwarded_at_once():
    """A primary that is slow to answer does not get more connections than there are to be had."""
    answers = threading.Event()

    def script(question):
        if question.message.opcode() == dns.opcode.UPDATE:
            answers.wait()
            yield dns.message.make_response(question.message).to_wire()

    with FakePrimary(script) as primary, mgmtd.Daemon(forwarding_to(primary.port)) as daemon, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        def descriptors():
            return len(os.listdir("/proc/%d/fd" % daemon.process.pid))

        def too_many():
            # Again and again, since the daemon does not wait for an answer for ever.
            for _ in range(300):
                client.sendto(addition().to_wire(), ("127.0.0.1", daemon.port))
            return "too many updates are being passed on" in daemon.log_text()
        try:
            before = descriptors()
            daemon.wait_for(too_many)
            assert descriptors() < before + 256 + 20
            client.settimeout(60)
            assert dns.message.from_wire(client.recv(65535)).rcode() == dns.rcode.SERVFAIL
        finally:
            answers.set()
        # Those that end make room for others.
        daemon.wait_for(lambda: dns.query.tcp(addition(), "127.0.0.1", 60, daemon.port).rcode() == 0)


def test_forwarded_over_tls(tmp_path):
    """The CA's file is read for the first update, and not for each."""
    def script(question):
        if question.message.opcode() == dns.opcode.UPDATE:
            yield dns.message.make_response(question.message).to_wire()

    ca = certificates.Authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*ca.issue("primary.test"))
    tls.set_alpn_protocols(["dot"])
    with FakePrimary(script, tls=tls) as primary, mgmtd.Daemon(forwarding_to(
            primary.port, tls={"enabled": True, "ca": ca.ca, "name": "primary.test"})) as daemon:
        for there in (True, False):
            if not there:
                os.remove(ca.ca)
            assert dns.query.tcp(addition(), "127.0.0.1", 60, daemon.port).rcode() == 0


def test_not_forwarded():
    config = {
        "acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
        "remotes": [{"id": "primary", "addresses": ["127.0.0.1"], "port": peers.free_port()}],
        "templates": [{"id": "default", "primaries": ["primary"]}],
        "zones": [{"name": "example.org"}],
    }
    with mgmtd.Daemon(config, keys={"known.": "hmac-sha256"}, data={"example.org": ZONE}) as secondary:
        secondary.wait("example.org", 1)
        message = dns.update.Update("example.org")
        message.add("a", 60, "A", "192.0.2.3")
        reply = dns.query.udp(message, "127.0.0.1", 30, secondary.port)
        assert reply.rcode() == dns.rcode.REFUSED
        # With a key that is not known it is not even that.
        message.use_tsig(dns.tsig.Key("unknown.", mgmtd.SECRET, "hmac-sha256"))
        with pytest.raises(dns.tsig.PeerBadKey):
            dns.query.udp(message, "127.0.0.1", 30, secondary.port)


def signed(text, folder, denial):
    """The records of a zone that kzonesign signs, and its file."""
    folder.mkdir()
    path = folder / "zone"
    path.write_text(text)
    signed_path = signing.sign_knot("example.org.", str(path), str(folder), denial=denial)
    zone = dns.zone.from_file(signed_path, "example.org.", relativize=False)
    return zone, open(signed_path, encoding="utf-8").read()


def records_of(zone):
    return {(name, rdataset.ttl, rdataset.rdtype, rdata) for name, rdataset in zone.iterate_rdatasets()
            for rdata in rdataset}


@pytest.mark.parametrize("prefix", ["127.0.0.1", "192.0.2.1"])
@pytest.mark.parametrize("key, secret", [("nobody.", mgmtd.SECRET), ("any.", "AAAAAAAAAAAAAAAAAAAAAA==")])
def test_signed_with_a_key_that_is_not_ours(key, secret, prefix):
    """NOTAUTH, not even where the address would do without a key."""
    config = {"acls": [{"id": "these", "prefixes": [prefix]}, {"id": "here", "prefixes": ["127.0.0.1"]}],
              "templates": [{"id": "default", "allow_update": ["these"], "allow_transfer": ["here"]}],
              "zones": [{"name": "example.org"}]}

    def rcode(*sign_with):
        message = dns.update.Update("example.org")
        message.add("a", 60, "A", "192.0.2.3")
        if sign_with:
            message.use_tsig(dns.tsig.Key(*sign_with))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(30)
            sock.sendto(message.to_wire(), ("127.0.0.1", daemon.port))
            return sock.recv(65535)[3] & 15

    with mgmtd.Daemon(config, keys=KEYS, data={"example.org": ZONE}) as daemon:
        daemon.wait("example.org", 1)
        assert rcode(key, secret, "hmac-sha256") == dns.rcode.NOTAUTH
        assert contents.serial(contents.transfer(daemon.port, "example.org")) == 1
        assert rcode() == (dns.rcode.NOERROR if prefix == "127.0.0.1" else dns.rcode.REFUSED)


def test_serial_past_zero():
    """One that is raised here is never 0: there are secondaries to which that means that nothing was loaded."""
    last = 2 ** 32 - 1
    with mgmtd.Daemon(POLICY, keys=KEYS, data={"example.org": ZONE.replace(" 1 3600", " %d 3600" % last)}) as daemon:
        daemon.wait("example.org", last)
        assert update(daemon, "any.", ("add", "a", 60, "A", "192.0.2.3")) == "NOERROR"
        assert contents.serial(contents.transfer(daemon.port, "example.org")) == 1


def test_signatures_come_behind_all_else(daemon):
    """They go with the last record that they cover; but not those that come along for what takes its place."""
    def signature(tag):
        return "A 13 3 60 20380101000000 20200101000000 %d example.org. AAAA" % tag

    def at_s():
        zone = contents.transfer(daemon.port, "example.org")
        return {data for owner, _, _, data in zone if owner == "s.example.org."}

    assert update(daemon, "any.", ("add", "s", 60, "RRSIG", signature(1)),
                  ("add", "s", 60, "A", "192.0.2.3")) == "NOERROR"
    assert at_s() == {"192.0.2.3", signature(1).lower()}
    assert update(daemon, "any.", ("add", "s", 60, "RRSIG", signature(2)), ("delete", "s", "A"),
                  ("add", "s", 60, "A", "192.0.2.4")) == "NOERROR"
    assert at_s() == {"192.0.2.4", signature(2).lower()}
    assert update(daemon, "any.", ("delete", "s", "A", "192.0.2.4")) == "NOERROR"
    assert at_s() == set()


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_signed_elsewhere(tmp_path, denial):
    """Who signs sends signatures and chain along: the zone becomes what the signer made, record by record."""
    if not peers.find("kzonesign"):
        pytest.skip("not installed: kzonesign")
    before, text = signed(ZONE, tmp_path / "before", denial)
    after, _ = signed(ZONE.replace(" 1 3600", " 2 3600") + "new A 192.0.2.3\nx.y TXT y\n*.w TXT w\n",
                      tmp_path / "after", denial)
    message = dns.update.Update("example.org")
    message.use_tsig(dns.tsig.Key("any.", mgmtd.SECRET, KEYS["any."]))
    gone, come = records_of(before) - records_of(after), records_of(after) - records_of(before)
    for name, _, _, rdata in gone:
        message.delete(name, rdata)
    for name, ttl, _, rdata in come:
        message.add(name, ttl, rdata)
    with mgmtd.Daemon(POLICY, keys=KEYS, data={"example.org": text}) as daemon:
        daemon.wait("example.org", 1)
        assert dns.query.tcp(message, "127.0.0.1", 30, daemon.port).rcode() == dns.rcode.NOERROR
        expected = {(name.canonicalize().to_text(), ttl, dns.rdatatype.to_text(kind), rdata.to_text().lower())
                    for name, ttl, kind, rdata in records_of(after)}
        assert contents.transfer(daemon.port, "example.org") == expected
        # And it is served with what belongs to it.
        daemon.wait("example.org", 2)
        reply = daemon.query("nothing.example.org", "A", want_dnssec=True)
        assert reply.rcode() == dns.rcode.NXDOMAIN
        kinds = {dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.authority}
        assert {"RRSIG", denial.upper()} <= kinds
        # An update that brings no SOA raises the serial itself, and takes the signature along that is wrong now.
        assert update(daemon, "any.", ("add", "unsigned", 60, "A", "192.0.2.9")) == "NOERROR"
        zone = contents.transfer(daemon.port, "example.org")
        assert contents.serial(zone) == 3
        assert not any(kind == "RRSIG" and data.startswith("soa ") for _, _, kind, data in zone)


def test_whole_name_of_a_chain(tmp_path):
    """All RRsets of a name are those of the NSEC3 chain too: a rule without types does not cover them."""
    if not peers.find("kzonesign"):
        pytest.skip("not installed: kzonesign")
    zone, text = signed(ZONE, tmp_path / "signed", "nsec3")
    links = sorted(owner for owner, _ in zone.iterate_rdatasets("NSEC3"))
    rules = [{"keys": ["any."], "match": "zone", "types": ["ANY"]},
             {"keys": ["acme."], "match": "zone"},
             {"keys": ["host.example.org."], "match": "zone", "types": ["NSEC3"]}]
    config = dict(POLICY, update_policies=[{"id": "rules", "rules": rules}])
    with mgmtd.Daemon(config, keys=KEYS, data={"example.org": text}) as daemon:
        daemon.wait("example.org", 1)
        before = contents.transfer(daemon.port, "example.org")
        for link in links:
            assert update(daemon, "acme.", ("delete", link, "NSEC3")) == "REFUSED"
            assert update(daemon, "acme.", ("delete", link)) == "REFUSED"
        assert contents.transfer(daemon.port, "example.org") == before
        # The hash of nothing is a name like others.
        assert update(daemon, "acme.", ("delete", "0" * 32)) == "NOERROR"
        assert update(daemon, "acme.", ("delete", "www")) == "NOERROR"
        assert update(daemon, "host.example.org.", ("delete", links[0])) == "NOERROR"
        assert update(daemon, "any.", ("delete", links[1])) == "NOERROR"
        left = {owner for owner, _, kind, _ in contents.transfer(daemon.port, "example.org") if kind == "NSEC3"}
        assert left == {link.canonicalize().to_text() for link in links[2:]}


def test_many_at_once(daemon):
    """Updates of many clients share commits; each of them is acknowledged for itself, and raises the serial."""
    before = contents.serial(contents.transfer(daemon.port, "example.org"))
    rcodes = []

    def client(number):
        for turn in range(25):
            # Every fifth one has a prerequisite that does not hold, in the middle of the others.
            message = dns.update.Update("example.org")
            message.use_tsig(dns.tsig.Key("any.", mgmtd.SECRET, KEYS["any."]))
            if turn % 5 == 4:
                message.present("nowhere")
            message.add("many%d-%d" % (number, turn), 60, "A", "192.0.2.3")
            rcodes.append(dns.query.tcp(message, "127.0.0.1", 60, daemon.port).rcode())
    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rcodes.count(dns.rcode.NOERROR) == 160 and rcodes.count(dns.rcode.NXDOMAIN) == 40
    zone = contents.transfer(daemon.port, "example.org")
    assert sum(owner.startswith("many") for owner, _, _, _ in zone) == 160
    assert contents.serial(zone) == before + 160


def test_ends_while_it_waits_for_a_primary():
    """One that takes the update and says nothing: the daemon ends all the same, and the client is told or cut off."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = {
            "acls": [{"id": "here", "prefixes": ["127.0.0.1"]}],
            "remotes": [{"id": "silent", "addresses": ["127.0.0.1"], "port": silent.getsockname()[1]}],
            "templates": [{"id": "default", "primaries": ["silent"], "allow_update": ["here"],
                           "forward_updates": True}],
            "zones": [{"name": "example.org"}],
        }
        with mgmtd.Daemon(config) as daemon:
            message = dns.update.Update("example.org")
            message.add("a", 60, "A", "192.0.2.3")
            with socket.create_connection(("127.0.0.1", daemon.port)) as client:
                wire = message.to_wire()
                client.sendall(len(wire).to_bytes(2, "big") + wire)
                # The question for the SOA comes over the other connection, or over UDP.
                with silent.accept()[0] as asked:
                    asked.recv(1)
                    assert daemon.end() == 0
