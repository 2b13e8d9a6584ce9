# SPDX-License-Identifier: Apache-2.0
"""The commands of README.md, docs/operation.md and docs/runbooks.md work as they stand there.

Blocks marked `sh` run here, in their order, those of a section in one shell; `yaml` and `ini` are files. Blocks marked
`console` are those that build, ask for a network card, or are run by another test (test_docs_commands.py says which).

The machine of docs/operation.md: namespaces for network and files, in which /etc, /usr and /var are
the real ones with all changes thrown away; the port is a veth with AF_PACKET instead of a card. Commands are typed
in the namespace that has x-edge0 and a card for administration; what a page has typed on another machine, in
that of the clients, whose address is not of the port's subnet. No way leads back to it but the page's.
"""
import os
import re
import subprocess

import pytest

import documents
import mgmtd
import peers
import responder
import stele
from conftest import need
from documents import blocks, script

ROOT = responder.ROOT
BUILD = os.environ.get("STELE_BUILD_DIR") or os.path.join(ROOT, "build")

# Where there is no systemd: what `systemctl` does with the units, as far as these pages need it.
SYSTEMCTL = r"""#!/bin/sh
set -e
for name in $*; do :; done
unit=/usr/local/lib/systemd/system/$name.service
pid=/tmp/$name.pid
line() { sed -n "s,^$1=,,p" $unit; }
up() {
	case $name in
	stele-responder) stelectl --socket /run/stele/responder.sock status ;;
	stele-mgmtd) stelectl zones --json | grep store_generation ;;
	esac
}
start() {
	$(line ExecStartPre)
	case $name in
	stele-responder) nsenter --net=/mnt/wire $(line ExecStart) >>/tmp/$name.log 2>&1 </dev/null & ;;
	stele-mgmtd) $(line ExecStart) >>/tmp/$name.log 2>&1 </dev/null & ;;
	esac
	echo $! >$pid
	until up >/dev/null 2>&1; do kill -0 $! || { cat /tmp/$name.log; exit 1; }; sleep 0.1; done
}
end() { kill -$1 $(cat $pid); while kill -0 $(cat $pid) 2>/dev/null; do sleep 0.1; done; }
case "$*" in
"enable --now systemd-networkd")
	# It waits for udev unless /sys is read-only.
	mount -o remount,bind,ro /sys
	install -d -o systemd-network /run/systemd/netif
	/lib/systemd/systemd-networkd >/tmp/$name.log 2>&1 </dev/null &
	;;
"enable --now "*) [ $name = stele-responder ] || sh /tmp/primary; start ;;
daemon-reload) ;;
"start "*) start ;;
"stop "*) end TERM ;;
"restart "*) end TERM; start ;;
"kill --signal=KILL "*) end KILL; start ;;    # as Restart=always has it
*) echo "systemctl: what is '$*'?" >&2; exit 1 ;;
esac
"""
JOURNALCTL = """#!/bin/sh
while [ "$1" != -u ]; do shift; done
cat /tmp/$2.log
"""

# Another server, in the clients' namespace, with the keys of the page; it reads them again when they change.
PRIMARY = r"""
set -e
mkdir /tmp/primary.d
cat >/tmp/primary.d/mgmtd.yaml <<END
store: /tmp/primary.d/store
image: /tmp/primary.d/image
state_dir: /tmp/primary.d/state
control: /tmp/primary.d/mgmtd.sock
responder: none
user: none
keys: /tmp/primary.d/keys.yaml
listen: [{ address: 203.0.113.1 }]
acls: [{ id: any, prefixes: [192.0.2.0/24] }]
templates:
  - { id: default, allow_transfer: [any], catalog_zone: catalog.example }
  - { id: unlisted, allow_transfer: [any] }
  - { id: catalog, allow_transfer: [any], catalog: producer }
zones:
  - { name: catalog.example, template: catalog }
  - { name: listed.example }
  - { name: other.example, template: unlisted }
  - { name: customer.example, template: unlisted }
END
for zone in listed other customer; do
	printf '@ 60 SOA ns h 1 60 60 3600 60\n@ 60 NS ns.example.\n' >/tmp/primary.d/zone
	stele-compile import --store /tmp/primary.d/store --zone $zone.example /tmp/primary.d/zone
done
install -m 600 /etc/stele/keys.yaml /tmp/primary.d/keys.yaml
nsenter --net=/mnt/client stele-mgmtd -c /tmp/primary.d/mgmtd.yaml >/tmp/primary.d/log 2>&1 </dev/null &
primary=$!
{
	while sleep 0.2; do
		cmp -s /etc/stele/keys.yaml /tmp/primary.d/keys.yaml && continue
		install -m 600 /etc/stele/keys.yaml /tmp/primary.d/keys.yaml
		kill -HUP $primary
	done
} >/dev/null 2>&1 </dev/null &
until stelectl --socket /tmp/primary.d/mgmtd.sock status >/dev/null 2>&1; do
	kill -0 $primary || { cat /tmp/primary.d/log; exit 1; }
	sleep 0.1
done
stelectl --socket /tmp/primary.d/mgmtd.sock wait listed.example 1 --timeout 60 || cat /tmp/primary.d/log
"""

