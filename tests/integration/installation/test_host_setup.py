# SPDX-License-Identifier: Apache-2.0
"""scripts/host-setup on a machine made of files: what it says, what it writes, how it leads back."""
import os
import subprocess
import threading
import time

import pytest

import documents

NIC, SECOND, MELLANOX, BRIDGE = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0", "0000:00:01.0"
HUGE_2M = "sys/kernel/mm/hugepages/hugepages-2048kB"
NODE_1G = "sys/devices/system/node/node1/hugepages/hugepages-1048576kB"
NOIOMMU = "sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
STATE = "var/lib/stele-host-setup/state"


class Machine:
    """The files of /sys and /proc that the script looks at, and the part of the kernel that binds drivers."""

    def __init__(self, folder):
        self.folder = str(folder)
        for pages in HUGE_2M, NODE_1G:
            self.write(pages + "/nr_hugepages", "0")
            self.write(pages + "/free_hugepages", "0")
        self.write("sys/devices/system/cpu/online", "0-7")
        self.write("sys/devices/system/cpu/isolated", "")
        for core in range(8):
            self.write("sys/devices/system/cpu/cpu%d/topology/thread_siblings_list" % core,
                       "%d,%d" % (core % 4, core % 4 + 4))
        self.write("proc/cmdline", "root=/dev/sda1 quiet")
        self.write(NOIOMMU, "N")
        self.card(BRIDGE, "pcieport", group=1, kind="0x060400")
        self.card(NIC, "ixgbe", group=1, interface="eth1")
        self.card(MELLANOX, "mlx5_core", group=2, interface="eth2", up=True)
        self.driver("vfio-pci")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def driver(self, name):
        os.makedirs(self.path("sys/bus/pci/drivers/" + name), exist_ok=True)

    def card(self, address, driver, group=None, kind="0x020000", interface=None, up=False):
        device = "sys/bus/pci/devices/" + address
        self.write(device + "/class", kind)
        self.write(device + "/numa_node", "0")
        if driver:
            self.driver(driver)
            os.symlink("../../drivers/" + driver, self.path(device + "/driver"))
        if interface:
            self.write(device + "/net/%s/flags" % interface, "0x1003" if up else "0x1002")
        if group is not None:
            devices = "sys/kernel/iommu_groups/%d/devices" % group
            os.makedirs(self.path(devices), exist_ok=True)
            os.symlink(self.path(device), self.path(devices + "/" + address))
            os.symlink(self.path(os.path.dirname(devices)), self.path(device + "/iommu_group"))

    def bound(self, address):
        try:
            return os.path.basename(os.readlink(self.path("sys/bus/pci/devices/%s/driver" % address)))
        except FileNotFoundError:
            return None

    def run(self, *words, kernel=True, programs=""):
        """The script's status and all that it says; with `kernel`, what it writes has its effect. Programs of the
        folder `programs` go before others."""
        path = "%s:%s" % (programs, os.environ["PATH"]) if programs else os.environ["PATH"]
        stop = threading.Event()
        thread = threading.Thread(target=self._bind_drivers, args=(stop,))
        if kernel:
            thread.start()
        try:
            done = subprocess.run([os.path.join(documents.ROOT, "scripts/host-setup"), "--root", self.folder, *words],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, env={**os.environ, "PATH": path})
        finally:
            stop.set()
            if kernel:
                thread.join()
        return done.returncode, done.stdout

    def _bind_drivers(self, stop):
        drivers = self.path("sys/bus/pci/drivers")
        while not stop.is_set():
            for driver in os.listdir(drivers):
                address = self.read("sys/bus/pci/drivers/%s/bind" % driver)
                if address:
                    link = self.path("sys/bus/pci/devices/%s/driver" % address)
                    if os.path.lexists(link):
                        os.unlink(link)
                    # The next address is written when the link is there.
                    os.unlink(os.path.join(drivers, driver, "bind"))
                    os.symlink("../../drivers/" + driver, link)
            time.sleep(0.01)

    def snapshot(self):
        """Every file with its text, every link with its target."""
        found = {}
        for folder, folders, files in os.walk(self.folder):
            for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                path = os.path.join(folder, name)
                found[path] = os.readlink(path) if os.path.islink(path) else self.read(path)
        return found


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


