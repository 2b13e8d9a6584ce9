# SPDX-License-Identifier: Apache-2.0
"""A signed zone that changes by UPDATE, as its signer would send it: the record with its signature, the NSEC3 record
of the name and that of its predecessor with theirs, and the SOA with its own. Signatures are well-formed and do not
validate, like those of `generate`, which nobody who serves them finds out.
"""
import base64
import bisect
import hashlib
import random
import subprocess

import dns.name
import dns.rdata
import dns.update

TO_BASE32HEX = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghijklmnopqrstuv")
SIGNATURE = "%s 13 %d 3600 20371231000000 20240101000000 47903 %s. %s"


def write_signed_zone(build, path, zone, names):
    subprocess.run([build / "benchmarks" / "generate", "hosts", "--names", str(names), "--denial", "nsec3",
                    "--origin", zone, "-o", path], check=True)


class SignedZone:
    """The NSEC3 chain of a zone file of `generate`, and UPDATEs that keep it whole."""

    def __init__(self, path, zone):
        self.zone, self.types, self.serial = zone, {}, 1
        self.random = random.Random(1)
        with open(path, encoding="ascii") as file:
            for line in file:
                fields = line.split("\t")
                if len(fields) < 3:
                    continue
                if fields[1] == "NSEC3":
                    # 1 0 0 - next types; an empty non-terminal has none
                    self.types[fields[0]] = " ".join(fields[2].split()[5:])
                elif fields[0] == "@" and fields[1] == "SOA":
                    self.soa = fields[2].split()
                elif fields[0] == "@" and fields[1] == "RRSIG" and fields[2].startswith("SOA "):
                    self.soa_signature = fields[2].rstrip()
        self.hashes = sorted(self.types)

    def hash(self, label):
        """RFC 5155, as the generator has it: no salt, no more iterations."""
        wire = dns.name.from_text(label + "." + self.zone).to_wire()
        return base64.b32encode(hashlib.sha1(wire).digest()).translate(TO_BASE32HEX).decode()

    def signature(self, covered, labels):
        return SIGNATURE % (covered, labels, self.zone,
                            base64.b64encode(self.random.randbytes(64)).decode())

    def set_nsec3(self, update, owner, after):
        labels = self.zone.count(".") + 2
        update.add(owner, 3600, "NSEC3", "1 0 0 - %s %s" % (after, self.types[owner]))
        update.add(owner, 3600, "RRSIG", self.signature("NSEC3", labels))

    def insert(self, label):
        """The UPDATE that adds a TXT record of a new name directly below the apex."""
        update = dns.update.Update(self.zone)
        update.add(label, 3600, "TXT", "there")
        update.add(label, 3600, "RRSIG", self.signature("TXT", self.zone.count(".") + 2))

        new = self.hash(label)
        place = bisect.bisect(self.hashes, new)
        before, after = self.hashes[place - 1], self.hashes[place % len(self.hashes)]
        self.hashes.insert(place, new)
        self.types[new] = "TXT RRSIG"
        update.delete(before, "NSEC3")
        update.delete(before, "RRSIG")
        self.set_nsec3(update, before, new)
        self.set_nsec3(update, new, after)

        self.serial += 1
        self.soa[2] = str(self.serial)
        update.add("@", 3600, "SOA", " ".join(self.soa))
        update.delete("@", dns.rdata.from_text("IN", "RRSIG", self.soa_signature))
        self.soa_signature = self.signature("SOA", self.zone.count(".") + 1)
        update.add("@", 3600, "RRSIG", self.soa_signature)
        return update
