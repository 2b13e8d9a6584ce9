# SPDX-License-Identifier: Apache-2.0
"""The targets, each with the raw numbers that it is about, and what became of it in one folder of results."""
import dataclasses
import json
import math
import pathlib
import statistics

from measuring import engines, noise, rates, reasons, rivals, tables
from measuring.stats import MISSED, NONE, REACHED, percentile, ratios, spread, verdict_text

GROWN_NAMES = 50_000_000    # up to which the cost of a query is to grow by no more than that


class Missing(Exception):
    """There are no numbers for it."""


class Results:
    """A folder of results: tables by their names, read once."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._tables = {}
        path = self.folder / "run.json"
        self.about = json.loads(path.read_text()) if path.exists() else {}

    @property
    def quick(self):
        return self.about.get("size") == "quick"

    def has(self, name):
        return (self.folder / f"{name}.csv").exists()

    def rows(self, name, **wanted):
        """Rows with these values. Missing if there are none."""
        if name not in self._tables:
            if not self.has(name):
                raise Missing(name)
            self._tables[name] = tables.read(self.folder / f"{name}.csv")
        rows = tables.pick(self._tables[name], **wanted)
        if not rows:
            raise Missing(f"{name}: {wanted}")
        return rows

    def values(self, name, column, **wanted):
        return [row[column] for row in self.rows(name, **wanted)]

    def fault(self, case):
        """Why no verdict may be given on anything of this case, or an empty string."""
        if self.quick:
            return "quick run"
        return noise.fault(self.rows("noise"), case) if self.has("noise") else ""


def best_rows(rows):
    """Of several rates in a round the row with the most replies."""
    by_round = {}
    for row in rows:
        if row["round"] not in by_round or row["replied"] > by_round[row["round"]]["replied"]:
            by_round[row["round"]] = row
    return list(by_round.values())


def best_of_rounds(rows):
    """Of several rates in a round the most replies: one value a round."""
    return [row["replied"] for row in best_rows(rows)]


def all_answered(rows):
    """Whether a server kept up with the generator in half of the rounds: then its rate is what it was asked."""
    best = best_rows(rows)
    return 2 * sum(map(rates.kept_up, best)) >= len(best)


@dataclasses.dataclass(frozen=True)
class Measured:
    """
    A value, the spreads of what it is made of, and what the rounds would give that suit it least. `beside`: it is
    beside what another took, whom a busy machine may have slowed more. `short`: why it is less than what is asked for;
    it may be missed then, but not reached.
    """
    value: float
    spreads: tuple = ()
    low: float = -math.inf
    high: float = math.inf
    beside: bool = False
    short: str = ""


# --- formulas: Results to Measured ---

def exact(value):
    return Measured(value, (), value, value)


def several(values):
    return Measured(statistics.median(values), (spread(values),), min(values), max(values))


def ratio(ours, theirs, beside=True):
    """Of the rounds. At worst, the best one of theirs stands beside the worst one of ours."""
    rounds = ratios(ours, theirs)
    return Measured(statistics.median(rounds), (spread(rounds),), min(ours) / max(theirs), max(ours) / min(theirs),
                    beside)


def of_names(names, wanted):
    """Why what was measured of so many names says too little."""
    return "" if names >= wanted else f"{names:,} names, not {wanted:,}"


def engine(case, names):
    """Nanoseconds in the largest image that has at most so many names."""
    def measure(results):
        size = max((row["names"] for row in results.rows("growth", case=case) if row["names"] <= names),
                   default=None)
        found = several([engines.at_reference(row) for row in results.rows("growth", case=case, names=size)])
        return dataclasses.replace(found, short=of_names(size, names))
    return measure


def grows(results):
    """How much dearer a random query is in the largest image than in the smallest, where it is most."""
    cases = []
    for case in dict.fromkeys(results.values("growth", "case")):
        if not case.startswith("random ") or case in engines.LIMITS:
            continue
        cases.append(ratio(*engines.ends(results.rows("growth", case=case))))
    most = max(each.value for each in cases)
    # What cannot be the one that grows most may vary.
    largest = max(results.values("growth", "names"))
    return Measured(most, sum((each.spreads for each in cases if each.high >= most), ()),
                    high=max(each.high for each in cases), beside=True,
                    short=f"to {of_names(largest, GROWN_NAMES)}" if largest < GROWN_NAMES else "")


def rings(case):
    """In two threads. What one thread does that has the generator's turns too, the worker alone does for certain."""
    def measure(results):
        two, one = ([value / 1e6 for value in results.values("rings", "qps", part=part, case=case, server="stele")]
                    for part in ("two threads", "one thread"))
        return dataclasses.replace(several(two), low=max(min(two), min(one)))
    return measure


