# SPDX-License-Identifier: Apache-2.0
"""One differential run: zones into Stele, Knot and NSD, questions to all three, a verdict."""
import contextlib

import choices
import compare
import dnswire
import peers
import questions
import stele

TOTAL = compare.Report()     # over a whole run of pytest; shown at its end


@contextlib.contextmanager
def servers(zones):
    with stele.Stele(zones) as mine, peers.Knot(zones) as knot, peers.Nsd(zones) as nsd:
        yield mine, knot, nsd


def finish(report):
    TOTAL.add(report)
    assert not report.failed, "\n\n".join([report.summary()] + report.failures)
    assert report.compared


def facts_of(zones):
    """{apex in wire form: Facts} for the predicates of choices.py."""
    names, known = [name for name, _ in zones], {}
    for name, path in zones:
        owners, _ = questions.read_zone(name, path)
        parent = any(name != other and name.lower().endswith("." + other.lower()) for other in names)
        apex = dnswire.name_to_wire(name.lower())
        known[apex] = compare.Facts(
            parent, frozenset(x for x in owners if 50 in owners[x]), frozenset(owners),
            frozenset(x for x in owners if 2 in owners[x] and x != apex))
    return known


def run(zones, limit=None, seed=0, tcp=False, qtypes=questions.QTYPES):
    """Compare over the zones with at most `limit` queries a zone; fails with readable differences."""
    asks = [ask for name, path in zones for ask in questions.questions(name, path, seed, limit, qtypes)]
    with servers(zones) as (mine, knot, nsd):
        finish(compare.compare(mine, knot, nsd, asks, facts_of(zones), choices.CHOICES, tcp))


def run_any(zones, limit):
    """ANY over UDP: compare the head with the peers, and a positive reply with what the zone holds."""
    report = compare.Report()
    asks = [ask for name, path in zones for ask in questions.questions(name, path, 0, limit, ["A"])]
    asks = [ask._replace(message=any_message(ask.message, ask.qname), qtype=255) for ask in asks]
    with servers(zones) as (mine, knot, nsd):
        messages = [ask.message for ask in asks]
        sets = mine.ask(messages), knot.ask(messages, tcp=True), nsd.ask(messages, tcp=True)
    for ask, *raw in zip(asks, *sets):
        report.compared += 1
        named = list(zip(("Stele", "Knot over TCP", "NSD over TCP"), raw))
        one, two = compare.parse(raw[1]), compare.parse(raw[2])
        try:
            own = compare.parse(raw[0], strict=True)
        except dnswire.WireError as error:
            report.fail("Stele's reply is malformed: %s\n%s" % (error, compare.describe(ask, named)))
            continue
        if any(compare.same(own, peer) for peer in (one, two)):
            continue
        if own is None or (own.flags & ~dnswire.TC, own.rcode) not in (
                (one.flags & ~dnswire.TC, one.rcode), (two.flags & ~dnswire.TC, two.rcode)):
            report.fail("the head of a reply to ANY differs\n" + compare.describe(ask, named))
        elif own.answer and not own.flags & dnswire.TC:
            known = set(one.answer) | set(two.answer)
            extra = [rr for rr in own.answer if rr not in known and rr[1] != dnswire.TYPES["HINFO"]]
            if extra:
                report.fail("a reply to ANY holds what the peers do not have\n" + compare.describe(ask, named))
        elif one.answer and two.answer and not own.flags & dnswire.TC:
            report.fail("a reply to ANY has no answer\n" + compare.describe(ask, named))
    finish(report)


def any_message(message, qname):
    """The message with type ANY in its question."""
    at = 12 + len(qname)
    return message[:at] + b"\0\xff" + message[at + 2:]