# Nodes of a fleet that are all this machine.
SSH = "#!/bin/sh\nshift\nexec sh -ec \"$*\"\n"
SCP = r"""#!/bin/sh
while case $1 in -*) ;; *) false ;; esac; do shift; done
from=${1#*:} to=${2#*:}
[ "$from" -ef "$to/${from##*/}" ] || exec cp "$from" "$to"
"""
STAND_INS = {"systemctl": SYSTEMCTL, "journalctl": JOURNALCTL, "ssh": SSH, "scp": SCP}

MACHINE = r"""
set -e
mount -t tmpfs none /mnt
for name in client wire node; do touch /mnt/$name; done
mount --bind /run/netns/{client} /mnt/client
mount --bind /run/netns/{wire} /mnt/wire
mount --bind /run/netns/{node} /mnt/node
for name in etc usr var; do
	mkdir /mnt/$name /mnt/$name.work
	mount -t overlay overlay -o lowerdir=/$name,upperdir=/mnt/$name,workdir=/mnt/$name.work /$name
done
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cp -a {folder}/installed/usr/local/. /usr/local/
install -m 755 {folder}/stand-ins/* /usr/local/bin/
rm -rf /etc/systemd/network
cp -r {folder}/files/. /
cp -r {folder}/sections /mnt/
mount -t tmpfs none /run
mkdir /run/netns
touch /run/netns/node
mount --bind /mnt/node /run/netns/node
mount -t tmpfs none /tmp
printf '%s' "$PRIMARY" >/tmp/primary
cd /mnt
mkdir -m 700 clone    # as below /root
cp -a {root}/config {root}/scripts clone/
cd clone
for section in /mnt/sections/*; do sh -ex $section 2>&1; done
"""
ELSEWHERE = "# on another machine\n"


def typed(bodies):
    """The blocks of a section as one script; those for another machine run there."""
    return "".join("nsenter --net=/mnt/client sh -ex <<'ELSEWHERE'\n%sELSEWHERE\n" % body
                   if body.startswith(ELSEWHERE) else body for body in bodies)


def test_commands_without_a_server(tmp_path):
    programs = tmp_path / "build/zonecompiler"
    programs.mkdir(parents=True)
    os.symlink(os.path.abspath(stele.binary()), programs / "stele-compile")
    text = script("README.md").replace("/tmp/", str(tmp_path) + "/")
    text = text.replace("$PWD/build", str(tmp_path / "build"))
    done = subprocess.run(["sh", "-ec", text], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"www\.example\..*2001:db8::80", done.stdout) and "NXDOMAIN" in done.stdout


PROGRAMS = {"/etc/stele/responder.yaml": responder.binary,
            "/etc/stele/mgmtd.yaml": lambda: mgmtd.program("stele-mgmtd", "STELE_MGMTD")}


@pytest.mark.parametrize("page,path,text", [
    (page, path, text) for page in ("docs/operation.md", "docs/runbooks.md") for path, text in documents.files(page)
    if path in PROGRAMS])