# ---- what it says ----

def test_report(machine):
    status, text = machine.run()
    assert status == 0
    assert "huge pages  2M: 0, of these free 0" in text
    assert "cores       0-7; isolated: none" in text
    assert NIC + "  driver ixgbe, node 0: can be given to the responder" in text
    assert MELLANOX + "  driver mlx5_core, node 0: ready: shared with the kernel" in text
    assert BRIDGE not in text


def test_nothing_changes_without_apply(machine):
    before = machine.snapshot()
    status, text = machine.run("--huge-pages", "2M=64", "--huge-pages", "1G=2@1", "--nic", NIC,
                               "--cores", "2,3,6,7")
    assert status == 0 and machine.snapshot() == before
    assert "echo 64 > %s/nr_hugepages" % machine.path(HUGE_2M) in text
    assert "echo 2 > %s/nr_hugepages" % machine.path(NODE_1G) in text
    assert "echo %s > %s" % (NIC, machine.path("sys/bus/pci/drivers/ixgbe/unbind")) in text
    assert "echo vfio-pci > %s" % machine.path("sys/bus/pci/devices/%s/driver_override" % NIC) in text
    assert "echo %s > %s" % (NIC, machine.path("sys/bus/pci/drivers/vfio-pci/bind")) in text
    assert "isolcpus=managed_irq,domain,2,3,6,7 nohz_full=2,3,6,7 rcu_nocbs=2,3,6,7 irqaffinity=0,1,4,5" in text
    assert "nothing was changed" in text


def test_a_bifurcated_card_needs_nothing(machine):
    before = machine.snapshot()
    status, text = machine.run("--nic", MELLANOX, "--apply")
    assert status == 0 and "nothing to bind" in text and machine.snapshot() == before


def test_cores_that_are_isolated(machine):
    machine.write("proc/cmdline", "isolcpus=managed_irq,domain,3,7 nohz_full=3,7 rcu_nocbs=3,7 "
                                  "irqaffinity=0,1,2,4,5,6")
    status, text = machine.run("--cores", "3,7")
    assert status == 0 and "isolated, as it is" in text


def test_half_of_a_core(machine):
    """Two cores of the list and their siblings that are not in it."""
    status, text = machine.run("--cores", "2-3")
    assert status == 0 and "core 2 shares its hardware with 6" in text


# ---- what it does ----

def test_as_the_page_says(machine):
    """docs/operation.md: first what would be done, then the same with --apply, then back."""
    lines = [documents.commands(line)[0][1:] for kind, body in documents.blocks("docs/operation.md")
             for line in documents.lines(body) if line.startswith("scripts/host-setup --")]
    assert [words[-1] for words in lines] == ["2-5", "--apply"] and lines[1][:-1] == lines[0]
    pages = "sys/kernel/mm/hugepages/hugepages-1048576kB/"
    for name in "nr_hugepages", "free_hugepages":
        machine.write(pages + name, "0")
    before = machine.snapshot()
    status, text = machine.run(*lines[0])
    assert status == 0 and machine.snapshot() == before and "nothing was changed" in text
    status, text = machine.run(*lines[1])
    assert status == 0, text
    assert machine.read(pages + "nr_hugepages") == "5" and machine.bound(NIC) == "vfio-pci"
    status, text = machine.run("--undo", "--apply")
    assert status == 0, text
    assert machine.bound(NIC) == "ixgbe"


def test_at_each_boot_as_the_page_says(machine):
    """docs/operation.md: what the unit gives to it. See test_install.py and tests/machine for the unit."""
    (line,) = [line for kind, body in documents.blocks("docs/operation.md")
               for line in documents.lines(body) if line.startswith("echo 'ARGUMENTS=")]
    text, _, path = line.removeprefix("echo ").rpartition(" > ")
    with open(os.path.join(documents.ROOT, "config/systemd/stele-host-setup.service.in"), encoding="ascii") as file:
        assert "EnvironmentFile=%s\n" % path in file.read()
    pages = "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
    machine.write(pages, "0")
    words = text.strip("'").removeprefix("ARGUMENTS=").split()
    status, said = machine.run("--apply", *words)
    assert status == 0, said
    assert machine.read(pages) != "0" and machine.bound(NIC) == "vfio-pci"
    assert machine.run("--apply", *words)[1].count("as it is") == 2


