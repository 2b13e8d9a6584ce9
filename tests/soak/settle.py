# SPDX-License-Identifier: Apache-2.0
"""What is looked at when nobody changes anything any more: that every acknowledged change has arrived everywhere, and
that nothing is left lying about."""
import os
import re
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.xfr
import dns.zone

import contents
import mgmtd
import stele
import world as soak_world
from balance import difference

SETTLE_S = 90
QUIET_S = 40
# What may lie on the small disk and beside the sockets while all runs.
DISK = re.compile(r"(store/(data|lock)\.mdb|image(\.boot)?|state(/.*)?|responder(/.*)?)$")
LINK = re.compile(r"responder/image\.\d+$")
LINKS_MAX = 2    # the image that is served, and the one that a rollback leads to
TEMPORARY = re.compile(r"\.(tmp|new|part|compact|\d+)$|[~]$|/tmp|XXXXXX")


def key():
    return dns.tsig.Key(soak_world.KEY, mgmtd.SECRET, soak_world.ALGORITHM)


def text_values(records, zone):
    """{label: text and, if there is one, signature} of the TXT records of contents.transfer()."""
    texts, signatures = {}, {}
    for owner, _, kind, data in records:
        label = owner[:-len(zone) - 1]
        if kind == "TXT":
            texts[label] = data.strip('"')
        elif kind == "RRSIG" and data.startswith("txt "):
            signatures[label] = data
    return {label: text + (" " + signatures[label] if label in signatures else "") for label, text in texts.items()}


def lower(values):
    """contents.transfer() gives data in lower case."""
    return {label: value.lower() for label, value in values.items()}


def stored(world, zone):
    """The records of the store, as contents.transfer() gives those of a server."""
    text = stele.run("export", "--store", world.daemon.store, zone).stdout
    parsed = dns.zone.from_text(text, zone, relativize=False, check_origin=False)
    return {(name.canonicalize().to_text(), ttl, dns.rdatatype.to_text(data.rdtype), data.to_text().lower())
            for name, ttl, data in parsed.iterate_rdatas()}


def until_same(port, zone, wanted, what):
    """What is different at a server when it has had time enough."""
    end = time.monotonic() + SETTLE_S
    while True:
        try:
            faults = difference(what, wanted, contents.transfer(port, zone, key()))
        except (dns.exception.DNSException, dns.xfr.TransferError, OSError, EOFError) as error:
            faults = ["%s: no transfer: %r" % (what, error)]
        if not faults or time.monotonic() > end:
            return faults
        time.sleep(0.2)


def zone_of_ours(world, changer):
    """A zone of which the history is known: it has arrived in the store, at the port, at the daemon, downstream."""
    zone, history, faults = changer.zone, changer.history, []
    serial = history.acknowledged
    world.daemon.wait(zone, serial, SETTLE_S)
    wanted = contents.transfer(world.daemon.port, zone, key())
    if contents.serial(wanted) != serial:
        faults.append("%s: serial %d, where %d was acknowledged last" % (zone, contents.serial(wanted), serial))
    expected, found = lower(history.at(serial)), text_values(wanted, zone)
    faults += difference(zone, set(expected.items()), set(found.items()))
    faults += difference("%s in the store" % zone, wanted, stored(world, zone))
    faults += until_same(world.downstream.port, zone, wanted, "%s downstream" % zone)
    for way in "port", "daemon", "tcp":
        faults += served(world, history, way)
    return faults


def served(world, history, way):
    """Each name, asked once more."""
    faults = []
    for label, value in [(label, history.at(history.acknowledged).get(label)) for label in history.keys()]:
        name = "%s.%s" % (label, history.zone)
        message = dns.message.make_query(name, "TXT")
        for _ in range(5):
            try:
                reply = world.ask(message, way)
                break
            except (dns.exception.Timeout, OSError):
                reply = None
        found = None
        if reply and reply.answer:
            found = reply.answer[0][0].to_text().strip('"')
        if reply is None or found != (value and value.split(" ")[0]):
            faults.append("%s over %s is %s, not %s" % (name, way, reply and found, value))
    return faults


def received(world, zone, primary):
    """The same records at the primary, here, and downstream."""
    world.daemon.wait(zone, primary.serial, SETTLE_S)
    wanted = contents.transfer(primary.port, zone, key())
    return (until_same(world.daemon.port, zone, wanted, "%s here" % zone) +
            until_same(world.downstream.port, zone, wanted, "%s downstream" % zone) +
            difference("%s in the store" % zone, wanted, stored(world, zone)))


def members_of(records):
    return {data.rstrip(".") for owner, _, kind, data in records if kind == "PTR"}


