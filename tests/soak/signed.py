# SPDX-License-Identifier: Apache-2.0
"""A signer that keeps up with a zone that is changed by UPDATE: what each change takes out and brings in, with its
signatures and the NSEC chain, as a signer sends it to its server.

The zone has an apex, "ns", and names with a TXT record each.
"""
import time

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec

TTL = 60


class Signer:
    def __init__(self, zone, serial, texts):
        """`texts`: {label: text}"""
        self.zone = dns.name.from_text(zone)
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.dnskey = dns.dnssec.make_dnskey(self.private.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256,
                                             flags=257)
        self.begin = int(time.time()) - 3600
        self.texts, self.serial, self.records = dict(texts), serial, {}
        self._apply(self._wanted())

    def owner(self, label):
        return self.zone if label == "@" else dns.name.Name([label.encode()] + list(self.zone.labels))

    def _wanted(self):
        """{(label, type): rdata as text} of the zone as it is to be, without signatures."""
        wanted = {
            ("@", "SOA"): "ns.{0} host.{0} {1} 2 1 86400 60".format(self.zone, self.serial),
            ("@", "NS"): "ns.%s" % self.zone, ("ns", "A"): "192.0.2.1", ("@", "DNSKEY"): self.dnskey.to_text(),
        }
        wanted.update({(label, "TXT"): '"%s"' % text for label, text in self.texts.items()})
        chain = ["@"] + sorted({label for label, _ in wanted if label != "@"})
        for label, following in zip(chain, chain[1:] + chain[:1]):
            kinds = sorted({kind for owner, kind in wanted if owner == label and kind != "NSEC"} | {"RRSIG", "NSEC"},
                           key=dns.rdatatype.from_text)
            wanted[label, "NSEC"] = "%s %s" % (self.owner(following), " ".join(kinds))
        return wanted

    def _apply(self, wanted):
        """The keys that differ now; those that stay keep their signatures."""
        changed = [key for key, data in wanted.items() if self.records.get(key, (None,))[0] != data]
        gone = [key for key in self.records if key not in wanted]
        for key in gone:
            del self.records[key]
        for label, kind in changed:
            data = wanted[label, kind]
            rrset = dns.rrset.from_text(self.owner(label), TTL, "IN", kind, data)
            self.records[label, kind] = data, dns.dnssec.sign(
                rrset, self.private, self.zone, self.dnskey, inception=self.begin,
                expiration=self.begin + 30 * 86400).to_text()
        return changed + gone

    def change(self, serial, texts):
        """{label: text, or None to delete it}: (removed, added), lists of (owner, type, rdata as text). Of the SOA
        only the new one is told."""
        before = dict(self.records)
        self.serial = serial
        for label, text in texts.items():
            if text is None:
                self.texts.pop(label, None)
            else:
                self.texts[label] = text
        removed, added = [], []
        for label, kind in sorted(self._apply(self._wanted())):
            owner = self.owner(label)
            if (label, kind) in before:
                data, signature = before[label, kind]
                removed.append((owner, "RRSIG", signature))
                if kind != "SOA":
                    removed.append((owner, kind, data))
            if (label, kind) in self.records:
                data, signature = self.records[label, kind]
                added += [(owner, kind, data), (owner, "RRSIG", signature)]
        return removed, added

    def signature(self, label, kind):
        """Its text, as dnspython prints one of an answer."""
        return self.records[label, kind][1]

    def zone_file(self):
        return "".join("%s %d IN %s %s\n%s %d IN RRSIG %s\n" % (
            self.owner(label), TTL, kind, data, self.owner(label), TTL, signature)
            for (label, kind), (data, signature) in sorted(
                self.records.items(), key=lambda item: (item[0][1] != "SOA", item[0])))