def test_apply_and_undo(machine):
    before = machine.snapshot()
    status, text = machine.run("--huge-pages", "2M=64", "--nic", NIC, "--apply")
    assert status == 0, text
    assert machine.read(HUGE_2M + "/nr_hugepages") == "64" and machine.bound(NIC) == "vfio-pci"
    assert machine.read("sys/bus/pci/drivers/ixgbe/unbind") == NIC

    status, text = machine.run("--huge-pages", "2M=128", "--nic", NIC, "--apply")
    assert status == 0 and "vfio-pci, as it is" in text

    status, text = machine.run("--undo")
    assert status == 0 and "nothing was changed" in text and machine.bound(NIC) == "vfio-pci"

    status, text = machine.run("--undo", "--apply")
    assert status == 0, text
    assert machine.read(HUGE_2M + "/nr_hugepages") == "0" and machine.bound(NIC) == "ixgbe"
    # What was there is as it was; files that only take orders are not there on a real machine.
    assert {path: text for path, text in machine.snapshot().items() if path in before} == before
    assert "nothing to undo" in machine.run("--undo", "--apply")[1]


def test_what_undo_says_may_be_typed(machine):
    """The lines that it prints do what it would do, down to the driver_override that is made empty."""
    override = "sys/bus/pci/devices/%s/driver_override" % NIC
    assert machine.run("--nic", NIC, "--apply")[0] == 0 and machine.read(override) == "vfio-pci"
    status, text = machine.run("--undo")
    lines = [line for line in text.splitlines() if line.startswith("  echo ")]
    assert status == 0 and "  echo '' > %s" % machine.path(override) in lines
    subprocess.run(["sh", "-ec", "\n".join(lines)], check=True)
    assert machine.read(override) == ""
    assert machine.read("sys/bus/pci/drivers/ixgbe/bind") == NIC


def test_undo_says_what_it_leaves(machine):
    """What was done by hand, as the script and the page advise."""
    assert "by hand" not in machine.run("--undo")[1]
    machine.write("etc/default/grub.d/stele.cfg", "GRUB_CMDLINE_LINUX=...")
    link(machine.path("etc/systemd/system/multi-user.target.wants/stele-host-setup.service"),
         "/lib/systemd/system/stele-host-setup.service")
    before = machine.snapshot()
    status, text = machine.run("--undo", "--apply")
    assert status == 0 and machine.snapshot() == before
    assert "rm %s, update-grub" % machine.path("etc/default/grub.d/stele.cfg") in text
    assert "systemctl disable stele-host-setup" in text


def test_a_card_without_a_driver(machine):
    machine.card(SECOND, None, group=3)
    assert machine.run("--nic", SECOND, "--apply")[0] == 0
    assert machine.bound(SECOND) == "vfio-pci"


def test_no_iommu_is_said_and_undone(machine):
    machine.card(SECOND, "ixgbe")
    status, text = machine.run("--nic", SECOND, "--apply")
    assert status == 1 and "no IOMMU" in text and machine.bound(SECOND) == "ixgbe"
    assert machine.run("--nic", SECOND, "--no-iommu", "--apply")[0] == 0
    assert machine.read(NOIOMMU) == "Y" and machine.bound(SECOND) == "vfio-pci"
    assert machine.run("--undo", "--apply")[0] == 0
    assert machine.read(NOIOMMU) == "N" and machine.bound(SECOND) == "ixgbe"


def test_too_few_pages(machine):
    """A file that does not keep what is written stands for a kernel that does not find the memory."""
    os.unlink(machine.path(HUGE_2M + "/nr_hugepages"))
    os.symlink("/dev/null", machine.path(HUGE_2M + "/nr_hugepages"))
    status, text = machine.run("--huge-pages", "2M=64", "--apply")
    assert status == 3 and "has 0 huge pages of 2M now (asked for: 64)" in text


