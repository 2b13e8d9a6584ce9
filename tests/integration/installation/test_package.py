# SPDX-License-Identifier: Apache-2.0
"""scripts/package: what the package has, what it needs, and what it does around it."""
import os
import re
import shutil
import subprocess

import pytest

import documents
from conftest import need
from test_install import FILES, run

PACKAGE = os.path.join(documents.ROOT, "scripts/package")
OWN = ["share/doc/stele/copyright", "share/doc/stele/changelog.gz"]


def script(*words):
    done = subprocess.run([PACKAGE, *map(str, words)], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module", name="package")
def is_made(tmp_path_factory):
    """Of programs without an optimizer, which is all that makes a build slow."""
    for name in "meson", "dpkg-shlibdeps", "dpkg-deb":
        if not shutil.which(name):
            pytest.skip("not installed: " + name)
    folder = tmp_path_factory.mktemp("package")
    build = folder / "build"
    run("meson", "setup", "--prefix=/usr", "--buildtype=plain", build, documents.ROOT)
    run("meson", "compile", "-C", build, "stele-compile", "stelectl", "stele-responder", "stele-mgmtd")
    run("ninja", "-C", build, *pages(build))
    status, said, errors = script("--build-dir", build, "--output", folder)
    assert status == 0, errors
    assert os.path.dirname(said.strip()) == str(folder)
    return said.strip()


def pages(build):
    return [name.split(":")[0] for name in run("ninja", "-C", build, "-t", "targets", "all").splitlines()
            if name.startswith("docs/man/")]


def field(package, name):
    return run("dpkg-deb", "--field", package, name).strip()


def test_what_is_in_it(package):
    found = {}
    for line in run("dpkg-deb", "--contents", package).splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        if mode[0] == "-":
            found[path.removeprefix("./usr/")] = mode, owner
    assert set(found) == {name + ".gz" if "/man/" in name else name for name in FILES} | set(OWN)
    for path, (mode, owner) in found.items():
        assert (mode, owner) == ("-rwxr-xr-x" if "bin/" in path else "-rw-r--r--", "root/root"), path


def test_what_it_needs(package):
    """Libraries by what the programs are linked to, DPDK's drivers by name, since they are not."""
    needs = {re.match(r"[a-z0-9.+-]+", one.strip())[0] for one in field(package, "Depends").split(",")}
    assert {"libc6", "libjansson4", "liblmdb0", "librte-eal23", "librte-meta-bus", "librte-meta-mempool",
            "librte-meta-net", "systemd"} <= needs
    assert not [name for name in needs if name.endswith("-dev")]


def test_a_later_commit_is_a_later_version(package):
    version = field(package, "Version")
    release = re.search(r"version: '([0-9.]+)'", open(os.path.join(documents.ROOT, "meson.build")).read())[1]
    assert version.startswith(release)
    if "~" in version:
        run("dpkg", "--compare-versions", version, "lt", release)
        later = re.sub(r"~\d+", lambda day: "~%d" % (int(day[0][1:]) + 1), version)
        run("dpkg", "--compare-versions", version, "lt", later)


def test_the_same_build_makes_the_same_package(package, tmp_path):
    status, said, errors = script("--build-dir", os.path.join(os.path.dirname(package), "build"), "--output", tmp_path)
    assert status == 0, errors
    with open(package, "rb") as first, open(said.strip(), "rb") as second:
        assert first.read() == second.read()


def test_its_scripts(package, tmp_path):
    run("dpkg-deb", "--control", package, tmp_path)
    for name in "postinst", "prerm", "postrm":
        run("sh", "-n", tmp_path / name)
        # An upgrade neither stops what runs nor takes away what it has.
        run(tmp_path / name, "upgrade", "1")


def test_what_cannot_be(tmp_path):
    assert script("--output", tmp_path / "none")[::2] == (2, "package: there is no folder '%s'\n" % (tmp_path / "none"))
    assert script("--wrong", "x")[0] == 2
    status, said, errors = script("--build-dir", tmp_path, "--output", tmp_path)
    assert status != 0 and said == "" and errors and not os.listdir(tmp_path)


HOOK = """#!/bin/sh
set -ex
cp {package} "$1/root/stele.deb"
cp {zone} "$1/root/example.zone"
chroot "$1" apt-get install -y --no-install-recommends /root/stele.deb
chroot "$1" sh -exc '
	stele-compile --version; stelectl --version; stele-mgmtd --version; stele-responder --version
	stele-responder -c /usr/share/doc/stele/responder.example.yaml --check
	store="stele-compile import --store /var/lib/stele/store --zone example -"
	setpriv --reuid stele --regid stele --init-groups $store </root/example.zone
	setpriv --reuid stele --regid stele --init-groups \\
		stele-compile build --store /var/lib/stele/store -o /var/lib/stele/current.image
	stele-compile query /var/lib/stele/current.image www.example A
	apt-get install -y --reinstall /root/stele.deb
	apt-get purge -y stele
	test ! -e /usr/bin/stelectl
	test -s /var/lib/stele/current.image'
"""


@pytest.mark.slow
def test_a_new_system(package, tmp_path):
    """apt brings the libraries, the programs run, and what is the owner's stays when the package goes."""
    need("mmdebstrap")
    if os.geteuid():
        pytest.skip("needs root, to make a system")
    hook = tmp_path / "hook"
    hook.write_text(HOOK.format(package=package, zone=os.path.join(documents.ROOT, "config/examples/example.zone")))
    hook.chmod(0o755)
    said = run("mmdebstrap", "--variant=minbase", "--customize-hook=%s" % hook, "bookworm", tmp_path / "tree")
    assert "status: NOERROR" in said, said
    assert "/var/lib/stele stays, since it cannot be made again" in said