LIMITS_CASE = "hot positive cookie"


def limits_cost(results):
    off, on = (results.values("rings", "qps", part="two threads", case=LIMITS_CASE, server=server)
               for server in ("stele", "stele with limits"))
    rate = ratio(on, off)
    # Few percent of the rate are many of what it costs.
    return Measured(1 - rate.value, (spread([1 - each for each in ratios(on, off)]),), 1 - rate.high, 1 - rate.low,
                    beside=True)


def swap_faults(results):
    return exact(sum(row["lost"] + row["wrong"] for row in results.rows("rings", swapping="yes")))


def swaps_slow(results):
    """How much longer the slowest thousandth of the replies takes, where it is most."""
    cases = [ratio(*(results.values("rings", "p999_us", part="swaps", case=case, swapping=swapping)
                     for swapping in ("yes", "no")))
             for case in dict.fromkeys(results.values("rings", "case", swapping="yes"))]
    return max(cases, key=lambda each: each.value)


def memif(case):
    def measure(results):
        return ratio(*(results.values("memif", "qps", case=case, server=server)
                       for server in ("stele", "5tswap")))
    return measure


def veth(other, mix="uniform"):
    def measure(results):
        ours, theirs = (results.rows("veth-hosts", server=server, mix=mix) for server in ("stele", other))
        found = ratio(best_of_rounds(ours), best_of_rounds(theirs))
        # 5tswap is there to tell what cable and generator let through.
        if other != "5tswap" and all_answered(theirs):
            return dataclasses.replace(found, short=f"{rivals.TITLES[other]} answered all that it was asked")
        return found
    return measure


def process_memory(server):
    """Bytes of the process that serves a million delegations, huge pages included."""
    return lambda results: sum(results.rows("veth-tld-starts", server=server)[0][part] for part in ("resident", "huge"))


def process_memory_beside(other):
    return lambda results: exact(process_memory("stele")(results) / process_memory(other)(results))


def own_time(results):
    """The highest median of all kinds of changes, in milliseconds."""
    by_kind = {}
    for row in results.rows("update", measure="work_s"):
        by_kind.setdefault((row["zone"], row["change"]), []).append(row["value"] * 1000)
    return Measured(max(statistics.median(values) for values in by_kind.values()),
                    high=max(max(values) for values in by_kind.values()))


def served(part):
    """Milliseconds. Whatever else the machine did has only made them more."""
    return lambda results: exact(percentile(results.values("update-to-served", "both_ms", server="stele"), part))


def unanswered(results):
    """Queries that Stele did not answer while an UPDATE of it was waited for."""
    rows = results.rows("update-to-served", server="stele")
    if "unanswered" in rows[0]:
        return exact(sum(row["unanswered"] for row in rows))
    # Results of a time when they were not counted: each would have taken 0.2 s.
    if max(row["both_ms"] for row in rows) >= 200:
        raise Missing("unanswered")
    return exact(0)


def flood_lost(results):
    row, = results.rows("update-to-served-flood")
    return exact(2 * row["sent"] - row["stored"] - row["journal"])


def flood_behind(results):
    return exact(results.rows("update-to-served-flood")[0]["behind_most_ms"])


def load(measure):
    """Of the start with a million delegations."""
    return lambda results, what="stele": [
        row["value"] for row in results.rows("load-tld", what=what, measure=measure)]


