# SPDX-License-Identifier: Apache-2.0
"""Queries for a set of zones: what names it has, and mixes that are drawn of them with a seed."""
import itertools
import random
import string

HOT_CNT = 512  # as many as bench_engine takes: they stay in the first caches with all that they touch
HOT_NOTE = f"*Hot*: {HOT_CNT} queries again and again, which the packet cache answers without a lookup."
DRAWN_CNT = 300_000  # of a mix, before it repeats itself
FLOOD_LABEL_SZ = 12
ZIPF_EXPONENT = 1.0

MIXES = {
    "hot": f"{HOT_CNT} names again and again",
    "uniform": "each name as likely as any other",
    "zipf": f"the n-th name as likely as 1/n^{ZIPF_EXPONENT:g}",
    "flood": "random subdomains: no name twice, none exists",
}
ADDRESS_TYPES = {"A", "AAAA", "TXT", "CNAME"}


def names_of(path, apex, delegations):
    """
    What a zone file has, one record a line: sorted (name, type). Of a zone of delegations these are names
    below them, so that each query is answered by a referral; of others what has an address, a text or an alias.
    """
    found = set()
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if not (line[0].isalnum() or line[0] == "_"):
                continue
            owner, *fields = line.split(None, 4)
            kind = next((field.upper() for field in fields[:3]
                         if not field.isdigit() and field.upper() != "IN"), "")
            if delegations and kind == "NS":
                found.add((owner, kind))
            elif not delegations and kind in ADDRESS_TYPES:
                found.add((owner, kind))

    def whole(owner):
        return owner if owner.endswith(".") else f"{owner}.{apex}".replace("..", ".")

    if delegations:
        return sorted((f"www.{whole(owner)}", "A") for owner, _ in found)
    return sorted((whole(owner), "A" if kind == "CNAME" else kind) for owner, kind in found)


def zipf_ranks(size, cnt, rng, exponent=ZIPF_EXPONENT):
    """`cnt` numbers from 0 to size - 1, the n-th with a probability in proportion to 1/(n + 1)^exponent."""
    weights = list(itertools.accumulate((n + 1) ** -exponent for n in range(size)))
    return rng.choices(range(size), cum_weights=weights, k=cnt)


def draw(mix, names, apexes, cnt=DRAWN_CNT, seed=1):
    """A list of (name, type). The same seed gives the same list."""
    rng = random.Random(f"{mix}-{seed}")
    if mix == "flood":
        letters = string.ascii_lowercase + string.digits
        return [("".join(rng.choices(letters, k=FLOOD_LABEL_SZ)) + "." + apex.lstrip("."), "A")
                for apex in rng.choices(apexes, k=cnt)]
    pool = rng.sample(names, len(names))  # else the first of the alphabet would be the hot ones
    if mix == "hot":
        return pool[:HOT_CNT]
    if mix == "uniform":
        return pool[:cnt]
    if mix == "zipf":
        return [pool[rank] for rank in zipf_ranks(len(pool), cnt, rng)]
    raise ValueError(mix)


def write(path, queries, dnssec_ok=False):
    """As kxdpgun and dnsperf read them; `dnssec_ok` is for kxdpgun alone."""
    end = " D\n" if dnssec_ok else "\n"
    path.write_text("".join(f"{name} {kind}{end}" for name, kind in queries))
