# SPDX-License-Identifier: Apache-2.0
"""Compare Stele's replies with those of Knot and NSD, and account for every difference by name."""
import collections
import functools
from typing import NamedTuple

import dnswire

READABLE = 12     # differences shown in full; more do not help a reader


class Case(NamedTuple):
    """One query and its three replies, parsed; what the predicates of choices.py look at."""
    ask: object
    facts: object
    stele: object
    knot: object
    nsd: object


class Facts(NamedTuple):
    """What the predicates may know of a zone."""
    parent: bool      # a zone above it is served too
    hashes: frozenset  # owners of NSEC3 records
    owners: frozenset  # owners of anything
    cuts: frozenset = frozenset()    # owners of NS below the apex


PARTS = ("flags", "opcode", "rcode", "question", "answer", "authority", "additional", "opt")


def same(one, other):
    """Replies are equal; of truncated ones only the head and the question count."""
    if one is None or other is None:
        return one is other
    if one.flags != other.flags or one.rcode != other.rcode or one.opcode != other.opcode:
        return False
    if one.flags & dnswire.TC:
        return one.question == other.question and one.opt == other.opt
    return one[3:8] == other[3:8]


def differing(one, other):
    """The names of the parts in which two replies differ."""
    if one is None or other is None:
        return ("silence",)
    return tuple(part for part in PARTS if getattr(one, part) != getattr(other, part))


@functools.lru_cache(maxsize=4096)
def _parse_body(body, strict):
    return dnswire.parse(b"\0\0" + body, strict)


def parse(msg, strict=False):
    return None if msg is None else _parse_body(msg[2:], strict)


def facts_at(facts, qname):
    """The facts of the deepest zone that the name is in."""
    labels = dnswire.labels_of(qname)
    for i in range(len(labels) + 1):
        found = facts.get(dnswire.from_labels(labels[i:]))
        if found:
            return found
    return Facts(False, frozenset(), frozenset())


class Report:
    """Counts over one comparison, and the failures as text."""

    def __init__(self):
        self.compared = 0
        self.peers_differ = collections.Counter()   # (name of the choice or "unnamed ...", who Stele equals)
        self.failures = []
        self.failed = 0
        self.examples = {}

    def add(self, other):
        self.compared += other.compared
        self.peers_differ += other.peers_differ
        self.failed += other.failed
        self.failures += other.failures
        for name, example in other.examples.items():
            self.examples.setdefault(name, example)

    def fail(self, text):
        self.failed += 1
        if len(self.failures) < READABLE:
            self.failures.append(text)

    def summary(self):
        lines = ["%d queries compared, %d where the peers differ, %d failures" % (
            self.compared, sum(self.peers_differ.values()), self.failed)]
        lines += ["  %7d  %s: Stele as %s" % (count, name, who)
                  for (name, who), count in sorted(self.peers_differ.items())]
        return "\n".join(lines)


def describe(ask, raw):
    """Query and replies for a person."""
    labels = "zone %s, query %s %s, EDNS %s, message %s" % (
        ask.zone, dnswire.name_to_text(ask.qname), dnswire.TYPE_NAMES.get(ask.qtype, ask.qtype), ask.edns,
        ask.message.hex())
    texts = ["--- %s\n%s" % (who, dnswire.show(msg)) for who, msg in raw]
    return "\n".join([labels] + texts)


def judge(case, raw, choices, report):
    """Apply the rule to one case: equal to both, to one of them, or covered by a named choice."""
    report.compared += 1
    if same(case.knot, case.nsd):
        if not same(case.stele, case.knot):
            for choice in choices:
                if choice.both and choice.matches(case):
                    report.peers_differ[choice.name, "neither"] += 1
                    return
            report.fail("Stele differs from both peers in %s\n%s" % (
                ", ".join(differing(case.stele, case.knot)), describe(case.ask, raw)))
        return
    as_knot, as_nsd = same(case.stele, case.knot), same(case.stele, case.nsd)
    who = "Knot" if as_knot else "NSD" if as_nsd else "neither"
    silent, demanded = case.knot is None or case.nsd is None, None
    for choice in [] if silent else choices:
        if choice.matches(case):
            if choice.stele in ("Knot", "NSD"):
                demanded = demanded or choice
            if choice.stele == ("own" if who == "neither" else who) or (
                    choice.stele == "either" and who != "neither"):
                report.peers_differ[choice.name, who] += 1
                report.examples.setdefault((choice.name, who), (case.ask, raw))
                return
    if demanded:
        report.fail("choice %s: Stele must answer as %s, and answers as %s\n%s" % (
            demanded.name, demanded.stele, who, describe(case.ask, raw)))
        return
    report.fail("the peers differ in %s, which no choice names, and Stele equals %s\n%s" % (
        ", ".join(differing(case.knot, case.nsd)), who, describe(case.ask, raw)))


def compare(stele, knot, nsd, asks, facts, choices, tcp=False):
    """Put the queries to all three (objects with ask(messages, tcp=)) and return the Report."""
    report = Report()
    messages = [ask.message for ask in asks]
    replies = [server.ask(messages, tcp=tcp) for server in (stele, knot, nsd)]
    for ask, *raw in zip(asks, *replies):
        named = list(zip(("Stele", "Knot", "NSD"), raw))
        try:
            mine = parse(raw[0], strict=True)
        except dnswire.WireError as error:
            report.compared += 1
            report.fail("Stele's reply is malformed: %s\n%s" % (error, describe(ask, named)))
            continue
        if raw[0] is not None and raw[0][:2] != ask.message[:2]:
            report.fail("Stele's reply has another id\n%s" % describe(ask, named))
            continue
        if mine and not tcp and mine.size > (1232 if ask.edns else 512):
            report.fail("Stele's reply is larger than allowed\n%s" % describe(ask, named))
            continue
        judge(Case(ask, facts_at(facts, ask.qname), mine, parse(raw[1]), parse(raw[2])), named, choices, report)
    return report
