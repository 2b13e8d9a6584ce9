# SPDX-License-Identifier: Apache-2.0
"""Ten thousand zones of one primary: first without data, then after a restart of everything."""
import os
import time

import pytest

import mgmtd
import peers
from conftest import need


class ManyZones(peers.Peer):
    """Knot with zones that all have the same file."""
    program = "knotd"

    def __init__(self, names, refresh):
        super().__init__()
        self.write("zone", "@ 3600 IN SOA ns hostmaster 1 %d 60 86400 300\n@ 300 IN NS ns\n"
                           "ns 300 IN A 192.0.2.1\nwww 300 IN A 192.0.2.80\n" % refresh)
        text = """
server:
  rundir: {0}
  listen: 127.0.0.1@{1}
log:
  - target: stderr
    any: warning
database:
  storage: {0}/db
acl:
  - id: transfer
    address: 127.0.0.1
    action: transfer
template:
  - id: default
    storage: {0}
    file: "{0}/zone"
    acl: transfer
    semantic-checks: off
    zonefile-sync: -1
    journal-content: none
zone:
""".format(self.folder, self.port)
        text += "".join("  - domain: %s\n" % name for name in names)
        os.mkdir(self.path("db"))
        self.conf = self.write("knot.conf", text)
        self.names = names
        self.run()

    def run(self):
        import dnswire
        self.start(["-c", self.conf], [dnswire.query(name + ".", "SOA")
                                       for name in (self.names[0], self.names[-1])])

    def end(self):
        self.process.terminate()
        self.process.wait(60)


def count(daemon, condition):
    return sum(condition(zone) for zone in daemon.zones().values())


def resident(daemon):
    with open("/proc/%d/status" % daemon.process.pid, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


@pytest.mark.slow
@pytest.mark.parametrize("zone_cnt", [10000])
def test_many_zones(zone_cnt):
    need("knotd")
    names = ["z%d.test" % i for i in range(zone_cnt)]
    with ManyZones(names, 3) as primary, mgmtd.Daemon(start=False) as daemon:
        daemon.config.update({
            "remotes": [{"id": "primary", "addresses": ["127.0.0.1"], "port": primary.port}],
            "templates": [{"id": "t", "primaries": ["primary"]}],
            "zones": [{"name": name, "template": "t"} for name in names],
            "log": {"format": "json", "audit": False},
        })
        daemon.write_config()
        begin = time.monotonic()
        daemon.start()
        daemon.wait_for(lambda: count(daemon, lambda z: z["loaded"]) == zone_cnt, 600)
        print("%d zones transferred in %.1f s" % (zone_cnt, time.monotonic() - begin))
        daemon.wait_for(lambda: daemon.serial(names[-1]) == 1, 120)

        daemon.end()
        primary.end()
        time.sleep(4)   # by then each zone is due
        primary.run()
        begin = time.monotonic()
        since = int(time.time())
        daemon.start()
        for name in names[::97]:
            assert daemon.serial(name) == 1
        print("served %.1f s after the start, %d KB resident" % (time.monotonic() - begin, resident(daemon)))
        daemon.wait_for(lambda: count(daemon, lambda z: (z["refreshed_at"] or 0) >= since) == zone_cnt, 120)
        print("all confirmed after %.1f s, %.1f KB a zone" % (time.monotonic() - begin,
                                                          resident(daemon) / zone_cnt))
