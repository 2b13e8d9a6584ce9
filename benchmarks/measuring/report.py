# SPDX-License-Identifier: Apache-2.0
"""One report of a folder of results: what is in report.md comes from the CSV files beside it, and from run.json."""
import functools
import statistics

from measuring import cases, engines, plots, queries, rivals, targets, zones
from measuring.rates import KEPT_UP
from measuring.stats import SPREAD_MAX, percentile, spread

FILE = "report.md"
SECTIONS = []     # (case, function of a Results that gives lines of Markdown), in the order of the report


def section(case):
    """A section that is there when the first file of the case is."""
    def add(function):
        SECTIONS.append((case, function))
        return function
    return add


def sections_of(command, lines_of):
    """The same for each case of a command; `lines_of` also gets the name of the case."""
    for case in cases.CASES:
        if case.command == command:
            section(case.name)(functools.partial(lines_of, name=case.name))


def cell(values, form):
    """The median, with the spread where it is above the one up to which anything may be said."""
    if not values:
        return ""
    middle, width = form.format(statistics.median(values)), spread(values)
    if len(values) == 1 or min(values) <= 0:
        return middle
    return f"{middle} (±{width:.0%}!)" if width > SPREAD_MAX else f"{middle} (±{width:.0%})"


def pivot(head, columns, lines, form):
    """A table of {line: {column: values}}."""
    table = [f"| {head} | " + " | ".join(map(str, columns)) + " |", "|---|" + "--:|" * len(columns)]
    return table + [f"| {line} | " + " | ".join(cell(by.get(column, []), form) for column in columns) + " |"
                    for line, by in lines.items()]


def collect(rows, line, column, value):
    """{line: {column: [values]}}, each by a function of a row."""
    found = {}
    for row in rows:
        found.setdefault(line(row), {}).setdefault(column(row), []).append(value(row))
    return found


def picture(results, name, text):
    return ["", f"![{text}]({name}.svg)", ""], results.folder / f"{name}.svg"


# --- sections ---

@section("engine")
def engine(results):
    rows = results.rows("engine")
    kinds = list(dict.fromkeys(row["zones"] for row in rows))
    table = collect(rows, lambda row: row["case"], lambda row: row["zones"], engines.at_reference)
    shown = {kind: {case: by[kind] for case, by in table.items()
                    if kind in by and case.startswith("random") and case not in engines.LIMITS}
             for kind in kinds}
    lines, path = picture(results, "engine", "What an answer costs in each set of zones")
    plots.bars(path, "What an answer costs, random names", GHZ_TITLE,
               {zone_title(rows, kind): by for kind, by in shown.items()})
    return [f"bench_engine, batches of 32. {GHZ_TITLE}, of clear slices where at least "
            f"{engines.CLEAR_MIN_PERCENT} % are. {queries.HOT_NOTE}", *lines,
            *pivot("case", kinds, table, "{:.1f}")]


GHZ_TITLE = f"ns a query at {engines.REFERENCE_GHZ} GHz"


def zone_title(rows, kind):
    names = next(row["names"] for row in rows if row["zones"] == kind)
    return zones.KINDS[kind].title if kind == "root" else f"{names:,} {zones.KINDS[kind].title}"


@section("growth")
def growth(results):
    rows = results.rows("growth")
    sizes = sorted({row["names"] for row in rows})
    table = collect(rows, lambda row: row["case"], lambda row: row["names"], engines.at_reference)
    shown = [case for case in table if case in ("hot positive", "random positive", "random referral",
                                                "random NXDOMAIN DO", *engines.LIMITS)]
    lines, path = picture(results, "growth", "Nanoseconds a query over the number of names")
    plots.curve(path, "What a query costs as the image grows", "names in the image", GHZ_TITLE,
                {case: [(size, table[case][size]) for size in sizes if size in table[case]] for case in shown})
    bytes_a_name = {size: [rows_of[0]["image_bytes"] / size] for size in sizes
                    for rows_of in [results.rows("growth", names=size)]}
    return ["Half of the names in a registry with NSEC3 and opt-out, half in a zone of hosts with NSEC3. Each reply is "
            "composed anew, without the packet cache.", *lines,
            *pivot("case", sizes, {"*bytes of image a name*": bytes_a_name, **table}, "{:.1f}")]


