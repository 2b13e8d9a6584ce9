# SPDX-License-Identifier: Apache-2.0
"""Sign zone files at test time, with two signers, because they lay out a zone differently.

kzonesign leaves insecure delegations out of an opt-out chain; ldns-signzone sets the flag and lists
them all the same. kzonesign signs with a single key; so does ldns here.
"""
import base64
import hashlib
import os
import shutil
import struct
import subprocess

import dnswire
import peers
import questions

ALGORITHMS = {8: "rsasha256", 13: "ecdsap256sha256", 14: "ecdsap384sha384", 15: "ed25519", 16: "ed448"}


class SignError(RuntimeError):
    """A signer failed."""


def _run(command, folder):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        raise SignError("%s\n%s" % (" ".join(command), done.stdout))
    return done.stdout


def sign_knot(zone, path, folder, algorithm=13, denial="nsec", iterations=0, salt_length=0):
    """Sign with kzonesign. denial: nsec, nsec3 or optout. Returns the signed file's path."""
    work = os.path.join(folder, "sign-" + hashlib.sha256(zone.encode()).hexdigest()[:12])
    os.makedirs(work + "/db")
    os.mkdir(work + "/out")
    with open(work + "/knot.conf", "w", encoding="utf-8") as conf:
        conf.write("""
server:
  rundir: {0}
database:
  storage: {0}/db
policy:
  - id: p
    algorithm: {1}
    single-type-signing: on
    cds-cdnskey-publish: none
    nsec3: {2}
    nsec3-iterations: {3}
    nsec3-salt-length: {4}
    nsec3-opt-out: {5}
zone:
  - domain: "{6}"
    file: "{7}"
    dnssec-signing: on
    dnssec-policy: p
    semantic-checks: off
    journal-content: none
    zonefile-load: whole
""".format(work, ALGORITHMS[algorithm], "off" if denial == "nsec" else "on", iterations, salt_length,
           "on" if denial == "optout" else "off", zone, os.path.abspath(path)))
    if salt_length:    # the same salt, and so the same order of hashes, in every run
        salt = hashlib.sha256(zone.encode()).hexdigest()[:2 * salt_length]
        _run([peers.find("keymgr"), "-c", work + "/knot.conf", zone, "nsec3-salt", salt], work)
    text = _run([peers.find("kzonesign"), "-c", work + "/knot.conf", "-o", work + "/out", zone], work)
    found = os.listdir(work + "/out")
    if len(found) != 1:
        raise SignError("kzonesign left %s\n%s" % (found, text))
    signed = path + ".signed"
    shutil.move(os.path.join(work, "out", found[0]), signed)
    shutil.rmtree(work)
    return signed


def sign_ldns(zone, path, folder, algorithm=13, denial="nsec", iterations=0, salt=""):
    """Sign with ldns-signzone; the arguments are those of sign_knot, with the salt as hex."""
    size = ["-b", "2048"] if algorithm == 8 else []
    key = _run([peers.find("ldns-keygen"), "-k", "-a", str(algorithm), *size, zone], folder).strip()
    command = [peers.find("ldns-signzone"), "-o", zone, "-f", path + ".signed"]
    if denial != "nsec":
        command += ["-n", "-t", str(iterations)] + (["-s", salt] if salt else [])
        if denial == "optout":
            command.append("-p")
    _run(command + [os.path.abspath(path), key], folder)
    return path + ".signed"


def ds_records(zone, signed_path):
    """The DS records (SHA-256) of the zone's DNSKEYs with the SEP flag, as text lines without an owner."""
    lines = []
    for _, rtype, fields in questions.records(zone, signed_path):
        if rtype == dnswire.TYPES["DNSKEY"] and int(fields[0]) & 1:
            key = base64.b64decode("".join(fields[3:]).partition(";")[0])
            rdata = struct.pack("!HBB", *map(int, fields[:3])) + key
            digest = hashlib.sha256(dnswire.name_to_wire(zone.lower()) + rdata).hexdigest()
            lines.append("DS %d %s 2 %s" % (key_tag(rdata), fields[2], digest))
    return lines


def key_tag(rdata):
    """RFC 4034 appendix B."""
    padded = rdata + b"\0" * (len(rdata) & 1)
    total = sum(struct.unpack("!%dH" % (len(padded) // 2), padded))
    return (total + (total >> 16)) & 0xFFFF
