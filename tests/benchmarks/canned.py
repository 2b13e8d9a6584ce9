# SPDX-License-Identifier: Apache-2.0
"""A small folder of results, made up: each file that benchmarks/run can write, with known medians."""
import json

from measuring import tables

FACTS = {"processor": "Abacus, 2 cores", "memory": "1 GiB"}
MIB = 1 << 20
AROUND = (0.95, 1.0, 1.05)      # three rounds: spread 10 %


def rounds(**values):
    """Three rows; numbers that are floats go up and down around their median."""
    return [{"round": number, **{key: value * factor if isinstance(value, float) else value
                                 for key, value in values.items()}}
            for number, factor in enumerate(AROUND, 1)]


def engine_rows(head, ns):
    return [{**head, "case": case, **row} for case, factor in (
        ("hot positive", 1), ("random positive", 2), ("random NXDOMAIN DO", 3),
        ("random reads, same memory", 0.5)) for row in rounds(
            ns=ns * factor, cycles=ns * factor * 2.6, spread_percent=3, reply_bytes=90, clear_ns=0, clear_percent=0)]


def veth(folder, name, kind, names, rates, sizes=None):
    tables.write(folder / f"{name}.csv", [
        {"server": server, "zones": kind, "names": names, "mix": mix, **row}
        for mix in ("hot", "uniform") for server, rate in rates.items()
        for row in rounds(rate=1_000_000, asked=rate * 1.1, replied=rate, reply_bytes=100, right=1)])
    tables.write(folder / f"{name}-starts.csv", [
        {"server": server, "zones": kind, "names": names, "ready_s": 0.5, "huge": 0,
         "resident": MIB * (sizes or {}).get(server, 10)} for server in rates])


def write(folder, size="full", veth_rates=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(
        {"size": size, "date": "2026-01-02", "facts": FACTS, "failed": {"veth-root": "exit status 1"}}))
    tables.write(folder / "engine.csv", [row for kind, names in (("hosts", 1000), ("tld", 5000))
                                         for row in engine_rows({"zones": kind, "names": names}, 50.0)])
    tables.write(folder / "growth.csv", [
        row for names, ns in ((1000, 40.0), (100_000, 50.0), (10_000_000, 80.0))
        for row in engine_rows({"names": names, "image_bytes": names * 300}, ns)])
    tables.write(folder / "rings.csv", [
        {"part": part, "case": case, "server": server, "swapping": swapping, "sent": 1000, "lost": 0, "wrong": 0,
         "swaps": 9, **row} for case in ("hot positive", "hot positive cookie", "random positive", "random NXDOMAIN DO")
        for part, server, swapping, qps in (
            ("two threads", "5tswap", "no", 15e6), ("two threads", "stele", "no", 8e6),
            ("two threads", "stele with limits", "no", 7e6), ("one thread", "stele", "no", 7e6),
            ("one thread", "stele with limits", "no", 6e6), ("swaps", "stele", "no", 8e6),
            ("swaps", "stele", "yes", 7e6))
        for row in rounds(qps=qps, busy_ns=1e9 / qps, steady_p999_us=50.0,
                          p999_us=72.0 if swapping == "yes" else 60.0)])
    tables.write(folder / "memif.csv", [
        {"case": case, "server": server, **row}
        for case in ("hot positive", "random positive", "random NXDOMAIN DO")
        for server, qps in (("5tswap", 8e6), ("stele", 5e6)) for row in rounds(qps=qps)])
    veth(folder, "veth-hosts", "hosts", 1000,
         veth_rates or {"5tswap": 500e3, "stele": 490e3, "knot-xdp": 150e3, "nsd": 90e3})
    veth(folder, "veth-tld", "tld", 5000, {"5tswap": 500e3, "stele": 490e3, "knot": 80e3, "nsd": 90e3},
         {"5tswap": 20, "stele": 60, "knot": 100, "nsd": 200})
    for name, kinds in (("tcp", ("tcp", "tcp-1")), ("tls", ("tls", "tls-1"))):
        tables.write(folder / f"{name}.csv", [
            {"server": server, "case": kind, **row} for server, rate in (("stele", 9e4), ("knot", 5e4), ("nsd", 4e4))
            for kind in kinds for row in rounds(queries_a_second=rate, server_us_a_query=1e6 / rate)])
    tables.write(folder / "load-tld.csv", [
        {"what": what, "zones": "tld", "zone_names": 1000, "records": 2300, "run": row["round"],
         "measure": measure, "value": row["value"]}
        for what, factor in (("stele", 1.0), ("knot", 3.0))
        for measure, value in (("wall_s", 1.0), ("cpu_s", 0.002), ("peak_rss", 150e3), ("served", 110e3),
                               ("build_rss", 150e3))
        for row in rounds(value=value * factor)])
    tables.write(folder / "axfr-in.csv", [
        {"secondary": server, "records": 2300, **row} for server, s in (("stele", 3.0), ("knot", 4.0))
        for row in rounds(wall_s=s, cpu_s=s)])
    tables.write(folder / "axfr-out.csv", [
        {"server": server, "records": 2300, **row} for server, s in (("stele", 1.0), ("knot", 0.9))
        for row in rounds(seconds=s, cpu_seconds=s)])
    for name in "update-to-served.csv", "update-to-served-signed.csv":
        tables.write(folder / name, [
            {"server": server, "round": number, "names": 1000, "acknowledged_ms": 2.0, "then_served_ms": 10.0,
             "both_ms": base + number, "unanswered": 0}
            for server, base in (("stele", 10.0), ("knot", 80.0)) for number in range(100)])
    tables.write(folder / "update-to-served-flood.csv", [
        {"rate": 200, "seconds": 60, "names": 1000, "sent": 12000, "stored": 12000, "journal": 11999,
         "behind_median_ms": 100.0, "behind_most_ms": 900.0}])
    tables.write(folder / "update.csv", [
        {"zone": "hosts.", "change": change, "round": row["round"], "measure": measure, "value": row["value"]}
        for change in ("leaf", "soa") for measure, value in (("work_s", 0.01), ("shards", 2.0))
        for row in rounds(value=value)])
    quiet = {"fastest_ns": 100, "before_ns": 105, "after_ns": 105, "steal": 0.0, "load_before": 0.1}
    tables.write(folder / "noise.csv", [{"case": case, **quiet} for case in (
        "growth", "rings", "memif", "veth-hosts", "tcp", "load-tld")])
