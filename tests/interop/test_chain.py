# SPDX-License-Identifier: Apache-2.0
"""BIND -> Stele -> NSD, and Knot -> Stele -> Stele: each change at the head arrives at the tail, told by NOTIFY."""
import json
import random

import pytest

import mgmtd
import peers
import primaries
from conftest import need
from test_secondary_of_peers import ZONE, edit, random_record, same, stored, zone_text


class NsdTail(primaries.Nsd):
    """A secondary of a port of 127.0.0.1, which may notify it."""

    def __init__(self, upstream):
        peers.Peer.__init__(self)
        self.zone, self.keys, self.upstream = ZONE, [], upstream
        text = (peers.NSD_SERVER + """\
  verbosity: 2
  xfrd-reload-timeout: 0
remote-control:
  control-enable: no
zone:
  name: "{2}"
  zonefile: "{0}/zone"
  request-xfr: 127.0.0.1@{3} NOKEY
  allow-notify: 127.0.0.1 NOKEY
  provide-xfr: 127.0.0.1 NOKEY
""").format(self.folder, self.port, ZONE, upstream)
        self.start(["-d", "-c", self.write("nsd.conf", text)], [])


def link(primary_port, notify):
    """The configuration of a daemon in the middle or at the end of a chain."""
    return {
        "remotes": [{"id": "up", "addresses": ["127.0.0.1"], "port": primary_port}] +
                   [{"id": "n%d" % port, "addresses": ["127.0.0.1"], "port": port} for port in notify],
        "acls": [{"id": "here", "prefixes": ["127.0.0.0/8"]}],
        "templates": [{"id": "t", "primaries": ["up"], "allow_transfer": ["here"],
                       "notify": ["n%d" % port for port in notify]}],
        "zones": [{"name": ZONE, "template": "t"}],
        "log": {"format": "json"},
    }


def configured(daemon, primary_port, notify=()):
    daemon.config.update(link(primary_port, notify))
    daemon.write_config()
    daemon.start()


def came(daemon):
    """The kinds of its transfers in, in their order."""
    events = [json.loads(line) for line in daemon.log_text().splitlines() if line.startswith("{")]
    assert not [event for event in events if event["event"] == "ixfr-failed"]
    return [event["kind"] for event in events if event["event"] == "transfer-in"]


def large(rng):
    """So many records that some changes are less than the zone as a whole."""
    return sorted({record[:1] + (300,) + record[2:] for record in
                   (random_record(rng) for _ in range(400))})


def test_bind_stele_nsd():
    need("named", "nsd")
    rng = random.Random(1)
    records = large(rng)
    middle = mgmtd.Daemon(start=False)
    with middle, NsdTail(middle.port) as tail, \
         primaries.Bind(ZONE, zone_text(1, records), notify=[middle.port]) as head:
        configured(middle, head.port, [tail.port])
        tail.wait_serial(1, 60)
        assert tail.canonical() == head.canonical()
        for serial in range(2, 12):
            records = records[3:] + edit(rng, [])
            head.update(zone_text(serial, records))
            tail.wait_serial(serial)
            there = head.canonical()
            assert stored(middle) == there and tail.canonical() == there
        assert came(middle) == ["axfr"] + 10 * ["ixfr"]


@pytest.mark.parametrize("signed", [False, True])
def test_knot_stele_stele(signed):
    """The second one gets the journal of the first, several steps at a time, of a signed zone too."""
    need("knotd", "knotc")
    rng = random.Random(2)
    records = large(rng)
    first, last = mgmtd.Daemon(start=False), mgmtd.Daemon(start=False)
    with first, last, (primaries.KnotSigning if signed else primaries.Knot)(
            ZONE, zone_text(1, records), notify=[first.port]) as head:
        configured(first, head.port, [last.port])
        configured(last, first.port)
        last.wait(ZONE, head.serial)
        same(last, head)
        for step in range(8):
            if step == 4:
                last.end()
            records = records[3:] + edit(rng, [])
            head.update(zone_text(head.serial + 1, records))
            first.wait(ZONE, head.serial)
            if step == 6:
                last.start()
            if step < 4 or step >= 6:
                last.wait(ZONE, head.serial)
                same(last, head)
        assert came(first) == ["axfr"] + 8 * ["ixfr"]
        assert came(last) == ["axfr"] + 6 * ["ixfr"]
