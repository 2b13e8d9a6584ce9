# SPDX-License-Identifier: Apache-2.0
"""All records of a zone as sets, fetched by AXFR, so that two servers can be compared."""
import time

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.tsig


def transfer(port, zone, key=None, timeout=60):
    """{(owner, ttl, type, data)} of a zone, names and data in the form of dnspython."""
    records = set()
    query = dns.message.make_query(zone, "AXFR")
    if key:
        query.use_tsig(key)
    for message in dns.query.xfr("127.0.0.1", zone, port=port, relativize=False, timeout=timeout,
                                 lifetime=timeout, keyring={key.name: key} if key else None,
                                 keyname=key.name if key else None,
                                 keyalgorithm=key.algorithm if key else dns.tsig.default_algorithm):
        for rrset in message.answer:
            for rdata in rrset:
                records.add((rrset.name.canonicalize().to_text(), rrset.ttl,
                             dns.rdatatype.to_text(rrset.rdtype), rdata.to_text().lower()))
    return records


def serial(records):
    """Of the SOA among the records of transfer()."""
    for _, _, kind, data in records:
        if kind == "SOA":
            return int(data.split()[2])
    raise ValueError("no SOA")


def wait_serial(port, zone, wanted, seconds=60, key=None):
    """The zone's contents, once its serial is `wanted`. NSD tells of the new serial from one process, while
    another that still has the old one may answer a transfer, or be ended in the middle of it."""
    end = time.monotonic() + seconds
    while True:
        try:
            reply = dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", 1, port)
            seen = reply.answer[0][0].serial if reply.answer else None
            records = transfer(port, zone, key) if seen == wanted else None
            if records and serial(records) == wanted:
                return records
        except (dns.exception.DNSException, OSError, EOFError) as error:
            seen = error
        if time.monotonic() > end:
            raise AssertionError("serial %s instead of %s after %d s" % (seen, wanted, seconds))
        time.sleep(0.02)
