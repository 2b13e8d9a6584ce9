# SPDX-License-Identifier: Apache-2.0
"""Where Knot DNS and NSD differ from one another, what the RFC says, and whom Stele follows.

Seen with Knot 3.2.6 and NSD 4.6.1. A difference between the peers that no entry names is a failure, whomever
Stele equals; so is a reply that equals neither, unless an entry with stele="own" covers it. An entry with one
server's name is a demand, not a permission.
"""
from typing import Callable, NamedTuple

import dnswire

A, AAAA, CNAME, NS, SOA, RRSIG, NSEC, NSEC3, DS, DNAME, SVCB, HTTPS = 1, 28, 5, 2, 6, 46, 47, 50, 43, 39, 64, 65


class Choice(NamedTuple):
    name: str
    rfc: str
    text: str
    stele: str                # Knot, NSD, either (equal to one of them), own (equal to none)
    matches: Callable
    both: bool = False        # also where the peers agree


def equal(case, *parts):
    return all(getattr(case.knot, part) == getattr(case.nsd, part) for part in parts)


def types(section):
    return {rr[1] for rr in section}


def chain(case):
    """The name asked for, and where CNAMEs lead."""
    return [case.ask.qname] + [rr[4] for rr in case.nsd.answer + case.knot.answer if rr[1] == CNAME]


def below_hash(case):
    """One of these names is the owner of an NSEC3 record, or below one."""
    return any(dnswire.from_labels(labels[i:]) in case.facts.hashes
               for labels in map(dnswire.labels_of, chain(case)) for i in range(len(labels)))


def nul_near(case):
    """A NUL byte in the name asked for, or in the owner of a denial record."""
    owners = [rr[0] for rr in case.knot.authority + case.nsd.authority]
    return any(b"\0" in label for name in [case.ask.qname] + owners for label in dnswire.labels_of(name))


def truncated(case):
    return (case.knot.flags ^ case.nsd.flags) & dnswire.TC


def follows_out(case):
    """A chain that ends below a cut: NSD knows the child zone too and gives no referral from the parent."""
    return (equal(case, "rcode", "answer") and types(case.knot.answer) & {CNAME, DNAME}
            and NS in types(case.knot.authority) and not types(case.nsd.authority) & {NS, SOA})


def proof_differs(case, more, fewer):
    """Heads and answers agree; one of the two sends denial records that the other leaves out."""
    extra = set(more.authority) - set(fewer.authority)
    return (equal(case, "rcode", "answer") and extra and set(fewer.authority) < set(more.authority)
            and all(rr[1] in (NSEC, NSEC3, RRSIG) for rr in extra))


def chain_cut(case):
    """A long or looping chain: one peer's answer goes further than the other's."""
    knot, nsd = set(case.knot.answer), set(case.nsd.answer)
    return (case.knot.answer != case.nsd.answer and (knot <= nsd or nsd <= knot)
            and CNAME in types(knot & nsd))


def chain_own(case):
    """Stele stops elsewhere than both: it has what both have, and beyond what they have only links."""
    knot, nsd, own = set(case.knot.answer), set(case.nsd.answer), set(case.stele.answer)
    return (chain_cut(case) and (knot & nsd) <= own and case.stele.rcode == case.nsd.rcode
            and types(own - knot - nsd) <= {CNAME, DNAME, RRSIG})


def has_no_room(case, rrset, limit):
    """An RRset of addresses, with a signature as long as the others in the reply, is too much for what Stele sent."""
    signature = max((12 + len(rr[4]) for rr in case.stele.authority if rr[1] == RRSIG), default=0)
    return case.stele.size + sum(12 + len(rr[4]) for rr in rrset) + signature > limit


def glue_cut(case):
    """A referral about as large as a reply may be: all sends agree but for which addresses found room."""
    union = set(case.knot.additional) | set(case.nsd.additional)
    limit = 1232 if case.ask.edns else 512
    cut = {rr[0] for rr in case.stele.authority if rr[1] == NS}
    servers = {rr[4] for rr in case.stele.authority if rr[1] == NS}
    required = {rr for rr in union if any(dnswire.is_below(rr[0], owner) for owner in cut)}
    left_out = {}
    for rr in union - set(case.stele.additional):
        left_out.setdefault(rr[:2], []).append(rr)
    return (case.stele.answer == case.knot.answer and case.stele.authority == case.knot.authority
            and case.stele.rcode == case.knot.rcode and cut
            and all(rr[0] in servers and rr[1] in (A, AAAA) for rr in case.stele.additional)
            and (max(case.knot.size, case.nsd.size) > limit - 60
                 or left_out and all(has_no_room(case, left_out[key], limit) for key in left_out))
            and (required <= set(case.stele.additional) or case.stele.flags & dnswire.TC))