@section("rings")
def rings(results):
    rows = results.rows("rings", part="two threads")
    rates = collect(rows, lambda row: row["case"], lambda row: row["server"], lambda row: row["qps"] / 1e6)
    servers = list(dict.fromkeys(row["server"] for row in rows))
    lines, path = picture(results, "rings", "Queries a second between rings")
    plots.bars(path, "One core between two rings", "queries a second", {
        case: {server.replace("stele", "Stele"): [value * 1e6 for value in values]
               for server, values in by.items() if server != "generator alone"} for case, by in rates.items()})
    lines += ["Millions of queries a second:", "", *pivot("case", servers, rates, "{:.2f}")]
    together = [row for row in results.rows("rings", part="one thread") if row["server"].startswith("stele")]
    busy = collect(together, lambda row: row["case"], lambda row: row["server"], lambda row: row["busy_ns"])
    rates = collect(together, lambda row: row["case"], lambda row: row["server"], lambda row: row["qps"] / 1e6)
    servers = list(dict.fromkeys(row["server"] for row in together))
    lines += ["", "Generator and worker in one thread, which no other disturbs, and in which the generator counts: "
              "millions of queries a second, and nanoseconds of the worker's for a query.", "",
              *pivot("case", servers, rates, "{:.2f}"), "", *pivot("case", servers, busy, "{:.1f}")]
    swaps = [row for row in results.rows("rings") if row["swapping"] == "yes"]
    if swaps:
        slow = collect(results.rows("rings", part="swaps"),
                       lambda row: row["case"], lambda row: "swapped" if row["swapping"] == "yes" else "still",
                       lambda row: row["steady_p999_us"])
        lines += ["", f"Images swapped under full load, {sum(row['swaps'] for row in swaps):,} times in "
                  f"{sum(row['sent'] for row in swaps):,} queries: {sum(row['lost'] for row in swaps)} lost, "
                  f"{sum(row['wrong'] for row in swaps)} wrong. The 99.9th percentile in µs:", "",
                  *pivot("case", ["still", "swapped"],
                         {case: by for case, by in slow.items() if "swapped" in by}, "{:.1f}")]
    return lines


@section("memif")
def memif(results):
    rows = results.rows("memif")
    rates = collect(rows, lambda row: row["case"], lambda row: rivals.TITLES[row["server"]],
                    lambda row: row["qps"])
    lines, path = picture(results, "memif", "Queries a second over shared memory")
    plots.bars(path, "Over shared memory, two processes", "queries a second", rates)
    return [*lines, *pivot("case", ["Stele", "testpmd 5tswap"], {
        case: {server: [value / 1e6 for value in values] for server, values in by.items()}
        for case, by in rates.items()}, "{:.2f} M")]


def veth(results, name):
    rows = results.rows(name)
    mixes = list(dict.fromkeys(row["mix"] for row in rows))
    servers = list(dict.fromkeys(row["server"] for row in rows))
    rates = {rivals.TITLES[server]: {mix: targets.best_of_rounds(results.rows(name, server=server, mix=mix))
                                     for mix in mixes} for server in servers}
    lines, path = picture(results, name, "Replies a second over veth")
    plots.bars(path, f"Over veth: {zone_title(rows, rows[0]['zones'])}", "replies a second", {
        f"{mix}: {queries.MIXES[mix]}": {server: by[mix] for server, by in rates.items()} for mix in mixes})
    wrong = [f"{rivals.TITLES[server]} {mix} {right:.0%}" for server in servers if server != "5tswap"
             for mix in mixes for right in [min(results.values(name, "right", server=server, mix=mix))]
             if right < 0.99]
    kept_up = {rivals.TITLES[server]: [mix for mix in mixes
                                       if targets.all_answered(results.rows(name, server=server, mix=mix))]
               for server in servers}
    kept_up = [f"{server} {', '.join(those)}" for server, those in kept_up.items() if those]
    starts = results.rows(f"{name}-starts")
    lines += ["Replies a second, the server on one processor, at the rate at which it answers most:", "",
              *pivot("server", mixes, rates, "{:,.0f}"), "",
              *([f"Answered at least {KEPT_UP * 100:.0f} % of what they were asked, and might answer more: "
                 f"{'; '.join(kept_up)}.", ""] if kept_up else []),
              *([f"Not of the rcode that was expected: {', '.join(wrong)} were.", ""] if wrong else []),
              "Stele starts from an image that is there, the others from zone files. Memory is that of all processes of "
              "a server, huge pages included.", "",
              "| server | first answer after s | MiB | bytes a name |", "|---|--:|--:|--:|"]
    lines += [f"| {rivals.TITLES[row['server']]} | {row['ready_s']:.2f} | {size / 2**20:,.0f} | "
              f"{size / row['names']:,.0f} |" for row in starts if row["server"] != "5tswap"
              for size in [row["resident"] + row["huge"]]]
    return lines


sections_of("veth", veth)


