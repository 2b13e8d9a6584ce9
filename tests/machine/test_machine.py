# SPDX-License-Identifier: Apache-2.0
"""The responder as docs/operation.md has it installed, on a machine with network cards, IOMMU, systemd: see guest.py.

What no namespace can show: cards by their PCI address through vfio, RSS and checksums of a card, the way to the
kernel over vhost-net, units and their hardening at work, and a boot after which nobody touches anything.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

import netns
import questions
import stele
import worlds
from conftest import need

import asking
import guest as machines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("namespaces")]

CONFIG = """image: /var/lib/stele/current.image
memory: { image_arena: 1G }
ports:
  - device: "0000:00:05.0"
    name: edge0
    addresses: [10.53.0.2/24, "fd53::2/64"]
    cores: [1, 2]
    exception: { interface: x-edge0 }
  - device: "0000:00:06.0"
    name: edge1
    addresses: [10.54.0.2/24, "fd54::2/64"]
    cores: [3]
idle: { mode: sleep, max_delay: 1ms }
cookies: { enabled: false }
rrl: { enabled: false }
"""
DAEMON = """listen: [{ address: 10.53.0.2 }]
cookies: { enabled: false }
"""
CARDS = "--nic %s --nic %s" % (machines.VIRTIO, machines.E1000E)
SETUP = CARDS + " --huge-pages 2M=700"
SETUP_FILE = "/etc/stele/host-setup.env"
PORTS = {"virtio, IPv4": ("10.53.0.2", "10.53.0.1"), "virtio, IPv6": ("fd53::2", "fd53::1"),
         "e1000e, IPv4": ("10.54.0.2", "10.54.0.1"), "e1000e, IPv6": ("fd54::2", "fd54::1")}
WAIT_S = 600


class Edge:
    """The machine with the responder on it, and the zones that it serves."""

    def __init__(self, guest, zones, asks):
        self.guest, self.zones, self.asks = guest, zones, asks

    def ask(self, messages, host):
        return self.guest.namespace.call(asking.ask_udp, 53, messages, host=host, window=16, tries_max=40)

    def wait_for_answers(self, host):
        """Until it answers there, whatever it was asked."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            (reply,) = self.guest.namespace.call(asking.ask_udp, 53, [self.asks[0].message], host=host)
            if reply:
                return
        raise AssertionError("no answers at %s\n%s" % (host, self.guest.shell(
            "journalctl -u stele-responder --no-pager | tail -40")))

    def status(self):
        return json.loads(self.guest.shell("stelectl status --json --socket /run/stele/responder.sock"))

    def stats(self):
        return json.loads(self.guest.shell("stelectl stats --json --cores --socket /run/stele/responder.sock"))

    def unit(self, what):
        return self.guest.shell("systemctl show -P %s stele-responder" % what).strip()

    def huge_pages(self):
        return self.guest.shell("cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").strip()

    def driver(self, card):
        return os.path.basename(self.guest.shell(
            "readlink /sys/bus/pci/devices/%s/driver || true" % card).strip())


@pytest.fixture(scope="module", name="guest")
def is_running(tmp_path_factory):
    """$STELE_MACHINE keeps the disk for the next run; it is made anew if it is not there."""
    need("qemu-system-x86_64", "mmdebstrap", "mke2fs", "ssh", "ssh-keygen")
    made = pathlib.Path(os.environ.get("STELE_MACHINE") or tmp_path_factory.mktemp("machine"))
    if not (made / "disk").exists():
        made.mkdir(parents=True, exist_ok=True)
        machines.make_disk(made)
    folder = made
    if "STELE_MACHINE" in os.environ:
        folder = tmp_path_factory.mktemp("machine")
        netns.run("cp", "--sparse=always", "-t", folder, *(
            made / name for name in ("disk", "vmlinuz", "initrd.img", "key")))
    with machines.Guest(folder) as guest:
        yield guest
    if folder != made:
        shutil.rmtree(folder)