def test_the_configurations_are_right(tmp_path, page, path, text):
    file = tmp_path / "file.yaml"
    file.write_text(text)
    done = subprocess.run([PROGRAMS[path](), "-c", file, "--check"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_file_is_known():
    """What is no command is a file that a test looks at."""
    paths = [path for path, _ in documents.files("docs/operation.md")]
    assert len(paths) == len([kind for kind, _ in blocks("docs/operation.md") if kind in ("yaml", "ini")])
    assert {path for path in paths if path.endswith(".yaml")} == set(PROGRAMS)


def test_the_units_take_what_the_page_adds(tmp_path):
    need("systemd-analyze")
    added = [(path, text) for path, text in documents.files("docs/operation.md")
             if path.startswith("/etc/systemd/system/")]
    assert len(added) == 2
    for path, text in added:
        unit = tmp_path / os.path.basename(os.path.dirname(path)).removesuffix(".d")
        source = documents.text("config/systemd/%s.in" % unit.name).replace("@sbindir@/" + unit.stem, "/bin/true")
        unit.write_text(source + text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert (done.returncode, done.stdout) == (0, "")


def test_prometheus_calls_the_job_as_the_rules_do():
    (text,) = [text for kind, text in blocks("docs/runbooks.md") if kind == "yaml" and "scrape_configs:" in text]
    job = re.search(r"job_name: (\w+)$", text, re.M)[1]
    assert 'job="%s"' % job in documents.text("config/alerts.example.yaml")


def test_what_waits_for_the_next_start():
    """The page has all that a reload leaves as it is."""
    options = re.search(r"\ntell_fixed\(|static void tell_fixed.*?options\[\] = {(.*?)\n\t};", documents.text(
        "mgmt/life.c"), re.S)[1]
    sentence = re.search(r"^((?:`\w+`|,|and|\s)+)take effect at the next start", documents.text("docs/operation.md"),
                         re.M)[1]
    assert re.findall(r"`(\w+)`", sentence) == re.findall(r'{"(\w+)",', options)


@pytest.mark.parametrize("program,example", [("stele-responder", "config/responder.example.yaml"),
                                             ("stele-mgmtd", "config/mgmtd.example.yaml")])
def test_the_examples_have_all_options(program, example):
    """As the pages say of them. That they are right is tested with the programs (test_*_life.py)."""
    section = documents.text("docs/configuration.md").split("\n## %s\n" % program)[1].split("\n## ")[0]
    options = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert len(options) > 40
    text = documents.text(example)
    assert [name for name in options if not re.search(r"\b%s:" % name, text)] == []


def test_zones_come_and_go(tmp_path):
    """In the example's file too, in which zones do not stand last; zones with names alike stay."""
    lines = [line for bodies in documents.sections("docs/runbooks.md") for body in bodies for line in body.splitlines()
             if re.match(r"sed .*\b(added|other)\\?\.example\b.* /etc/stele/mgmtd\.yaml$", line)]
    assert len(lines) == 3
    path = tmp_path / "mgmtd.yaml"
    path.write_text(documents.text("config/mgmtd.example.yaml").replace(
        "zones:\n", "zones:\n  - { name: another.example }\n  - { name: brother-example.org }\n"
        "  - { name: other.example.org }\n  - { name: unadded-example.org }\n"))
    before = path.read_text()
    for line in lines:
        subprocess.run(["sh", "-c", line.replace("/etc/stele/mgmtd.yaml", str(path))], check=True)
        done = mgmtd.run("-c", path, "--check")
        assert (done.returncode, done.stderr) == (0, "")
        names = re.findall(r"- { name: (added|other)\.example[ ,]", path.read_text())
        assert len(names) == {lines[0]: 1, lines[1]: 2, lines[2]: 0}[line]
    assert path.read_text() == before


@pytest.mark.parametrize("body", [body for bodies in documents.sections("docs/runbooks.md") for body in bodies
                                  if "for node in $nodes" in body])
def test_a_fleet_is_left_alone_beyond_a_node_that_fails(tmp_path, body):
    for name in "ssh", "scp", "runuser", "stele-compile":
        (tmp_path / name).write_text('#!/bin/sh\necho "$0 $*" >>%s/log\n[ "${0##*/}" != ssh ]\n' % tmp_path)
        (tmp_path / name).chmod(0o755)
    for name in "old", "new":
        (tmp_path / name).write_text("0123456789abcdef" * 2 + "\n")
    subprocess.run(["sh", "-c", 'nodes="ams1 fra1"\n' + body.replace("/tmp/", str(tmp_path) + "/")], cwd=tmp_path,
                   env={"PATH": "%s:/usr/bin:/bin" % tmp_path}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    log = (tmp_path / "log").read_text()
    assert "/ssh ams1 " in log and "fra1" not in log


def without_a_card(text):
    """The page's configuration for this machine; nothing else of it changes."""
    for pattern, instead in ((r"device: 0000:01:00.0", "device: net_af_packet\n    args: { iface: wire0 }"),
                             (r"cores: \[2, 3, 4, 5\]", "cores: [%d]\n    exception: { kind: tap, "
                                                        "namespace: node }" % responder.last_core()),
                             (r"image_arena: 4G", "image_arena: 64M, huge_pages: none")):
        text, count = re.subn(pattern, instead, text)
        assert count == 1, pattern
    return text


@pytest.fixture
def machine(namespaces, tmp_path):
    """Returns a function that runs sections there, and gives status and output."""
    need("mdb_copy")
    if not os.path.exists(BUILD + "/build.ninja"):
        pytest.skip("there is no build directory to install from")
    probe = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt && cd /mnt && mkdir a b c && "
                            "mount -t overlay overlay -o lowerdir=/etc,upperdir=a,workdir=b c"],
                           stderr=subprocess.PIPE, text=True)
    if probe.returncode:
        pytest.skip("no overlays of files here: " + probe.stderr.strip())
    installed = tmp_path / "installed"
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", installed], check=True,
                   stdout=subprocess.DEVNULL)
    if not (installed / "usr/local").is_dir():
        pytest.skip("the build directory has another prefix than /usr/local")
    for path, text in documents.files("docs/operation.md"):
        file = tmp_path / "files" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(without_a_card(text) if path == "/etc/stele/responder.yaml" else text)
    # Only for its namespaces and its veth.
    node = responder.Node("none", port="af_packet", start=False)
    for words in (("link", "set", node.interface, "up"), ("addr", "add", "192.0.2.1/24", "dev", node.interface),
                  ("addr", "add", "203.0.113.1/32", "dev", "lo"),
                  ("route", "replace", "192.0.2.0/24", "dev", node.interface, "src", "203.0.113.1")):
        node.client.ip(*words)
    # A card for administration: the default route is its own, and leads to nobody here.
    for words in (("link", "add", "admin0", "type", "veth", "peer", "name", "admin1"),
                  ("link", "set", "admin0", "up"), ("link", "set", "admin1", "up"),
                  ("addr", "add", "198.51.100.2/24", "dev", "admin0"), ("route", "add", "default", "via", "198.51.100.1")):
        node.node.ip(*words)

    def run(sections):
        for name, bodies in ("stand-ins", STAND_INS.items()), ("sections", (
                ("%03d" % i, typed(section)) for i, section in enumerate(sections))):
            (tmp_path / name).mkdir()
            for file, body in bodies:
                (tmp_path / name / file).write_text(body)
        setup = MACHINE.format(client=node.client.name, wire=node.wire.name, node=node.node.name, folder=tmp_path,
                               root=ROOT)
        # The first process of its own tree: whatever it has started ends with it.
        command = node.node.command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                                    "sh", "-c", setup)
        done = subprocess.run(command, env={**os.environ, "PRIMARY": PRIMARY},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, preexec_fn=peers.end_with_parent)
        return done.returncode, done.stdout

    yield run
    node.stop()