def load_ratio(measure, other="knot", beside=True):
    return lambda results: ratio(load(measure)(results), load(measure)(results, other), beside)


def records_per_core(results):
    return several([results.rows("load-tld")[0]["records"] / seconds / 1e6 for seconds in load("cpu_s")(results)])


def image_bytes(results):
    return exact(load("served")(results)[0] / results.rows("load-tld")[0]["zone_names"])


def build_memory(results):
    return ratio(load("build_rss")(results), load("served")(results), beside=False)


def beside(name, key, column, other, **more):
    """Ours beside another server's, of the same column."""
    return lambda results: ratio(*(results.values(name, column, **{key: server}, **more)
                                   for server in ("stele", other)))


@dataclasses.dataclass(frozen=True)
class Target:
    case: str         # of cases.py, for its noise
    name: str
    against: str
    measure: object   # of Results: Measured
    limit: float
    at_most: bool
    unit: str = ""
    digits: int = 2
    why: object = None      # of Results and limit: a sentence, for the report if it is missed


AT_MOST, AT_LEAST = True, False
GHZ = f"ns at {engines.REFERENCE_GHZ} GHz"
TARGETS = [
    Target("growth", "engine, hot positive, 100 K names", "the loop without lookups",
           engine("hot positive", 100_000), 60, AT_MOST, GHZ, 1),
    Target("growth", "engine, random positive, 10 M names", "random reads of the same memory",
           engine("random positive", 10_000_000), 110, AT_MOST, GHZ, 1),
    Target("growth", "engine, NXDOMAIN with NSEC3 and DO, 10 M names", "the same",
           engine("random NXDOMAIN DO", 10_000_000), 200, AT_MOST, GHZ, 1),
    Target("growth", "growth of a random query, 1 K to 50 M names", "itself", grows, 2.5, AT_MOST,
           "times", why=reasons.growth),
    *(Target("rings", f"whole loop, rings, {case}", "5tswap on the same rings", rings(case), least, AT_LEAST,
             "Mq/s a core")
      for case, least in (("hot positive", 10), ("random positive", 6.5), ("random NXDOMAIN DO", 4))),
    Target("rings", "rate limits and cookies", "the same run without", limits_cost, 0.15, AT_MOST, "of the rate",
           why=reasons.limits(LIMITS_CASE)),
    Target("rings", "queries lost or wrong while images are swapped", "none", swap_faults, 0, AT_MOST, "", 0),
    Target("rings", "99.9th percentile while images are swapped", "the same run without", swaps_slow, 2, AT_MOST,
           "times"),
    *(Target("memif", f"whole loop, memif, {case}", "testpmd 5tswap", memif(case), 0.6, AT_LEAST, "of it",
             why=reasons.memif(case))
      for case in ("hot positive", "random positive", "random NXDOMAIN DO")),
    Target("veth-hosts", "real sockets, veth and AF_XDP", "testpmd 5tswap", veth("5tswap"), 0.95, AT_LEAST,
           "of it"),
    Target("veth-hosts", "real sockets, veth and AF_XDP", "Knot XDP", veth("knot-xdp"), 2.5, AT_LEAST, "times"),
    Target("update", "one change, own time, dearest kind", "itself", own_time, 50, AT_MOST, "ms", 1),
    Target("update-to-served", "UPDATE to served, median", "Knot, NSD", served(0.5), 50, AT_MOST, "ms", 1),
    Target("update-to-served", "UPDATE to served, 99th percentile", "Knot, NSD", served(0.99), 100, AT_MOST,
           "ms", 1),
    Target("update-to-served", "queries without an answer while UPDATEs are served", "none", unanswered, 0, AT_MOST,
           "", 0),
    Target("update-to-served", "200 UPDATEs a second: lost", "none", flood_lost, 0, AT_MOST, "", 0),
    Target("update-to-served", "200 UPDATEs a second: most behind", "itself", flood_behind, 1000, AT_MOST, "ms", 0),
    Target("axfr-in", "1 M delegations by AXFR until served", "Knot",
           beside("axfr-in", "secondary", "wall_s", "knot"), 1, AT_MOST, "times its time"),
    Target("axfr-out", "AXFR out", "Knot", beside("axfr-out", "server", "seconds", "knot"), 1, AT_MOST,
           "times its time"),
    Target("tcp", "TCP, pipelined", "Knot", beside("tcp", "server", "queries_a_second", "knot", case="tcp"), 1,
           AT_LEAST, "times"),
    Target("tcp", "TCP, one query at a time", "Knot",
           beside("tcp", "server", "queries_a_second", "knot", case="tcp-1"), 1, AT_LEAST, "times"),
    Target("tls", "TLS, pipelined", "NSD (Knot 3.2 has none)",
           beside("tls", "server", "queries_a_second", "nsd", case="tls"), 1, AT_LEAST, "times"),
    Target("load-tld", "zone file to answers, 1 M delegations", "Knot", load_ratio("wall_s"), 1, AT_MOST,
           "times its time"),
    Target("load-tld", "records compiled", "itself", records_per_core, 1, AT_LEAST, "M a second and core"),
    Target("load-tld", "image beside memory, 1 M delegations", "Knot", load_ratio("served", beside=False), 0.5, AT_MOST,
           "times its memory"),
    *(Target("veth-tld", "memory of the process that serves 1 M delegations", rivals.TITLES[other],
             process_memory_beside(other), 0.5, AT_MOST, "times its memory", why=reasons.memory)
      for other in ("knot", "nsd")),
    Target("load-tld", "image, 1 M delegations", "itself", image_bytes, 120, AT_MOST, "bytes a delegated name", 1),
    Target("load-tld", "peak memory of build", "the image", build_memory, 2, AT_MOST, "times"),
]