def test_a_driver_that_does_not_take_the_card(machine):
    status, text = machine.run("--nic", NIC, "--apply", kernel=False)
    assert status == 3 and "vfio-pci does not take it" in text
    # What was begun can be undone.
    assert "nic %s ixgbe" % NIC in machine.read(STATE)


# ---- what it remembers ----

def test_nobody_else_sees_what_is_remembered(machine):
    before = os.umask(0)
    try:
        assert machine.run("--huge-pages", "2M=64", "--apply")[0] == 0
    finally:
        os.umask(before)
    assert machine.read(STATE) == "pages /%s 0" % HUGE_2M
    assert os.stat(os.path.dirname(machine.path(STATE))).st_mode & 0o7777 == 0o700
    assert os.stat(machine.path(STATE)).st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("line", [
    "noiommu /etc/cron.d/x * * * * * root id", "noiommu /%s *" % NOIOMMU,
    "pages /etc 1", "pages /%s/../../../../../etc 1" % HUGE_2M, "pages /%s -1" % HUGE_2M, "pages /%s" % HUGE_2M,
    "nic ../../../../etc ixgbe", "nic %s ../../../../etc" % NIC, "nic %s" % NIC, "other /etc/cron.d/x 1",
    "pages /%s 1\nnoiommu /etc/cron.d/x Y" % HUGE_2M,
])
def test_lines_that_it_never_writes(machine, line):
    """Not one line is followed, for it would be with root's rights."""
    machine.write("etc/cron.d/x", "")
    machine.write(STATE, line)
    os.chmod(os.path.dirname(machine.path(STATE)), 0o700)
    before = machine.snapshot()
    status, text = machine.run("--undo", "--apply")
    assert status == 1 and "host-setup does not write that" in text and machine.snapshot() == before


def link(path, target):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def give(path):
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize("words", [("--huge-pages", "2M=64", "--apply"), ("--undo", "--apply")], ids=" ".join)
@pytest.mark.parametrize("whose, spoil", [
    ("folder", lambda machine, path: (os.rename(path, path + "2"), link(path, path + "2"))),
    ("folder", lambda machine, path: os.chmod(path, 0o770)),
    ("folder", lambda machine, path: give(path)),
    ("file", lambda machine, path: (os.rename(path, path + "2"), link(path, path + "2"))),
    ("file", lambda machine, path: os.chmod(path, 0o646)),
    ("file", lambda machine, path: give(path)),
], ids="linked folder,open folder,given folder,linked file,open file,given file".split(","))
def test_others_could_have_written_it(machine, words, whose, spoil):
    if os.geteuid() and spoil.__code__.co_names == ("give",):
        pytest.skip("needs root, to give files away")
    assert machine.run("--huge-pages", "2M=32", "--apply")[0] == 0
    path = machine.path(STATE)
    spoil(machine, path if whose == "file" else os.path.dirname(path))
    before = machine.snapshot()
    status, text = machine.run(*words)
    assert status == 1 and "others could have written" in text and machine.snapshot() == before


# ---- what is in the way ----

def test_an_interface_that_is_up(machine):
    machine.write("sys/bus/pci/devices/%s/net/eth1/flags" % NIC, "0x1003")
    before = machine.snapshot()
    status, text = machine.run("--nic", NIC, "--apply")
    assert status == 1 and "its interface eth1 is up" in text and machine.snapshot() == before
    assert machine.run("--nic", NIC, "--force")[0] == 0


def test_an_interface_of_virtio_that_is_up(machine):
    machine.write("sys/bus/pci/devices/%s/virtio0/net/eth3/flags" % NIC, "0x1003")
    status, text = machine.run("--nic", NIC)
    assert status == 1 and "its interface eth3 is up" in text


def test_a_group_that_others_use(machine):
    machine.card(SECOND, "ixgbe", group=1)
    status, text = machine.run("--nic", NIC)
    assert status == 1 and "shares an IOMMU group with " + SECOND in text
    assert machine.run("--nic", NIC, "--nic", SECOND)[0] == 0


