# SPDX-License-Identifier: Apache-2.0
"""The commands of README.md, docs/operation.md and docs/runbooks.md work as they stand there.

Blocks marked `sh` run here, in their order, in one shell; `yaml` is a configuration. Blocks marked `console` are
those that build, ask for a network card, or are run by another test (test_docs_commands.py says which).

The machine of docs/operation.md: namespaces for network and files, in which /etc, /usr and /var are
the real ones with all changes thrown away; the port is a veth with AF_PACKET instead of a card.
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
	stele-responder) $(line ExecStart) >>/tmp/$name.log 2>&1 </dev/null & ;;
	stele-mgmtd) nsenter --net=/run/netns/node $(line ExecStart) >>/tmp/$name.log 2>&1 </dev/null & ;;
	esac
	echo $! >$pid
	until up >/dev/null 2>&1; do kill -0 $! || { cat /tmp/$name.log; exit 1; }; sleep 0.1; done
	# The kernel's interface is there now: the way to the primary.
	nsenter --net=/run/netns/node ip route replace 203.0.113.1 via 192.0.2.1
}
end() { kill -$1 $(cat $pid); while kill -0 $(cat $pid) 2>/dev/null; do sleep 0.1; done; }
case "$*" in
"enable --now "*) [ $name = stele-responder ] || sh /tmp/primary; start ;;
"start "*) start ;;
"stop "*) end TERM ;;
"restart "*) end TERM; start ;;
"kill --signal=KILL "*) end KILL; start ;;    # as Restart=always has it
*) echo "systemctl: what is '$*'?" >&2; exit 1 ;;
esac
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
nsenter --net=/mnt/client ip link set lo up
nsenter --net=/mnt/client ip addr add 203.0.113.1/32 dev lo
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

# In place of a program: the same in a namespace of its own, ...
INSIDE = """#!/bin/sh
exec nsenter --net=/mnt/{namespace} /mnt/programs/{name} "$@"{more}
"""
# ... and nodes of a fleet that are all this machine.
SSH = "#!/bin/sh\nshift\nexec sh -ec \"$*\"\n"
SCP = "#!/bin/sh\nexec cp \"$2\" \"${3#*:}\"\n"
STAND_INS = {
    "systemctl": SYSTEMCTL, "ssh": SSH, "scp": SCP,
    "dig": INSIDE.format(name="dig", namespace="client", more=" +time=5"),
    "nsupdate": INSIDE.format(name="nsupdate", namespace="client", more=""),
    "openssl": INSIDE.format(name="openssl", namespace="client", more=""),
    "curl": INSIDE.format(name="curl", namespace="node", more=""),
}

MACHINE = r"""
set -e
mount -t tmpfs none /mnt
touch /mnt/client /mnt/node
mount --bind /run/netns/{client} /mnt/client
mount --bind /run/netns/{node} /mnt/node
nsenter --net=/mnt/node ip link set lo up
for name in etc usr var; do
	mkdir /mnt/$name /mnt/$name.work
	mount -t overlay overlay -o lowerdir=/$name,upperdir=/mnt/$name,workdir=/mnt/$name.work /$name
done
cp -a {installed}/usr/local/. /usr/local/
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir /mnt/programs
for name in {stand_ins}/*; do
	name=${{name##*/}}
	[ ! -e /usr/bin/$name ] || cp /usr/bin/$name /mnt/programs/
	rm -f /usr/bin/$name
	install -m 755 {stand_ins}/$name /usr/bin/$name
done
mkdir -p /etc/stele
cp {config} /etc/stele/responder.yaml
cp {mgmtd_config} /etc/stele/mgmtd.yaml
mount -t tmpfs none /run
mkdir /run/netns
touch /run/netns/node
mount --bind /mnt/node /run/netns/node
mount -t tmpfs none /tmp
printf '%s' "$PRIMARY" >/tmp/primary
cd /mnt
mkdir repository
cp -a {root}/config {root}/scripts repository/
cd repository
exec sh -exc "$SCRIPT"
"""


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


def the_configurations():
    """Of the responder, of the daemon."""
    return [text for kind, text in blocks("docs/operation.md") if kind == "yaml"]


@pytest.mark.parametrize("text", [text for kind, text in blocks("docs/runbooks.md") if kind == "yaml"])
def test_what_the_runbooks_configure_is_right(tmp_path, text):
    (tmp_path / "mgmtd.yaml").write_text(text)
    done = mgmtd.run("-c", tmp_path / "mgmtd.yaml", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configurations_are_right(tmp_path):
    programs = responder.binary(), mgmtd.program("stele-mgmtd", "STELE_MGMTD")
    texts = the_configurations()
    assert len(texts) == 2
    for program, text in zip(programs, texts):
        path = tmp_path / "file.yaml"
        path.write_text(text)
        done = subprocess.run([program, "-c", path, "--check"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("program,example", [("stele-responder", "config/responder.example.yaml"),
                                             ("stele-mgmtd", "config/mgmtd.example.yaml")])
def test_the_examples_have_all_options(program, example):
    """As the pages say of them. That they are right is tested with the programs (test_*_life.py)."""
    section = documents.text("docs/configuration.md").split("\n## %s\n" % program)[1].split("\n## ")[0]
    options = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert len(options) > 40
    text = documents.text(example)
    assert [name for name in options if not re.search(r"\b%s:" % name, text)] == []


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
    """Returns a function that runs a script there, and gives its status and output."""
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
    config = tmp_path / "responder.yaml"
    of_responder, of_daemon = the_configurations()
    config.write_text(without_a_card(of_responder))
    mgmtd_config = tmp_path / "mgmtd.yaml"
    mgmtd_config.write_text(of_daemon)
    # Only for its namespaces and its veth.
    node = responder.Node("none", port="af_packet", start=False)
    node.client.ip("link", "set", node.interface, "up")
    node.client.ip("addr", "add", "192.0.2.1/24", "dev", node.interface)

    def run(text):
        stand_ins = tmp_path / "stand-ins"
        stand_ins.mkdir()
        for name, body in STAND_INS.items():
            (stand_ins / name).write_text(body)
        setup = MACHINE.format(client=node.client.name, stand_ins=stand_ins, node=node.node.name, installed=installed,
                               config=config, mgmtd_config=mgmtd_config, root=ROOT)
        # The first process of its own tree: whatever it has started ends with it.
        command = node.wire.command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                                    "sh", "-c", setup)
        done = subprocess.run(command, env={**os.environ, "PRIMARY": PRIMARY, "SCRIPT": text},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, preexec_fn=peers.end_with_parent)
        return done.returncode, done.stdout

    yield run
    node.stop()


def test_operation_and_runbooks(machine):
    """From installation to a crash, with what each step is to lead to."""
    status, text = machine(script("docs/operation.md") + script("docs/runbooks.md") +
                           "\ndig @192.0.2.53 new.example TXT +norecurse\n"
                           "cat /etc/stele/cookie.secrets\nps -o user= -C stele-responder\n"
                           "ps -o user= -C stele-mgmtd\n")
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
    assert "read again: cookie" in text and "notAfter=" in text
    assert "is drained" in text and "\nok\n" in text
    assert "is served with serial 2024010105 on every core" in text
    assert "refused, with status 1" in text and "bad here too" in text
    assert re.search(r'^stele_zone_served_serial\{zone="example."\} 2024010105$', text, re.M)
    assert re.search(r"^role +primary", text.rpartition("stelectl zone customer.example")[2], re.M)
    assert re.search(r"^[0-9a-f]{32}$\n.*\nstele$\n.*\nroot\nstele$", text, re.M), text