def reason(target, results):
    try:
        return target.why(results, target.limit) if target.why else "no number of this run tells."
    except Missing:
        return "what would tell was not measured."


def evaluate(results, targets=None):
    """One dictionary a target: its name, against, limit, measured and verdict, as text; `why` of what is missed."""
    rows = []
    for target in TARGETS if targets is None else targets:
        sign = "at most" if target.at_most else "at least"
        row = {"name": target.name, "against": target.against,
               "limit": f"{sign} {target.limit:g} {target.unit}".strip()}
        try:
            measured = target.measure(results)
        except Missing:
            rows.append({**row, "measured": "", "verdict": "not measured"})
            continue
        fault = results.fault(target.case)
        worst = measured.high if target.at_most else measured.low
        if results.quick or fault and measured.beside:
            worst = None
        verdict = verdict_text(measured.value, target.limit, target.at_most, measured.spreads, fault, worst)
        if verdict == REACHED and measured.short:
            verdict = f"{NONE} ({measured.short})"
        rows.append({**row, "measured": f"{measured.value:,.{target.digits}f}", "verdict": verdict,
                     **({"why": reason(target, results)} if verdict == MISSED else {})})
    return rows


def table(results, targets=None):
    """As lines of Markdown."""
    return ["| what | against | target | measured | |", "|---|---|---|--:|---|",
            *("| {name} | {against} | {limit} | {measured} | {verdict} |".format(**row)
              for row in evaluate(results, targets))]


def missed(results):
    """What is missed, and why, as lines of Markdown; none if nothing is."""
    lines = [f"- {row['name']}, beside {row['against']}: {row['why']}"
             for row in evaluate(results) if "why" in row]
    return ["Missed, and why (more in docs/architecture.md, Known limits):", "", *lines] if lines else []


BEGIN, END = "<!-- targets: begin -->", "<!-- targets: end -->"


def rewrite(readme, results, link):
    """Puts the table between the two marks of a document. ValueError if it has none."""
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{readme} has no section between '{BEGIN}' and '{END}'")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    lines = [BEGIN, f"Measured by `benchmarks/run` on {results.about.get('date', 'an unknown day')} "
             f"([the whole report]({link})); written by `benchmarks/run --targets`.", "", *table(results), END]
    readme.write_text(before + "\n".join(lines) + after)