@pytest.mark.parametrize("words, says", [
    (["--nic", "0000:09:00.0"], "there is no PCI device"),
    (["--nic", BRIDGE], "is no network card"),
    (["--huge-pages", "1G=1"], "there are no huge pages of 1G"),
    (["--huge-pages", "2M=1@7"], "there are no huge pages of 2M on node 7 here"),
    (["--cores", "9"], "there is no core 9"),
    (["--cores", "0-7"], "leaves no core"),
])
def test_what_is_not_there(machine, words, says):
    before = machine.snapshot()
    status, text = machine.run(*words, "--apply")
    assert status == 1 and says in text and machine.snapshot() == before


@pytest.mark.parametrize("words, says", [
    (["--huge-pages", "2M=64", "--nic", SECOND], "its interface eth3 is up"),
    (["--nic", NIC, "--nic", SECOND], "its interface eth3 is up"),
    (["--nic", NIC, "--nic", "0000:09:00.0"], "there is no PCI device"),
    (["--huge-pages", "2M=64", "--huge-pages", "1G=1"], "there are no huge pages of 1G"),
    (["--huge-pages", "2M=64", "--nic", NIC, "--cores", "2-99"], "there is no core 8"),
    (["--huge-pages", "2M=64", "--nic", NIC, "--cores", "0-7"], "leaves no core"),
], ids=str)
def test_all_or_nothing(machine, words, says):
    """What is in the way of one thing that was asked for is said before another is done."""
    machine.card(SECOND, "ixgbe", group=3, interface="eth3", up=True)
    before = machine.snapshot()
    status, text = machine.run(*words, "--apply")
    assert status == 1 and says in text and machine.snapshot() == before
    assert len(text.splitlines()) == 1


def test_a_kernel_without_vfio(machine, tmp_path):
    os.rmdir(machine.path("sys/bus/pci/drivers/vfio-pci"))
    modprobe = tmp_path / "bin/modprobe"
    modprobe.parent.mkdir()
    modprobe.write_text("#!/bin/sh\nexit 1\n")
    modprobe.chmod(0o755)
    before = machine.snapshot()
    status, text = machine.run("--huge-pages", "2M=64", "--nic", NIC, "--apply", programs=modprobe.parent)
    assert status == 1 and "the kernel has no vfio-pci" in text and machine.snapshot() == before


@pytest.mark.parametrize("what, name, why", [
    ("write", "sys/bus/pci/devices/%s/driver_override" % NIC, "No space left on device"),
    ("write", "sys/bus/pci/drivers/vfio-pci/bind", "Is a directory"),
    ("write", STATE, "Is a directory"),
    ("make", os.path.dirname(STATE), "Not a directory"),
])
def test_why_it_cannot_be_written(machine, what, name, why):
    """As the system says it; to root not that root is needed."""
    path = machine.path(name)
    if why == "No space left on device":
        link(path, "/dev/full")
    elif why == "Is a directory":
        os.makedirs(path, 0o700)
    else:
        machine.write(os.path.dirname(name), "in the way")
    status, text = machine.run("--nic", NIC, "--apply", kernel=False)
    assert status == 3
    assert "cannot %s %s: %s%s\n" % (what, path, why, " (needs root)" if os.geteuid() else "") in text


@pytest.mark.parametrize("words", [("--huge-pages", "1G=1", "--huge-pages", "1G=2"), ("--cores", "1", "--cores", "1"),
                                   ("--huge-pages", "2M=1@0", "--huge-pages", "2M=1@0")], ids=" ".join)
def test_given_twice(machine, words):
    """Nobody can tell which is meant."""
    status, text = machine.run(*words)
    assert status == 2 and "twice" in text


def test_root_that_is_not_there(tmp_path):
    """No report of a machine that has nothing."""
    done = subprocess.run([os.path.join(documents.ROOT, "scripts/host-setup"), "--root", tmp_path / "none"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "none/sys" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("words", [
    ["--nonsense"], ["--apply"], ["--nic"], ["--nic", "eth0"], ["--huge-pages", "4K=1"],
    ["--huge-pages", "2M"], ["--huge-pages", "2M=-1"], ["--cores", "a"], ["--cores", "5-2"],
    ["--cores", "2,5-4"],
    ["--undo", "--cores", "1"],
])
def test_usage(machine, words):
    before = machine.snapshot()
    assert machine.run(*words)[0] == 2 and machine.snapshot() == before