def catalog(world, members):
    """The members that are configured are in the catalog, here and downstream, and are served there; no others."""
    faults, end = [], time.monotonic() + SETTLE_S
    while True:
        listed = contents.transfer(world.daemon.port, soak_world.CATALOG, key())
        faults = difference("the catalog", set(members), members_of(listed))
        if not faults or time.monotonic() > end:
            break
        time.sleep(0.2)
    faults += until_same(world.downstream.port, soak_world.CATALOG, listed, "the catalog downstream")
    for name in soak_world.MEMBERS:
        faults += member(world, name, name in members, end)
    return faults


def member(world, name, listed, end):
    while True:
        try:
            reply = dns.query.udp(dns.message.make_query(name, "SOA"), "127.0.0.1", 1, world.downstream.port)
            there = reply.rcode() == dns.rcode.NOERROR
        except (dns.exception.Timeout, OSError):
            there = None
        if there == listed:
            return []
        if time.monotonic() > end:
            return ["%s downstream: %s, and %s in the catalog" % (
                name, "there" if there else "not there", "is" if listed else "is not")]
        time.sleep(0.2)


def journal(world, changer, steps):
    """IXFR from former serials leads to the same zone. (faults, by how many serials the journal goes back)"""
    history, faults, back = changer.history, [], 0
    final = history.acknowledged
    for serial in sorted({max(history.first, final - step) for step in steps}, reverse=True):
        changes, whole = increment(world, changer.zone, serial)
        if whole:
            continue    # condensed away, or longer than the zone
        back = max(back, final - serial)
        texts = dict(lower(history.at(serial)))
        texts = {label: value.split(" ")[0] for label, value in texts.items()}
        for removed, added in changes:
            for label in removed:
                texts.pop(label, None)
            texts.update(added)
        wanted = {label: value.split(" ")[0] for label, value in lower(history.at(final)).items()}
        faults += difference("%s by IXFR from %d" % (changer.zone, serial), set(wanted.items()), set(texts.items()))
    return faults, back


def increment(world, zone, serial):
    """([(labels removed, {label: text added}), ...] of the TXT records, whether it was a whole zone)"""
    query = dns.message.make_query(zone, "IXFR")
    query.authority.append(dns.rrset.from_text(zone, 0, "IN", "SOA", "ns.{0} host.{0} {1} 2 1 86400 60".format(
        zone, serial)))
    query.use_tsig(key())
    records = []
    for message in dns.query.xfr("127.0.0.1", zone, "IXFR", port=world.daemon.port, serial=serial, relativize=False,
                                 lifetime=30, keyring={key().name: key()}, keyname=key().name,
                                 keyalgorithm=key().algorithm):
        for rrset in message.answer:
            records += [(rrset.name.to_text(), data) for data in rrset]
    if len(records) < 2 or records[1][1].rdtype != dns.rdatatype.SOA:
        return [], len(records) > 1
    changes, adding = [], True
    for owner, data in records[1:-1]:
        if data.rdtype == dns.rdatatype.SOA:
            adding = not adding
            if not adding:
                changes.append((set(), {}))
        elif data.rdtype == dns.rdatatype.TXT:
            label, text = owner[:-len(zone) - 1], data.to_text().strip('"').lower()
            if adding:
                changes[-1][1][label] = text
            else:
                changes[-1][0].add(label)
    return changes, False


def leftovers(world):
    """Files that nobody needs."""
    found, links = [], []
    for folder, _, names in os.walk(world.disk):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), world.disk)
            if not DISK.match(path) or TEMPORARY.search(path):
                (links if LINK.match(path) else found).append(
                    "%s, %d bytes" % (path, os.stat(os.path.join(folder, name)).st_size))
    found += links[LINKS_MAX:]
    sockets = set(os.listdir(world.node.folder)) - {
        "config.yaml", "control", "log", "state", "control.stats", "control.lock"}
    found += ["%s beside the responder's socket" % name for name in sorted(sockets)]
    stats = os.path.basename(world.stats_path)
    found += ["/dev/shm/" + name for name in os.listdir("/dev/shm") if name.startswith(stats) and name != stats]
    return found


def sizes(world):
    """(bytes of the image, bytes of one that is built anew, bytes of the store), and that both are good. The daemon
    copies an image without its garbage when nothing has changed for ten seconds."""
    fresh = world.path("fresh.image")
    stele.run("build", "--store", world.daemon.store, "-o", fresh)
    end = time.monotonic() + QUIET_S
    while os.path.getsize(world.daemon.image) > 2 * os.path.getsize(fresh) + (16 << 20) and time.monotonic() < end:
        time.sleep(0.5)
    stele.run("verify", world.daemon.image)
    stele.run("verify", fresh)
    return (os.path.getsize(world.daemon.image), os.path.getsize(fresh),
            os.path.getsize(os.path.join(world.daemon.store, "data.mdb")))