@section("veth-hosts")
def memory_of_all(results):
    """Memory a name of all sets of zones in one picture, beside the first of them."""
    panels = {}
    for name in (case.name for case in cases.CASES if case.command == "veth" and results.has(case.files[1][:-4])):
        starts = results.rows(f"{name}-starts")
        panels[zone_title(starts, starts[0]["zones"])] = {
            rivals.TITLES[row["server"]]: [(row["resident"] + row["huge"]) / row["names"]] for row in starts
            if row["server"] != "5tswap"}
    lines, path = picture(results, "memory", "Memory a name")
    plots.bars(path, "Resident memory a name, when all is loaded", "bytes a name (a record, of the root zone)",
               panels, one_scale=False)
    return ["", "Memory in all sets of zones; what a program needs whatever its zones counts too. Stele's has room for "
            "changes beside the image, and the image's file as long as it is copied.", *lines]


def connections(results, name, title):
    rows = results.rows(name)
    rates = collect(rows, lambda row: rivals.TITLES[row["server"]], lambda row: row["case"],
                    lambda row: row["queries_a_second"])
    times = collect(rows, lambda row: rivals.TITLES[row["server"]], lambda row: row["case"],
                    lambda row: row["server_us_a_query"])
    kinds = list(dict.fromkeys(row["case"] for row in rows))
    words = {kind: "100 connections, one query under way" if kind.endswith("-1") else
             "10 connections, 100 queries under way" for kind in kinds}
    lines, path = picture(results, name, f"Queries a second over {title}")
    plots.bars(path, f"{title}, one thread that answers", "queries a second", {
        words[kind]: {server: by[kind] for server, by in rates.items() if kind in by} for kind in kinds})
    return [*lines, "Queries a second:", "", *pivot("server", kinds, rates, "{:,.0f}"), "",
            "Processor time of the server for a query, µs:", "", *pivot("server", kinds, times, "{:.2f}")]


@section("tcp")
def tcp(results):
    return connections(results, "tcp", "TCP")


@section("tls")
def tls(results):
    return connections(results, "tls", "TLS")


def load(results, name):
    rows = results.rows(name)
    title = {"stele": "Stele", **rivals.TITLES}
    table = collect(rows, lambda row: title[row["what"]], lambda row: row["measure"], lambda row: row["value"])
    shown = {server: {"wall s": by["wall_s"], "CPU s": by["cpu_s"],
                      "M records / CPU s": [rows[0]["records"] / value / 1e6 for value in by["cpu_s"]],
                      "peak MiB": [value / 2**20 for value in by["peak_rss"]],
                      "served MiB": [value / 2**20 for value in by["served"]],
                      "bytes a name": [value / rows[0]["zone_names"] for value in by["served"]]}
             for server, by in table.items()}
    lines, path = picture(results, name, "From zone files to answers")
    of_what = zone_title([{**rows[0], "names": rows[0]["zone_names"]}], rows[0]["zones"])
    plots.bars(path, f"From zone files to answers: {of_what}", "", {
        "seconds to the first answer": {server: by["wall s"] for server, by in shown.items()},
        "MiB when served, of Stele the image": {server: by["served MiB"] for server, by in shown.items()}},
        one_scale=False)
    return [f"{rows[0]['records']:,} records. Stele: `import` and `build`, and for memory the size of its image, which "
            "is not that of the process that serves it (that stands under veth); the others: from start to first answer, "
            "their processes' memory.", *lines,
            *pivot("server", list(next(iter(shown.values()))), shown, "{:,.2f}")]


sections_of("compare-load", load)


def seconds_table(results, name, key, column):
    rows = results.rows(name)
    table = collect(rows, lambda row: rivals.TITLES[row[key]], lambda row: column, lambda row: row[column])
    for server, by in collect(rows, lambda row: rivals.TITLES[row[key]], lambda row: "cpu",
                              lambda row: row.get("cpu_s", row.get("cpu_seconds"))).items():
        table[server]["CPU s"] = by["cpu"]
        table[server]["records a second"] = [rows[0]["records"] / value for value in table[server][column]]
    lines, path = picture(results, name, "Seconds of a transfer")
    plots.bars(path, f"{cases.BY_NAME[name].title}, {rows[0]['records']:,.0f} records", "seconds",
               {"": {server: by[column] for server, by in table.items()}})
    return [*lines, *pivot("server", [column, "CPU s", "records a second"], table, "{:,.2f}")]


@section("axfr-in")
def axfr_in(results):
    return seconds_table(results, "axfr-in", "secondary", "wall_s")


@section("axfr-out")
def axfr_out(results):
    return seconds_table(results, "axfr-out", "server", "seconds")