def nsec_behind_a_dname(case):
    """A chain by way of a DNAME ends at a name that does not exist; all is equal but NSEC records."""
    return (equal(case, "flags", "rcode", "answer") and {DNAME, CNAME} <= types(case.knot.answer)
            and types(set(case.knot.authority) ^ set(case.nsd.authority)) == {NSEC, RRSIG})


def asterisk_name(case, exists):
    """A name that begins with an asterisk, asked for or a CNAME's target, that has records or has none."""
    return any(name[:2] == b"\1*" and (name in case.facts.owners) == exists for name in chain(case))


def like_knot_and_more(case):
    """Stele has all of Knot's reply and more denial records, or so much that it had to set TC."""
    own, knot = case.stele, case.knot
    if own.rcode != knot.rcode or own.answer != knot.answer:
        return False
    if own.flags & dnswire.TC:
        return own.flags == knot.flags | dnswire.TC and knot.size > 600
    extra = set(own.authority) - set(knot.authority)
    return set(knot.authority) < set(own.authority) and types(extra) <= {NSEC3, NSEC, RRSIG}


def is_denial(case):
    """A complete denial by NSEC3, closest encloser and next closer name at least, or TC."""
    proofs = [rr for rr in case.stele.authority if rr[1] == NSEC3]
    return case.stele.flags & dnswire.TC or SOA in types(case.stele.authority) and len(proofs) >= 2


def wildcard_without_data(case):
    """Some wildcard that could match a name of the chain has no records, and names below it have."""
    owners = case.facts.owners
    for name in [case.ask.qname] + [rr[4] for rr in case.stele.answer if rr[1] == CNAME]:
        labels = dnswire.labels_of(name)
        for i in range(1, len(labels)):
            wildcard = b"\1*" + dnswire.from_labels(labels[i:])
            if wildcard not in owners and any(x.endswith(wildcard) for x in owners):
                return True
    return False


def is_nsec_superset(case):
    """Stele sends NSEC records that one peer leaves out, and leaves out none that either sends."""
    own, knot = set(case.stele.authority), set(case.knot.authority)
    return own > knot and types(own - knot) <= {NSEC, RRSIG} and (
        case.nsd.answer != case.knot.answer or case.nsd.rcode != case.knot.rcode
        or own > set(case.nsd.authority))


def synthesised_only(case):
    """All agree but for additional addresses of names that exist only by a wildcard."""
    own = set(case.stele.additional)
    return (case.stele[:6] == case.knot[:6] and own < set(case.knot.additional)
            and all(rr[0] not in case.facts.owners for rr in set(case.knot.additional) - own))


def services(case):
    """All agree but for what SVCB and HTTPS bring along: the addresses of an owner that is meant by the root, and targets
    that a wildcard makes, of Stele; of Knot the wildcard instead, proofs of what targets lack, the answer again, and
    services that are another zone's."""
    own, knot, known = set(case.stele.additional), set(case.knot.additional), case.facts.owners
    found = [rr for rr in case.stele.answer if rr[1] in (SVCB, HTTPS)]
    owners = {rr[0] for rr in found if rr[4][:2] != b"\0\0" and rr[4][2] == 0}

    def is_occluded(rr):
        return rr[1] in (SVCB, HTTPS) and any(dnswire.is_below(rr[0], cut) for cut in case.facts.cuts)

    def is_proof(rr):
        return (int.from_bytes(rr[4][:2], "big") if rr[1] == RRSIG else rr[1]) in (NSEC, NSEC3)

    return (found and case.stele[:6] == case.knot[:6]
            and all(rr[0] in owners and rr[1] in (A, AAAA, RRSIG) or rr[0] not in known for rr in own - knot)
            and all(rr[0] not in known or rr[0][:2] == b"\1*" or is_proof(rr) or is_occluded(rr) or rr in case.stele.answer
                    for rr in knot - own))


def additional_cut(case):
    """Addresses were left out because the reply is full; Knot leaves out their signatures first."""
    own, knot = set(case.stele.additional), set(case.knot.additional)
    left_out = {}
    for rr in knot - own:
        if rr[1] != RRSIG:
            left_out.setdefault(rr[:2], []).append(rr)
    limit = 1232 if case.ask.edns else 512
    return (case.stele[:6] == case.knot[:6] and {rr for rr in own if rr[1] != RRSIG} <= knot
            and (max(case.knot.size, case.stele.size) > 1000
                 or left_out and all(has_no_room(case, rrset, limit) for rrset in left_out.values())))