@pytest.mark.parametrize("page", ["docs/operation.md", "docs/runbooks.md"])
def test_queries_come_from_elsewhere(page):
    """Typed on the server they would never come to the responder: the kernel has its address too."""
    for bodies in documents.sections(page):
        assert [body for body in bodies if not body.startswith(ELSEWHERE)
                and re.search(r"\bdig\b.*@(192\.0\.2\.53|\$node)", body)] == []


def test_operation_and_runbooks(machine):
    """From installation to a crash, with what each step is to lead to."""
    status, text = machine([*documents.sections("docs/operation.md"), *documents.sections("docs/runbooks.md"), [
        ELSEWHERE + "dig @192.0.2.53 new.example TXT +norecurse\n",
        "cat /etc/stele/cookie.secrets\nps -o user= -C stele-responder\nps -o user= -C stele-mgmtd\n"
        "! grep Unknown /tmp/systemd-networkd.log\n"
        "until ip route get 203.0.113.1 from 192.0.2.53 | grep x-edge0; do sleep 0.1; done\n"
        "ip route get 192.0.2.7 from 192.0.2.53\n"
        "ip route get 198.51.100.7\n"]])
    assert status == 0, text
    # operation.md
    assert "192.0.2.80" in text and "is served with serial 2024010102 on every core" in text
    assert "is served again" in text
    assert re.search(r'new\.example\..*TXT\s+"new"', text)
    assert re.search(r'newest\.example\..*TXT\s+"updated"', text)
    assert "is served with serial 2024010104 on every core" in text
    assert re.search(r"^customer\.example\. .* secondary ", text, re.M)
    # runbooks.md
    for zone in "added", "other", "listed":
        assert "%s.example. is served with serial 1 on every core" % zone in text
    assert "not beyond" not in re.sub(r"^\+.*$", "", text, flags=re.M)
    assert re.search(r"^stele-mgmtd: .*key=change\.example\.", text, re.M)
    assert "read again: cookie" in text and "notAfter=" in text
    assert "\nunhealthy: drained\n" in text and "\nhealthy\n" in text and "\nok\n" in text
    assert "is served with serial 2024010105 on every core" in text
    assert "refused, with status 1" in text and "bad here too" in text
    assert re.search(r'^stele_zone_served_serial\{zone="example."\} 2024010105$', text, re.M)
    assert re.search(r"^role +primary", text.rpartition("stelectl zone customer.example")[2], re.M)
    assert re.search(r"^[0-9a-f]{32}$\n.*\nstele$\n.*\nroot\nstele$", text, re.M), text
    assert "\n192.0.2.7 from 192.0.2.53 dev x-edge0 " in text and "\n198.51.100.7 dev admin0 " in text
    assert "\n203.0.113.1 from 192.0.2.53 via 192.0.2.1 dev x-edge0 " in text
