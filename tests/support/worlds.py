# SPDX-License-Identifier: Apache-2.0
"""Sets of zones that are served together: the hand-written ones in a variant, the random ones of some seeds."""
import os
import shutil

import signing
import zonegen

ZONES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "differential", "zones")
# variant: (denial, algorithm, iterations, salt length, signer)
VARIANTS = {
    "plain": None,
    "nsec": ("nsec", 13, 0, 0, "knot"),
    "nsec3": ("nsec3", 15, 0, 0, "knot"),
    "nsec3-salted": ("nsec3", 8, 5, 8, "knot"),
    "optout": ("optout", 14, 0, 0, "knot"),
    "nsec-ldns": ("nsec", 16, 0, 0, "ldns"),
    "optout-ldns": ("optout", 13, 1, 4, "ldns"),
}
# NSD 4.6.1 dies when it hashes the wildcard child of a name of more than 253 bytes.
NOT_FOR_NSEC3 = ("x.",)
# ldns-signzone writes some escapes and some types in a form that Knot and NSD do not read.
NOT_FOR_LDNS = ("names.test.", "types.test.")


def hand_written(root=False):
    """[(zone name, file)]; root: the zone at the root instead of the others."""
    found = []
    for file in sorted(os.listdir(ZONES)):
        name = file[:-len("zone")]
        if file.endswith(".zone") and (file == "root.zone") == root:
            found.append(("." if root else name, os.path.join(ZONES, file)))
    return found


def sign(zone, path, folder, how):
    """Sign one file as a tuple of VARIANTS says; returns the path of what is to be served."""
    if how is None:
        return path
    denial, algorithm, iterations, salt_length, signer = how
    if signer == "knot":
        return signing.sign_knot(zone, path, folder, algorithm, denial, iterations, salt_length)
    return signing.sign_ldns(zone, path, folder, algorithm, denial, iterations, "5a1e" * (salt_length // 2))


def stage(folder, variant, root=False, only=None):
    """Copy the hand-written zones into the folder and sign them; children first, for the DS records."""
    how, served = VARIANTS[variant], []
    zones = [(name, path) for name, path in hand_written(root) if only is None or name in only]
    if how and how[0] != "nsec":
        zones = [zone for zone in zones if zone[0] not in NOT_FOR_NSEC3]
    if how and how[4] == "ldns":
        zones = [zone for zone in zones if zone[0] not in NOT_FOR_LDNS]
    names = [name for name, _ in zones]
    extra = {}
    for name, path in sorted(zones, key=lambda zone: -zone[0].count(".")):
        copy = os.path.join(folder, os.path.basename(path))
        shutil.copyfile(path, copy)
        with open(copy, "a", encoding="utf-8") as file:
            file.writelines(extra.get(name, []))
        signed = sign(name, copy, folder, None if name.startswith("unsigned.") else how)
        served.append((name, signed))
        parent = max((other for other in names if name != other and name.endswith("." + other)),
                     key=len, default=None)
        if signed != copy and parent:
            extra.setdefault(parent, []).extend(
                "%s %s\n" % (name, line) for line in signing.ds_records(name, signed))
    return sorted(served)


def generated(folder, seeds):
    """The random zones of the seeds, written and signed."""
    served = []
    for seed in seeds:
        for number, zone in enumerate(zonegen.family(seed)):
            path = os.path.join(folder, "g%d-%d.zone" % (seed, number))
            with open(path, "w", encoding="latin-1") as file:
                file.write(zone.text)
            how = None if zone.denial == "plain" else (
                zone.denial, zone.algorithm, zone.iterations, zone.salt_length, zone.signer)
            served.append((zone.name, sign(zone.name, path, folder, how)))
    return served