def served_table(results, name, title):
    """Of each server, with a picture; lines."""
    rows = results.rows(name)
    by_server = {}
    for row in rows:
        by_server.setdefault(rivals.TITLES[row["server"]], []).append(row["both_ms"])
    lines, path = picture(results, name, title)
    plots.shares(path, f"{title}, {rows[0]['names']:,} names", "milliseconds",
                 by_server, [(0.5, 50, "target, median"), (0.99, 100, "target, 99 %")])
    lines += ["| server | median ms | 90 % | 99 % | most |", "|---|--:|--:|--:|--:|"]
    lines += [f"| {server} | {statistics.median(values):.1f} | {percentile(values, 0.9):.1f} | "
              f"{percentile(values, 0.99):.1f} | {max(values):.1f} |" for server, values in by_server.items()]
    lost = sum(row.get("unanswered", 0) for row in rows)
    if "unanswered" in rows[0]:
        lines += ["", f"Queries without an answer within 0.2 s meanwhile: {lost:,}."]
    return lines


@section("update-to-served")
def update_to_served(results):
    lines = served_table(results, "update-to-served", "From an UPDATE until it is served")
    if "nsd" in results.values("update-to-served", "server"):
        lines += ["", "NSD takes no UPDATE: it follows Knot, which waits for a second before it tells it. That second is "
                  "not NSD's."]
    if results.has("update-to-served-flood"):
        row, = results.rows("update-to-served-flood")
        lines += ["", f"{row['rate']} UPDATEs a second for {row['seconds']} s: of {row['sent']:,} "
                  f"{row['stored']:,} are stored, {row['journal']:,} in the journal; what is served was "
                  f"{row['behind_median_ms']:.0f} ms behind (median), {row['behind_most_ms']:.0f} ms at most."]
    return lines


@section("update-to-served-signed")
def update_to_served_signed(results):
    return served_table(results, "update-to-served-signed", "From an UPDATE of a signed name until it is served")


@section("update")
def update(results):
    rows = results.rows("update", measure="work_s")
    table = collect(rows, lambda row: f"{row['zone']} {row['change']}", lambda row: "own time ms",
                    lambda row: row["value"] * 1000)
    for line, by in collect(results.rows("update", measure="shards"),
                            lambda row: f"{row['zone']} {row['change']}", lambda row: "shards",
                            lambda row: row["value"]).items():
        table[line]["shards"] = by["shards"]
    lines, path = picture(results, "update", "Own time of an update by what changes")
    plots.bars(path, "One change, from store to image", "ms, without waiting for the disk",
               {"": {line: by["own time ms"] for line, by in table.items()}})
    return [*lines, *pivot("what changes", ["own time ms", "shards"], table, "{:.1f}")]


# --- the whole ---

def other_builds(about):
    """Which cases were measured later, by another build than the one that the facts name."""
    found = {}
    for case, build in about.get("builds", {}).items():
        if build != about.get("facts", {}).get("stele"):
            found.setdefault(build, []).append(case)
    return [line for build, names in found.items() for line in (
        "", f"By another build: {' and '.join(names)} by {build}.")]


def write(folder):
    """Writes report.md and the pictures. A section whose numbers are not there says so."""
    results = targets.Results(folder)
    about = results.about
    lines = [f"# Benchmarks of {about.get('date', 'an unknown day')}", ""]
    if results.quick:
        lines += ["**Quick, no verdicts**: small zones, single runs; it proves only that everything works.", ""]
    lines += ["Made by `benchmarks/run`; how each number is measured stands in [benchmarks/README.md](../../README.md). "
              "Medians; in brackets the spread, (max - min) / median, with an exclamation mark where it is above "
              f"{SPREAD_MAX:.0%} and the number says little. Whiskers are the smallest and the largest.", "",
              "| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in about.get("facts", {}).items())]
    lines += other_builds(about)
    titled = set()
    for case, function in SECTIONS:
        one = cases.BY_NAME[case]
        if not results.has(one.files[0][:-4]):
            continue
        if case not in titled:
            lines += ["", f"## {one.title[0].upper()}{one.title[1:]}", ""]
            titled.add(case)
            fault = results.fault(case)
            if fault and not results.quick:
                lines += [f"No verdict on any of this: {fault}.", ""]
        try:
            lines += function(results)
        except targets.Missing as missing:
            lines += [f"What this section shows is not in these results ({missing})."]
    failed = about.get("failed", {})
    if failed:
        lines += ["", "## Failed", "", *(f"- {name}: {why}" for name, why in failed.items())]
    lines += ["", "## Targets", "", *targets.table(results), "", *targets.missed(results)]
    text = "\n".join(lines).rstrip("\n") + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    (results.folder / FILE).write_text(text)
    return results.folder / FILE
