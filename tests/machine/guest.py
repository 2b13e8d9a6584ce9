# SPDX-License-Identifier: Apache-2.0
"""A whole machine for a test: Debian 12 in QEMU, with systemd, an IOMMU, and two network cards for the responder.

The disk is made by mmdebstrap from Debian's packages, with what `meson install` puts in place and the libraries that
those programs need: nothing is compiled inside. Where the host cannot virtualize, QEMU emulates the processor, and a
boot takes a minute or two. It runs in a network namespace of its own, with the other ends of its cards' cables.

    namespace:  wire0 -- 0000:00:05.0, virtio-net, two queues, RSS
                wire1 -- 0000:00:06.0, e1000e
                a port of 127.0.0.1 -- sshd
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import netns
import peers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("STELE_BUILD_DIR") or ROOT / "build")
VIRTIO, E1000E = "0000:00:05.0", "0000:00:06.0"
CORES = 4
BOOT_S = 1800    # an emulated machine on a busy one
DISK = "4G"
# Debian's kernel has vfio and vhost-net, which the responder asks for. The drivers of DPDK come with the meta packages.
PACKAGES = ("linux-image-amd64 systemd-sysv systemd-resolved udev kmod dbus procps iproute2 openssh-server "
            "librte-meta-bus librte-meta-mempool librte-meta-net").split()
PROGRAMS = "responder/stele-responder mgmt/stele-mgmtd mgmt/stelectl zonecompiler/stele-compile".split()


class GuestError(RuntimeError):
    """The machine did not start, or a command in it failed."""


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        raise GuestError("%s: exit status %d\n%s" % (words, done.returncode, done.stdout[-4000:]))
    return done.stdout


def libraries():
    """Debian's packages of the shared libraries that the programs name."""
    paths = set()
    for program in PROGRAMS:
        paths |= set(re.findall(r"=> (/\S+)", run("ldd", BUILD / program)))
    # dpkg knows a file by the path it was installed to, which /lib, a link to /usr/lib, hides.
    names = {os.path.basename(os.path.realpath(path)) for path in paths}
    return sorted({line.split(":")[0] for name in names
                   for line in run("dpkg", "-S", "*-linux-gnu/" + name).splitlines() if ": /" in line})


# --- the disk ---

