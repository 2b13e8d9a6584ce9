# SPDX-License-Identifier: Apache-2.0
"""
What `benchmarks/run` runs, in this order: one row a case, the commands of `benchmarks/` with what they get in
each of the three sizes. A case is done when its files are in the folder of results.
"""
import dataclasses
import shutil

from measuring import queries, zones

SIZES = ("quick", "full", "long")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    minutes: float       # that the full size is meant to take; three times as many end it
    files: tuple         # CSV that its command writes
    command: str
    common: tuple = ()   # arguments in each size
    quick: tuple = ()
    full: tuple = ()
    long: tuple = ()
    programs: tuple = ()
    root_zone: bool = False
    only_long: bool = False
    keep: bool = True    # whether the command has --keep
    rename: tuple = ()   # (what the command writes, file of this case)

    def arguments(self, size):
        chosen = {"quick": self.quick, "full": self.full, "long": self.long or self.full}[size]
        return [*self.common, *chosen]

    def limit_s(self, size):
        return self.minutes * 60 * {"quick": 3, "full": 3, "long": 12}[size]

    def missing(self):
        return [name for name in self.programs if shutil.which(name) is None]


def _veth(kind, minutes, quick_names, rounds, seconds, only_long=False, label="", more=()):
    name = f"veth-{label or kind}"
    files = (f"{name}.csv", f"{name}-starts.csv")
    written = (f"veth-{kind}.csv", f"veth-{kind}-starts.csv")
    names = ("--names", quick_names) if quick_names else ()
    mixes = ",".join(queries.MIXES) if kind == "hosts" else "uniform"
    title = "the root zone" if kind == "root" else f"{zones.KINDS[kind].names:,} {zones.KINDS[kind].title}"
    return Case(name, f"sockets and AF_XDP over veth: {title if not label else '10,000,000 hosts'}", minutes,
                files, "veth", ("--zones", kind, *more),
                quick=(*names, "--rounds", 1, "--seconds", 1, "--rates", 300_000, "--mixes", mixes),
                full=("--rounds", rounds, "--seconds", seconds),
                programs=("kxdpgun", "dpdk-testpmd", "knotd", "nsd", "named", "pdns_server", "gdnsd"),
                root_zone=kind == "root", only_long=only_long, rename=tuple(zip(written, files)))


def _load(kind, minutes, quick_names, runs, label="", only_long=False, more=()):
    name = f"load-{label or kind}"
    names = ("--names", quick_names) if quick_names else ()
    return Case(name, f"from zone files to answers: {zones.KINDS[kind].title}", minutes, (f"{name}.csv",),
                "compare-load", ("--zones", kind, *more), quick=(*names, "--runs", 1), full=("--runs", runs),
                programs=("knotd", "nsd", "named", "pdns_server", "gdnsd"), root_zone=kind == "root",
                only_long=only_long, rename=((f"load-{kind}.csv", f"{name}.csv"),))


