# SPDX-License-Identifier: Apache-2.0
"""
The servers that are measured: each writes its configuration into a folder and gives its command line.

All of them have one thread that answers, as many as there are processors to load zones where they have such and loading
is what is measured; no rate limits, no cookies, no logs of queries, small replies. Zones are read as they are, without
checks of signatures. Caches do not forget while a server stands still and others have their turns.
"""
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

from measuring import cycles

PACKETS_MIB = 256  # of huge pages, for the buffers of a program on DPDK


@dataclasses.dataclass
class Place:
    """Where a server runs, and with what."""
    folder: pathlib.Path
    zones: list                # (apex, path)
    address: str = "127.0.0.1"
    port: int = 53
    signed: bool = False
    xdp: str = ""              # an interface, for those that take it by themselves
    tls_port: int = 0          # 0: none
    key: pathlib.Path = None
    certificate: pathlib.Path = None
    loaders: int = os.cpu_count()
    transfers: bool = False    # whether 127.0.0.1 gets zones by AXFR; Knot and NSD

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path


def knot(place):
    listen = f'xdp:\n    listen: "{place.xdp}@{place.port}"\n' if place.xdp else ""
    zones = "".join(f'  - domain: "{apex}"\n    file: "{path}"\n' for apex, path in place.zones)
    acl = "acl:\n  - id: local\n    address: 127.0.0.1\n    action: transfer\n" if place.transfers else ""
    config = place.write("config", f"""
server:
    rundir: "{place.folder}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: {place.loaders}
    tcp-max-clients: 1000
    {"" if place.xdp else f"listen: {place.address}@{place.port}"}
{listen}
log:
  - target: stderr
    any: warning
database:
    storage: "{place.folder}"
{acl}template:
  - id: default
    storage: "{place.folder}"
    {"acl: local" if place.transfers else ""}
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
zone:
{zones}""")
    return ["knotd", "-c", config]


def nsd(place):
    tls = f"""    ip-address: {place.address}@{place.tls_port}
    tls-port: {place.tls_port}
    tls-service-key: "{place.key}"
    tls-service-pem: "{place.certificate}"
""" if place.tls_port else ""
    transfers = "    provide-xfr: 127.0.0.1 NOKEY\n" if place.transfers else ""
    zones = "".join(f'zone:\n    name: "{apex}"\n    zonefile: "{path}"\n{transfers}'
                    for apex, path in place.zones)
    config = place.write("config", f"""
server:
    server-count: 1
    ip-address: {place.address}@{place.port}
{tls}    port: {place.port}
    tcp-count: 1000
    tcp-query-count: 0
    username: ""
    chroot: ""
    zonesdir: "{place.folder}"
    database: ""
    pidfile: "{place.folder}/nsd.pid"
    zonelistfile: "{place.folder}/zone.list"
    xfrdfile: "{place.folder}/xfrd.state"
    xfrdir: "{place.folder}"
    logfile: "{place.folder}/nsd.log"
    zonefiles-check: no
    zonefiles-write: 0
    rrl-ratelimit: 0
    minimal-responses: yes
remote-control:
    control-enable: no
{zones}""")
    return ["nsd", "-d", "-c", config]


def bind(place):
    tls = ""
    if place.tls_port:
        tls = f'tls local {{ key-file "{place.key}"; cert-file "{place.certificate}"; }};\n'
    listen_tls = f"listen-on port {place.tls_port} tls local {{ {place.address}; }};" if tls else ""
    zones = "".join(f'zone "{apex}" {{ type primary; file "{path}"; check-names ignore; }};\n'
                    for apex, path in place.zones)
    config = place.write("config", f"""
{tls}options {{
    directory "{place.folder}";
    pid-file "{place.folder}/named.pid";
    session-keyfile "{place.folder}/session.key";
    listen-on port {place.port} {{ {place.address}; }};
    {listen_tls}
    listen-on-v6 {{ none; }};
    tcp-clients 1000;
    recursion no;
    dnssec-validation no;
    empty-zones-enable no;
    minimal-responses yes;
    notify no;
}};
controls {{ }};
{zones}""")
    # What loads zones there are the threads that answer.
    return ["named", "-g", "-n", place.loaders, "-c", config]