def fill(tree, public_key):
    """What a person would do on the machine after its first boot."""
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", tree)
    (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(public_key, tree / "root/.ssh/authorized_keys")
    (tree / "etc/hostname").write_text("edge\n")
    (tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    # The cable of administration; whatever else there is belongs to nobody until a test says so.
    (tree / "etc/systemd/network/admin.network").write_text(
        "[Match]\nMACAddress=02:00:00:00:00:01\n[Network]\nAddress=10.0.2.15/24\n")
    for unit in "systemd-networkd", "ssh":
        run("systemctl", "--root", tree, "enable", unit)


def make_disk(folder):
    """disk, vmlinuz and initrd in the folder."""
    tree = folder / "tree"
    run("mmdebstrap", "--variant=minbase", "--include=" + ",".join([*PACKAGES, *libraries()]), "bookworm", tree)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    fill(tree, folder / "key.pub")
    for name in "vmlinuz", "initrd.img":
        shutil.copy(tree / name, folder / name)
    run("mke2fs", "-q", "-t", "ext4", "-d", tree, folder / "disk", DISK)
    shutil.rmtree(tree)


# --- the machine ---

class Guest:
    """A running machine. `folder` is where make_disk() was; what the machine writes goes into its disk there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.namespace = netns.Namespace("vm")
        self.process = None
        self.port = 2222    # of a namespace of its own
        # The path of a socket has no room for the folders of pytest.
        self.sockets = pathlib.Path(tempfile.mkdtemp(prefix="stele-vm-"))
        try:
            self._cable("wire0", "10.53.0.1/24", "fd53::1/64", "multi_queue")
            self._cable("wire1", "10.54.0.1/24", "fd54::1/64")
            self._start()
        except BaseException:
            self.stop()
            raise

    def _cable(self, name, address4, address6, *options):
        ip = self.namespace.ip
        ip("tuntap", "add", "dev", name, "mode", "tap", *options)
        ip("link", "set", name, "up")
        ip("addr", "add", address4, "dev", name)
        ip("addr", "add", address6, "dev", name, "nodad")

    def _start(self, parameters=""):
        command = [
            "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot",
            "-machine", "q35,accel=tcg,kernel-irqchip=off", "-cpu", "max", "-smp", CORES, "-m", "6144",
            "-device", "intel-iommu,intremap=on,aw-bits=48,device-iotlb=on",
            "-kernel", self.folder / "vmlinuz", "-initrd", self.folder / "initrd.img",
            "-append", "root=/dev/vda rw console=ttyS0 intel_iommu=on iommu=pt " + parameters,
            "-drive", "if=virtio,format=raw,file=%s" % (self.folder / "disk"),
            "-serial", "file:%s" % (self.folder / "console"),
            "-qmp", "unix:%s,server=on,wait=off" % (self.sockets / "qmp"),
            "-device", "virtio-rng-pci",
            "-netdev", "user,id=admin,restrict=on,hostfwd=tcp:127.0.0.1:%d-:22" % self.port,
            "-device", "virtio-net-pci,netdev=admin,mac=02:00:00:00:00:01,addr=4",
            "-netdev", "tap,id=wire0,ifname=wire0,script=no,downscript=no,queues=2,vhost=off",
            "-device", "virtio-net-pci,netdev=wire0,id=card0,mac=02:00:00:00:53:05,addr=5,mq=on,vectors=6,"
            "rss=on,iommu_platform=on,disable-legacy=on,ats=on",
            "-netdev", "tap,id=wire1,ifname=wire1,script=no,downscript=no",
            "-device", "e1000e,netdev=wire1,id=card1,mac=02:00:00:00:53:06,addr=6",
        ]
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(self.namespace.command(*command), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, preexec_fn=peers.end_with_parent)
        self.wait_for_ssh()

    # --- commands inside ---

    def _ssh(self, command):
        return self.namespace.command(
            "ssh", "-q", "-F", "/dev/null", "-i", self.folder / "key", "-p", self.port,
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
            "-o", "ConnectTimeout=60", "root@127.0.0.1", command)

    def shell(self, command, check=True):
        """What the shell command prints, errors too; GuestError if it fails."""
        done = subprocess.run(self._ssh(command), text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode:
            raise GuestError("in the machine: %s: exit status %d\n%s" % (command, done.returncode, done.stdout))
        return done.stdout

    def write(self, path, text):
        subprocess.run(self._ssh("cat > " + path), text=True, input=text, check=True, stdout=subprocess.DEVNULL)

    def send(self, file, path):
        with open(file, "rb") as data:
            subprocess.run(self._ssh("cat > " + path), stdin=data, check=True, stdout=subprocess.DEVNULL)

    def wait_for_ssh(self):
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            # Also when sshd listens before the machine has come up: systemctl waits for the rest.
            done = subprocess.run(self._ssh("systemctl is-system-running --wait"), text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.stdout.strip() in ("running", "degraded"):
                return
            time.sleep(2)
        raise GuestError("the machine does not come up\n" + self.said())

    def said(self):
        """The end of its console, and what QEMU says."""
        texts = [path.read_text(errors="replace") for path in (self.folder / "console", self.folder / "qemu.log")
                 if path.exists()]
        return "\n".join(text[-4000:] for text in texts)

    # --- the hardware ---

    def hardware(self, command, **arguments):
        """One command over QEMU's own socket (QMP)."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.settimeout(60)
            sock.connect(str(self.sockets / "qmp"))
            stream = sock.makefile("rw", encoding="utf-8")
            stream.readline()    # a greeting
            for name, values in ("qmp_capabilities", {}), (command, arguments):
                stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
                stream.flush()
                while "event" in (reply := json.loads(stream.readline())):
                    pass
                if "error" in reply:
                    raise GuestError("%s: %s" % (name, reply["error"]))
            return reply["return"]

    def plug(self, card, into):
        """The card's cable, in or out."""
        self.hardware("set_link", name=card, up=into)

    def reboot(self, parameters=""):
        """As after a power cut: the disk has what was written to it. The kernel gets these parameters, too."""
        self.shell("sync")
        self._end()
        self._start(parameters)

    def _end(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        self._end()
        self.namespace.remove()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print(self.said())
        self.stop()