def fits_only_in_stele(case):
    """Stele answers as Knot does, and Knot had to cut its reply."""
    return (case.knot.flags & dnswire.TC and case.stele.rcode == case.knot.rcode
            and set(case.stele.answer) >= set(case.knot.answer)
            and set(case.stele.authority) >= set(case.knot.authority))


def follows_cname(case):
    """RRSIG, NSEC, NSEC3 at a CNAME: Stele follows it as one of the peers does, and ends as it ends chains."""
    if case.ask.qtype not in (RRSIG, NSEC, NSEC3):
        return False
    follower = max(case.knot, case.nsd, key=lambda reply: len(reply.answer))
    other = min(case.knot, case.nsd, key=lambda reply: len(reply.answer))
    own, his = set(case.stele.answer), set(follower.answer)
    if (below_hash(case) or case.facts.parent) and CNAME not in types(his):
        # Knot answers from the node; NSD, by another entry, takes the wildcard's name for one that exists
        return case.stele.rcode in (0, 3) and (case.ask.qname, CNAME) in {rr[:2] for rr in own}
    return (CNAME in types(his) and not other.answer and (his <= own or own <= his)
            and types(own ^ his) <= {CNAME, DNAME, RRSIG, case.ask.qtype})


CHOICES = [
    Choice("asterisk-name-where-nsd-is-wrong-too", "RFC 4592 2.2, RFC 5155 7.2.5",
           "Knot leaves out records for a name that begins with an asterisk (see below), and NSD errs about the "
           "same query by another entry: Stele sends what Knot sends and the missing records, or TC when they "
           "do not fit.",
           "own", lambda c: asterisk_name(c, False) and like_knot_and_more(c), True),
    Choice("nsec3-owner-names-and-truncation", "RFC 5155 7.2.8, RFC 2181 9",
           "As nsec3-owner-names, and the reply that is right fits in Stele's compression but not in Knot's, or addresses "
           "do not fit with their signatures.",
           "own", lambda c: below_hash(c) and (fits_only_in_stele(c) or additional_cut(c))),
    Choice("nsec3-owner-names", "RFC 5155 7.2.8",
           "The owner of an NSEC3 record is not a name of the zone: a query for it, or below it, is answered "
           "as if it did not exist, so a wildcard applies. NSD takes it for an existing name.",
           "Knot", lambda c: below_hash(c)),
    Choice("occluded-names-of-the-parent", "RFC 1034 4.2",
           "Zones are separate. NSD holds the names of all zones in one tree, so names that the parent zone "
           "has below the cut (occluded there) exist in the child zone too, block its wildcards and turn "
           "NXDOMAIN into NODATA.",
           "Knot", lambda c: c.facts.parent and not equal(c, "rcode", "answer", "authority")),
    Choice("wildcard-that-is-an-empty-non-terminal", "RFC 4592 2.2.2, RFC 4035 3.1.3.4",
           "The wildcard that would be expanded exists only as an empty non-terminal, so the reply is NODATA. Two "
           "NSEC records prove it: one covers the name, one shows that something is below the wildcard. Knot "
           "and NSD send one of the two.",
           "own", lambda c: wildcard_without_data(c) and c.stele.answer == c.knot.answer
           and c.stele.rcode == c.knot.rcode == 0 and is_nsec_superset(c), True),
    Choice("nsec-query-at-wildcard", "RFC 4035 3.1.3.3",
           "The NSEC record of a wildcard, asked for by a name that the wildcard matches: in the answer under "
           "that name, and once more under its own in the authority section, where it proves that the name does "
           "not exist. Knot sends it in the answer alone.",
           "own", lambda c: c.ask.qtype == NSEC and NSEC in types(c.stele.answer)
           and c.stele.answer == c.knot.answer and c.stele.rcode == c.knot.rcode and is_nsec_superset(c)),
    Choice("nsec-behind-a-dname", "RFC 4035 3.1.3.3, 3.1.3.4",
           "A chain by way of a DNAME ends at a name that a wildcard stands for: an NSEC record proves that this "
           "name does not exist. NSD sends one that does not cover it.",
           "Knot", nsec_behind_a_dname),
    Choice("ds-behind-a-cname", "RFC 2308 2.2, RFC 4035 3.1.3.1",
           "A query for DS follows a CNAME to a name without DS: the reply says so as for any type. NSD leaves out SOA "
           "and proof.",
           "Knot", lambda c: c.ask.qtype == DS and equal(c, "flags", "rcode", "answer")
           and CNAME in types(c.knot.answer) and SOA in types(c.knot.authority) and not c.nsd.authority),
    Choice("nul-in-label", "RFC 4034 6.1",
           "Canonical order compares labels as byte strings; a label that continues another with a NUL byte "
           "sorts behind all names below the shorter one. Knot takes the wrong NSEC for such a query; NSD takes "
           "a wrong one to deny the wildcard when such names are near.",
           "either", lambda c: nul_near(c) and equal(c, "rcode", "answer") and NSEC in types(c.nsd.authority)),
    Choice("nul-in-label-own", "RFC 4034 6.1",
           "As above: where each peer is wrong about one of the two records, Stele takes the right one of each; "
           "where one record denies both names, Stele sends no other.",
           "own", lambda c: nul_near(c) and NSEC in types(c.knot.authority) and c.stele.answer == c.knot.answer
           and c.stele.rcode == c.knot.rcode and (
               c.ask.qtype == RRSIG or set(c.stele.authority) <= set(c.nsd.authority) | set(c.knot.authority)),
           True),
    Choice("empty-non-terminal-of-opt-out", "RFC 5155 7.2.1, erratum 3441",
           "An empty non-terminal with nothing but insecure delegations below has no NSEC3 record under opt-out. "
           "The closest encloser to prove is then the closest provable one. Knot sends an empty NXDOMAIN "
           "without AA in some of these cases.",
           "either", lambda c: c.facts.hashes and equal(c, "rcode", "answer") and not equal(c, "authority")
           and NSEC3 in types(c.nsd.authority) and not truncated(c) and not proof_differs(c, c.knot, c.nsd)
           and not proof_differs(c, c.nsd, c.knot)),
    Choice("empty-non-terminal-of-opt-out-own", "RFC 5155 7.2.1, erratum 3441",
           "As above: Stele proves the closest provable encloser, with the rcode of NSD, or sets TC when the "
           "proof does not fit.",
           "own", lambda c: c.facts.hashes and equal(c, "rcode", "answer") and not equal(c, "authority")
           and c.stele.rcode == c.nsd.rcode and c.stele.answer == c.nsd.answer and NSEC3 in types(c.nsd.authority)
           and is_denial(c)),
    Choice("wildcard-that-is-an-opt-out-non-terminal", "RFC 5155 7.2.4, 7.2.5",
           "The wildcard that would be expanded is an empty non-terminal without an NSEC3 record of its own, as "
           "opt-out allows. Stele sends, beside what the peers send, the record that covers it, or TC when that "
           "does not fit.",
           "own", lambda c: c.facts.hashes and wildcard_without_data(c) and not c.stele.answer
           and c.stele.rcode == c.knot.rcode and like_knot_and_more(c), True),
    Choice("additional-addresses", "RFC 1034 3.7, RFC 1035 3.3.9, RFC 2782, RFC 9460 4.1",
           "Addresses of MX, SRV, NS, SVCB and HTTPS targets may ride along in positive replies. Knot sends them, NSD "
           "with minimal-responses does not.",
           "either", lambda c: equal(c, "flags", "rcode", "answer", "authority")
           and types(c.knot.answer) | types(c.knot.authority)),
    Choice("denial-types-at-cname", "RFC 4035 2.5, RFC 1034 4.3.2",
           "RRSIG, NSEC and NSEC3 queries at a CNAME: Knot answers NSEC and RRSIG from the node itself and "
           "follows the CNAME for NSEC3; NSD follows it for NSEC and RRSIG and not for NSEC3.",
           "either", lambda c: c.ask.qtype in (RRSIG, NSEC, NSEC3) and not equal(c, "answer")
           and CNAME in types(c.knot.answer) ^ types(c.nsd.answer)),
    Choice("denial-types-at-cname-own", "RFC 4035 2.5, RFC 1034 4.3.2",
           "As above; Stele follows the CNAME, and the chain then ends in the way of parent-of-child-on-node or "
           "chain-length.",
           "own", follows_cname, True),
    Choice("addresses-by-wildcard", "RFC 1034 4.3.2 step 6, RFC 9471 2",
           "Peers synthesise additional addresses and glue from more wildcards than would answer a query for the "
           "host. Stele takes the one at the host's closest encloser, below a cut or not.",
           "own", synthesised_only, True),
    Choice("services", "RFC 9460 2.5.2, 4.1",
           "Where the target of a service is the root, its owner is meant, and Stele sends the owner's addresses, but not "
           "where a wildcard makes the owner; the peers send none. Of a target that a wildcard makes, Stele sends the "
           "records, Knot those of the wildcard's own name. Knot sends proofs of what targets lack, services at or below a "
           "cut, and the answer again where it is its own target.",
           "own", services, True),
    Choice("additional-that-fits", "RFC 2181 9, RFC 4035 3.1.1",
           "An additional address is sent with its signature or not at all.",
           "own", additional_cut),
    Choice("chain-length", "RFC 1034 3.6.2, RFC 6672 3.2",
           "How far a chain inside the zone is followed, and when a loop is left, is the server's matter. Knot "
           "stops after 5 links and repeats records in a loop of DNAMEs; NSD follows further and drops "
           "repetitions.",
           "either", chain_cut),
    Choice("chain-length-own", "RFC 1034 3.6.2, RFC 6672 3.2",
           "As above, with Stele's own limit.",
           "own", chain_own),
    Choice("rrsig-query", "RFC 8482 7",
           "A query for RRSIG is as good as ANY: Knot gives the signatures of one RRset, NSD all of them.",
           "either", lambda c: c.ask.qtype == RRSIG and equal(c, "rcode")),
    Choice("parent-of-child-on-node", "RFC 1034 4.3.2",
           "A CNAME or DNAME chain leaves the zone below a cut whose child is served here too. Knot ends with "
           "the referral of the zone it started in, NSD (confine-to-zone) with nothing.",
           "either", follows_out),
    Choice("truncation", "RFC 2181 9, RFC 9471",
           "What fits differs with name compression, with what is thought dispensable, and with the order of "
           "glue; where one peer sets TC the other may not.",
           "either", lambda c: bool(truncated(c)) and equal(c, "rcode")),
    Choice("truncation-of-a-chain", "RFC 2181 9",
           "Both peers must cut a chain, and give the rcode of what is left of it, or of its end.",
           "either", lambda c: c.knot.flags & c.nsd.flags & dnswire.TC and DNAME in types(c.knot.answer)
           and equal(c, "answer")),
    Choice("reply-that-fits", "RFC 2181 9",
           "Both peers must cut a reply that, with Stele's compression, fits whole.",
           "own", lambda c: fits_only_in_stele(c) and c.nsd.flags & dnswire.TC and not c.stele.flags & dnswire.TC,
           True),
    Choice("reply-that-does-not-fit", "RFC 2181 9, RFC 1035 4.1.4",
           "Stele's bodies are compressed in advance and cannot point into a name that only the query holds; a "
           "reply within 60 bytes of the limit may then need TC where the peers' need not.",
           "own", lambda c: not (c.knot.flags | c.nsd.flags) & dnswire.TC and c.stele.flags & dnswire.TC
           and c.stele.rcode == c.knot.rcode
           and max(c.knot.size, c.nsd.size) > (1232 if c.ask.edns else 512) - 60, True),
    Choice("glue-that-fits", "RFC 9471 3.1, 3.2",
           "In-domain glue must be in a referral, else TC; sibling glue is sent while it fits. Which of it fits "
           "depends on compression and order. Stele leaves out no in-domain glue without TC.",
           "own", glue_cut, True),
    Choice("proof-longer-in-knot", "RFC 5155 7.2.5, 7.2.6",
           "Wildcard NODATA: NSD leaves out the proof of the next closer name for DS queries.",
           "either", lambda c: proof_differs(c, c.knot, c.nsd)),
    Choice("asterisk-name-that-does-not-exist", "RFC 4592 2.2, RFC 5155 7.2.5",
           "Synthesis for a name that begins with an asterisk but does not exist, asked for or reached by a "
           "chain: Knot leaves out the closest encloser and the next closer name, and unbound takes that for "
           "bogus.",
           "NSD", lambda c: proof_differs(c, c.nsd, c.knot) and asterisk_name(c, False)),
    Choice("asterisk-name-that-exists", "RFC 5155 7.2.3",
           "A query for an asterisk name that exists is ordinary NODATA; NSD adds the closest encloser, which "
           "does no harm.",
           "either", lambda c: proof_differs(c, c.nsd, c.knot) and asterisk_name(c, True)),
    Choice("proof-longer-in-nsd", "RFC 5155 7.2.3, 7.2.5",
           "Any other denial in which NSD sends more.",
           "either", lambda c: proof_differs(c, c.nsd, c.knot)),
]