def powerdns(place):
    place.write("named.conf", "".join(
        f'zone "{apex.rstrip(".") or "."}" {{ type master; file "{path}"; }};\n' for apex, path in place.zones))
    keys = place.folder / "keys.db"
    place.write("pdns.conf", f"""
launch=bind
bind-config={place.folder}/named.conf
{f"bind-dnssec-db={keys}" if place.signed else ""}
socket-dir={place.folder}
local-address={place.address}
local-port={place.port}
receiver-threads=1
distributor-threads=1
max-tcp-connections=1000
max-tcp-connections-per-client=0
max-tcp-transactions-per-conn=0
cache-ttl=3600
query-cache-ttl=3600
negquery-cache-ttl=3600
daemon=no
guardian=no
disable-syslog=yes
loglevel=3
security-poll-suffix=
version-string=anonymous
""")
    if place.signed:
        subprocess.run(["pdnsutil", f"--config-dir={place.folder}", "create-bind-db", keys], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # `pdnsutil set-meta` would load all zones for each word.
        with contextlib.closing(sqlite3.connect(keys)) as table, table:
            table.executemany("INSERT INTO domainmetadata (domain, kind, content) VALUES (?, ?, ?)", [
                (apex.rstrip(".") or ".", *pair) for apex, path in place.zones for pair in _presigned(path)])
    return ["pdns_server", f"--config-dir={place.folder}"]


def _presigned(path):
    yield "PRESIGNED", "1"
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if line.startswith("@\tNSEC3PARAM\t"):
                yield "NSEC3PARAM", line.split("NSEC3PARAM", 1)[1].strip().replace("1 0", "1 1", 1)
                return


def gdnsd(place):
    """It knows no DS: gets the zones without, which changes no reply to a query without DO."""
    zones = place.folder / "zones"
    for folder in (zones, place.folder / "run", place.folder / "state"):
        folder.mkdir()
    for apex, path in place.zones:
        with open(path, encoding="ascii") as source, \
                open(zones / apex.rstrip("."), "w", encoding="ascii") as target:
            target.writelines(line for line in source if "\tDS\t" not in line)
    place.write("config", f"""
options => {{
    listen => [ "{place.address}:{place.port}" ]
    udp_threads => 1
    tcp_threads => 1
    tcp_clients_per_thread => 1000
    disable_cookies => true
    run_dir => "{place.folder}/run"
    state_dir => "{place.folder}/state"
}}
""")
    return ["gdnsd", "-c", place.folder, "start"]


@dataclasses.dataclass(frozen=True)
class Rival:
    title: str
    program: str
    command: object       # of a Place
    tls: bool = False
    signed: bool = True   # whether it can serve signed zones
    version: tuple = ()


def _package(name):
    return ("dpkg-query", "-W", "-f", "${Version}", name)


DAEMONS = {
    "knot": Rival("Knot", "knotd", knot, version=("knotd", "--version")),
    "nsd": Rival("NSD", "nsd", nsd, tls=True, version=("nsd", "-v")),
    "bind": Rival("BIND", "named", bind, tls=True, version=("named", "-v")),
    "powerdns": Rival("PowerDNS", "pdns_server", powerdns, version=_package("pdns-server")),
    "gdnsd": Rival("gdnsd", "gdnsd", gdnsd, signed=False, version=_package("gdnsd")),
}
TITLES = {"stele": "Stele", "5tswap": "testpmd 5tswap", "knot-xdp": "Knot XDP",
          **{name: rival.title for name, rival in DAEMONS.items()}}


def versions(names):
    """The commands that print the versions of these, for `machine_facts`."""
    daemons = dict.fromkeys("knot" if name == "knot-xdp" else name for name in names)
    return {name: DAEMONS[name].version for name in daemons if name in DAEMONS}


def missing(programs):
    return sorted(name for name in programs if shutil.which(name) is None)


# --- programs on DPDK ---

def responder(build, folder, image, device, addresses, main_cpu, cpu, huge, mac="", large=False):
    """stele-responder on a device of DPDK, which is (driver, {argument: value}). It pins its threads itself."""
    (folder / "state").mkdir(exist_ok=True)
    driver, arguments = device
    text = ", ".join(f'{key}: "{value}"' for key, value in arguments.items())
    config = folder / "config"
    config.write_text(f"""
image: {image}
state_dir: {folder}/state
control: {folder}/control
user: none
main_core: {main_cpu}
memory: {{huge_pages: {"2M" if huge else "none"}, image_arena: {arena_mib(image)}M}}
ports:
  - device: {driver}
    name: port0
    args: {{{text}}}
    {f'mac: "{mac}"' if mac else ""}
    addresses: [{", ".join(f'"{address}"' for address in addresses)}]
    cores: [{cpu}]
    exception: {{kind: none}}
idle: {{mode: busy}}
cookies: {{enabled: false}}
rrl: {{enabled: false}}
""")
    return [build / "responder" / "stele-responder", "-c", config]


def way_of(log):
    """How the responder came to serve its image, as its log says, and whether it is in memory."""
    text = log.read_text()
    way = re.search(r"serves .*: ((?:mapped|copied)\b.*)", text)
    return (way.group(1) if way else "not said",
            "serves from memory" in text or bool(way and way.group(1).startswith("copied")))


def arena_mib(image):
    """Room for the image and a quarter more, as for one that is changed all the time (docs/configuration.md)."""
    return max(image.stat().st_size * 5 // 4 // 2**20 + 1, 16)


def testpmd(device, main_cpu, cpu, huge, *more):
    """testpmd that swaps addresses and ports of all that comes. It ends with its standard input."""
    memory = ["--in-memory"] if huge else ["--no-huge", "--no-shconf", "-m", "256"]
    driver, arguments = device
    vdev = ",".join([f"{driver}0", *(f"{key}={value}" for key, value in arguments.items())])
    return ["dpdk-testpmd", "--no-pci", "--no-telemetry", f"--file-prefix=bench-{os.getpid()}", *memory,
            f"--lcores=0@{main_cpu},1@{cpu}", f"--vdev={vdev}", "--", "--forward-mode=5tswap", "--auto-start",
            "--total-num-mbufs=16384", "--burst=32", cycles.TESTPMD_OPTION, *more]


TESTPMD_READY = "Checking link statuses"