@pytest.fixture(scope="module", name="edge")
def is_set_up(guest, tmp_path_factory, peers_installed):
    """By the commands of operation.md."""
    folder = tmp_path_factory.mktemp("zones")
    served = worlds.stage(str(folder), "nsec3")
    asks = [ask for name, path in served for ask in questions.questions(name, path, 0, 150)]
    with stele.Stele(served) as zones:
        guest.shell("systemd-sysusers && systemd-tmpfiles --create && mkdir -p /etc/stele")
        guest.send(zones.image, "/var/lib/stele/current.image")
        guest.shell("chown stele:stele /var/lib/stele/current.image")
        guest.write("/etc/stele/responder.yaml", CONFIG)
        guest.write(SETUP_FILE, "ARGUMENTS=%s\n" % SETUP)
        guest.shell("systemctl enable --now stele-host-setup")
        guest.shell("stele-responder -c /etc/stele/responder.yaml --check")
        guest.shell("systemctl enable --now stele-responder")
        yield Edge(guest, zones, asks)


def test_the_cards_are_ready(guest, edge):
    """Each in an IOMMU group of its own, and the script says so."""
    for card in machines.VIRTIO, machines.E1000E:
        assert edge.driver(card) == "vfio-pci"
        assert guest.shell("ls /sys/bus/pci/devices/%s/iommu_group/devices" % card).split() == [card]
        assert "card        %s  driver vfio-pci" % card in guest.shell("stele-host-setup")
    assert "as it is" in guest.shell("stele-host-setup " + SETUP)


def test_it_runs_as_its_user_without_rights(guest, edge):
    assert edge.unit("ActiveState") == "active" and edge.unit("Type") == "notify"
    pid = edge.unit("MainPID")
    assert guest.shell("ps -o user= -p " + pid).strip() == "stele"
    rights = guest.shell("grep -h CapEff /proc/%s/task/*/status" % pid).split()
    kept = {int(word, 16) for word in rights if word != "CapEff:"}
    print("capabilities:", [hex(value) for value in kept])
    assert all(value & ~(1 << 12 | 1 << 13) == 0 for value in kept)    # CAP_NET_ADMIN, CAP_NET_RAW


@pytest.mark.parametrize("port", list(PORTS))
def test_same_answers(edge, port):
    """Byte for byte what the engine composes."""
    host, client = PORTS[port]
    messages = [ask.message for ask in edge.asks]
    asked = [(message, reply) for message, reply in zip(messages, edge.zones.ask(messages, client=client)) if reply]
    replies = edge.ask([message for message, _ in asked], host)
    wrong = [(message.hex(), reply and reply.hex(), mine.hex())
             for (message, mine), reply in zip(asked, replies) if not reply or reply[2:] != mine[2:]]
    assert len(asked) > 500
    assert not wrong, "%d of %d differ: query, over the card, expected\n%s" % (
        len(wrong), len(asked), "\n".join(map(str, wrong[:3])))


def test_the_card_spreads_flows_over_its_queues(edge):
    before = edge.stats()["cores"]
    for _ in range(40):    # each time from another port
        edge.ask([edge.asks[0].message] * 4, "10.53.0.2")
    after = edge.stats()
    more = {core["core"]: core["answered"] - old["answered"] for core, old in zip(after["cores"], before)}
    assert min(more[1], more[2]) >= 20, more
    assert after["balance"] == 0