CASES = [
    Case("engine", "an answer without I/O, in each set of zones", 4, ("engine.csv",), "engine-zones",
         quick=("--names", 2000, "--rounds", 1, "--queries", 20_000), full=("--rounds", 5), root_zone=True),
    Case("growth", "an answer without I/O, as the number of names grows", 7, ("growth.csv",), "growth",
         quick=("--names", "1000,10000", "--rounds", 1, "--queries", 20_000),
         full=("--names", "1000,100000,1000000,10000000", "--rounds", 5, "--queries", 300_000),
         long=("--names", "1000,100000,1000000,10000000,50000000", "--rounds", 5, "--queries", 300_000)),
    Case("rings", "the whole loop between two rings, in one process", 7, ("rings.csv",), "rings",
         quick=("--names", 10_000, "--swap-names", 1000, "--rounds", 1, "--seconds", 0.5, "--queries",
                20_000),
         full=("--rounds", 5, "--seconds", 1.5, "--queries", 1_000_000)),
    Case("memif", "the whole loop over shared memory, two processes", 3, ("memif.csv",), "memif",
         quick=("--names", 10_000, "--rounds", 1, "--seconds", 0.5, "--queries", 20_000),
         full=("--rounds", 5, "--seconds", 2), programs=("dpdk-testpmd",)),
    _veth("hosts", 9, 2000, 5, 2),
    _veth("tld", 5, 2000, 3, 1),
    _veth("tld-signed", 6, 2000, 3, 1),
    # PowerDNS answers SERVFAIL for the root zone.
    _veth("root", 4, 0, 3, 1, more=("--servers", "5tswap,stele,knot-xdp,knot,nsd,bind")),
    _veth("small", 4, 200, 3, 1),
    _veth("hosts", 20, 20_000, 3, 1, True, "10m",
          ("--names", 10_000_000, "--servers", "5tswap,stele,knot-xdp,knot,nsd", "--mixes", "hot,uniform,flood")),
    Case("tcp", "TCP", 3, ("tcp.csv",), "tcp", ("--cases", "tcp,tcp-1"),
         quick=("--names", 2000, "--rounds", 1, "--seconds", 1), full=("--rounds", 5, "--seconds", 2),
         programs=("dnsperf", "openssl", "knotd", "nsd", "named", "pdns_server", "gdnsd")),
    Case("tls", "TLS", 2, ("tls.csv",), "tcp", ("--cases", "tls,tls-1", "--servers", "stele,nsd,bind"),
         quick=("--names", 2000, "--rounds", 1, "--seconds", 1), full=("--rounds", 5, "--seconds", 2),
         programs=("dnsperf", "openssl", "nsd", "named"), rename=(("tcp.csv", "tls.csv"),)),
    _load("tld", 5, 2000, 3),
    _load("small", 2, 200, 3),
    _load("tld", 30, 20_000, 3, "10m", True,
          ("--names", 10_000_000, "--only", "stele,knot,nsd")),
    Case("axfr-in", "a zone that comes in by AXFR", 2, ("axfr-in.csv",), "axfr-in", quick=(
        "--names", 2000, "--runs", 1), full=("--names", 1_000_000, "--runs", 3), programs=("knotd", "nsd"),
         keep=False, rename=(("axfr-in-tld-2000-none.csv", "axfr-in.csv"),
                             ("axfr-in-tld-1000000-none.csv", "axfr-in.csv"))),
    Case("axfr-out", "a zone that is handed out by AXFR", 1.5, ("axfr-out.csv",), "axfr-out/run", quick=(
        "--names", 2000, "--runs", 1), full=("--names", 400_000, "--runs", 7), programs=("knotd", "nsd"),
         keep=False, rename=(("axfr-out-2000-none.csv", "axfr-out.csv"),
                             ("axfr-out-400000-none.csv", "axfr-out.csv"))),
    Case("update-to-served", "from UPDATE to answer", 5,
         ("update-to-served.csv", "update-to-served-flood.csv"), "update-to-served",
         quick=("--names", 2000, "--rounds", 5, "--seconds", 2, "--rate", 20),
         full=("--names", 1_000_000, "--rounds", 100, "--seconds", 60),
         long=("--names", 10_000_000, "--rounds", 60, "--seconds", 60), programs=("knotd", "nsd", "dig"),
         keep=False),
    Case("update-to-served-signed", "from UPDATE to answer, of a signed zone", 5, ("update-to-served-signed.csv",),
         "update-to-served", ("--signed",), quick=("--names", 2000, "--rounds", 5),
         full=("--names", 1_000_000, "--rounds", 100),
         # Knot alone takes 12 GB for 50 M records.
         long=("--names", 10_000_000, "--rounds", 60, "--servers", "stele"), programs=("knotd", "nsd"), keep=False),
    Case("update", "one change, from store to image", 4, ("update.csv",), "time-update",
         quick=("--names", 4000, "--shared", 100, "--rounds", 1, "--checks", 100),
         full=("--names", 1_000_000, "--rounds", 5), long=("--names", 10_000_000, "--rounds", 5), keep=False,
         rename=tuple((f"update-{names}.csv", "update.csv") for names in (4000, 1_000_000, 10_000_000))),
]
BY_NAME = {case.name: case for case in CASES}


def chosen(size, only=None):
    """The cases of a run; `only`: names, or beginnings of names up to a hyphen. ValueError names what is unknown."""
    if only is None:
        return [case for case in CASES if size == "long" or not case.only_long]
    for name in only:
        if not any(_is_of(case, name) for case in CASES):
            raise ValueError(name)
    return [case for case in CASES if any(_is_of(case, name) for name in only)]


def _is_of(case, name):
    return case.name == name or case.name.startswith(name + "-") and name not in BY_NAME
