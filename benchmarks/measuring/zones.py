# SPDX-License-Identifier: Apache-2.0
"""The sets of zones that all servers are measured with, each with store and image, made once in a folder."""
import dataclasses
import gzip
import json
import pathlib
import shutil
import sys

from measuring import queries
from measuring.images import check_room, run

ORIGIN = "example."
PROBED_CNT = 5


@dataclasses.dataclass(frozen=True)
class Kind:
    title: str
    mode: str          # of `generate`; "" for the root zone
    arguments: tuple = ()
    names: int = 0     # by default
    delegations: bool = False
    signed: bool = False


KINDS = {
    "hosts": Kind("hosts", "hosts", names=100_000),
    "tld": Kind("delegations", "tld", names=1_000_000, delegations=True),
    "tld-signed": Kind("delegations, NSEC3 with opt-out", "tld", ("--denial", "nsec3-optout"), 1_000_000,
                       delegations=True, signed=True),
    "root": Kind("the root zone", "", delegations=True, signed=True),
    "small": Kind("small zones", "hosting", names=10_000),
}


@dataclasses.dataclass
class ZoneSet:
    kind: str
    names: int
    folder: pathlib.Path
    files: list          # (apex, path)
    records: int

    @property
    def title(self):
        kind = KINDS[self.kind]
        return f"{self.names:,} {kind.title}" if kind.mode else kind.title

    @property
    def signed(self):
        return KINDS[self.kind].signed

    @property
    def store(self):
        return self.folder / "store"

    @property
    def image(self):
        return self.folder / "image"

    @property
    def text_bytes(self):
        return sum(path.stat().st_size for _, path in self.files)

    def probes(self):
        """Apexes that have to be answered for before all is loaded: first, last, some between."""
        apexes = [apex for apex, _ in self.files]
        step = max(1, len(apexes) // PROBED_CNT)
        return [*apexes[::step], apexes[-1]]

    def queries(self, mix):
        """The file with the queries of a mix."""
        path = self.folder / f"queries-{mix}"
        if not path.exists():
            kind = KINDS[self.kind]
            names = []
            if mix != "flood":
                for apex, file in self.files:
                    names += queries.names_of(file, apex, kind.delegations)
            drawn = queries.draw(mix, names, [apex for apex, _ in self.files])
            queries.write(path, drawn, kind.signed)
        return path


def make(build, name, folder, names=None, root_zone=None, image=True):
    """The set of this kind in `folder`, made if it is not there; without store and image if so wanted."""
    kind = KINDS[name]
    names = names or kind.names
    here = folder / (f"{name}-{names}" if kind.mode else name)
    done = here / "made.json"
    if not done.exists():
        check_room(folder, names)
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir(parents=True)
        files = _write_files(build, kind, here, names, root_zone)
        done.write_text(json.dumps({"files": [[apex, str(path)] for apex, path in files],
                                    "records": sum(map(_count_records, (path for _, path in files)))}))
    told = json.loads(done.read_text())
    zones = ZoneSet(name, names if kind.mode else told["records"], here,
                    [(apex, pathlib.Path(path)) for apex, path in told["files"]], told["records"])
    if image and not zones.image.exists():
        compile_set(build, zones, zones.store, zones.image)
    return zones


def _write_files(build, kind, here, names, root_zone):
    if not kind.mode:
        if root_zone is None:
            sys.exit("the root zone: name its file (--root-zone)")
        path = here / "root.zone"
        with (gzip.open if root_zone.suffix == ".gz" else open)(root_zone, "rb") as source, \
                open(path, "wb") as target:
            shutil.copyfileobj(source, target)
        return [(".", path)]
    output = here / ("zones" if kind.mode == "hosting" else "example.zone")
    run(build / "benchmarks" / "generate", kind.mode, "--names", names, "--origin", ORIGIN,
        *kind.arguments, "-o", output)
    if kind.mode != "hosting":
        return [(ORIGIN, output)]
    return [(apex, pathlib.Path(path)) for apex, path in
            (line.split(None, 1) for line in (output / "zones.list").read_text().splitlines())]


def _count_records(path):
    with open(path, "rb") as lines:
        return sum(line[:1] not in (b"$", b";", b"\n") for line in lines)


def import_command(build, zones, store):
    command = [build / "zonecompiler" / "stele-compile", "import", "--store", store]
    if len(zones.files) > 1:
        return [*command, "--zone-list", zones.folder / "zones" / "zones.list"]
    return [*command, "--zone", *zones.files[0]]


def build_command(build, store, image):
    return [build / "zonecompiler" / "stele-compile", "build", "--store", store, "-o", image]


def compile_set(build, zones, store, image):
    shutil.rmtree(store, ignore_errors=True)
    run(*import_command(build, zones, store))
    run(*build_command(build, store, image))