def test_the_kernel_s_side_is_vhost(guest, edge):
    pid = edge.unit("MainPID")
    assert "/dev/vhost-net" in guest.shell("ls -l /proc/%s/fd" % pid)
    guest.write("/etc/stele/mgmtd.yaml", DAEMON)
    guest.shell("systemctl start stele-mgmtd")
    messages = [ask.message for ask in edge.asks[:300]]
    expected = edge.zones.ask(messages, tcp=True, client="10.53.0.1")
    deadline = time.monotonic() + WAIT_S
    while True:    # it may take a moment until the daemon has its address
        try:
            replies = guest.namespace.call(asking.ask_tcp, 53, messages, host="10.53.0.2")
            break
        except OSError:
            assert time.monotonic() < deadline, guest.shell("journalctl -u stele-mgmtd --no-pager | tail -20")
            time.sleep(1)
    wrong = [(message.hex(), reply and reply.hex(), mine.hex())
             for message, reply, mine in zip(messages, replies, expected)
             if mine and (not reply or reply[2:] != mine[2:])]
    assert not wrong, wrong[:3]


@pytest.mark.parametrize("port", list(PORTS))
def test_echo(guest, port, edge):
    host, _ = PORTS[port]
    netns.run(*guest.namespace.command("ping", "-c", "3", "-W", "60", "-i", "0.5", host))
    assert edge.stats()["balance"] == 0


def test_a_cable_that_comes_out(guest, edge):
    guest.plug("card0", False)
    wait_until(lambda: [port["link"] for port in edge.status()["ports"]] == ["down", "up"], edge)
    edge.wait_for_answers("10.54.0.2")
    assert edge.status()["healthy"]
    guest.plug("card1", False)
    wait_until(lambda: not edge.status()["healthy"], edge)
    guest.plug("card0", True)
    guest.plug("card1", True)
    wait_until(lambda: edge.status()["healthy"], edge)
    for host in "10.53.0.2", "fd53::2", "10.54.0.2", "fd54::2":
        edge.wait_for_answers(host)


def wait_until(holds, edge=None):
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, edge and edge.status()
        time.sleep(0.5)


def answers_ping(guest, host):
    return subprocess.run(guest.namespace.command("ping", "-c", "1", "-W", "60", host), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("how", ["KILL", "STOP"])
def test_it_is_back_by_itself(guest, edge, how):
    """Killed, or standing still until systemd's watchdog has enough. Huge pages and cards are free for the next."""
    pages, pid = edge.huge_pages(), edge.unit("MainPID")
    guest.shell("kill -%s %s" % (how, pid))
    wait_until(lambda: edge.unit("MainPID") not in ("0", pid) and edge.unit("ActiveState") == "active", edge)
    for host in "10.53.0.2", "10.54.0.2":
        edge.wait_for_answers(host)
    assert edge.huge_pages() == pages


@pytest.mark.parametrize("pages, setup, parameters", [
    ("1 GB", CARDS, "hugepagesz=1G hugepages=2"), ("plain", CARDS, ""), ("2 MB", SETUP, "")])
def test_a_boot(guest, edge, pages, setup, parameters):
    """Nobody sets anything up after it. Pages are those that the machine has, without a change of configuration."""
    guest.write(SETUP_FILE, "ARGUMENTS=%s\n" % setup)
    guest.reboot(parameters)
    for host in "10.53.0.2", "fd53::2", "10.54.0.2", "fd54::2":
        edge.wait_for_answers(host)
    assert edge.unit("ActiveState") == "active"
    assert edge.status()["arena"]["pages"] == pages + " pages"


def test_it_stops_and_all_is_as_before(guest, edge):
    guest.shell("systemctl stop stele-responder")
    assert edge.unit("Result") == "success" and edge.unit("ExecMainStatus") == "0"
    guest.shell("stele-host-setup --undo --apply")
    assert edge.driver(machines.VIRTIO) == "virtio-pci" and edge.driver(machines.E1000E) == "e1000e"
    assert edge.huge_pages() == "0"
    # The kernel's driver works with it again.
    names = guest.shell("ls /sys/bus/pci/devices/%s/net" % machines.E1000E).split()
    assert len(names) == 1
    guest.shell("ip link set %s up && ip addr add 10.54.0.9/24 dev %s" % (names[0], names[0]))
    # Its link takes its time, and who asks for its address meanwhile gives up.
    wait_until(lambda: answers_ping(guest, "10.54.0.9"))
