# SPDX-License-Identifier: Apache-2.0
"""What `meson install` puts where, as docs/operation.md has it, and whether systemd can read the units."""
import os
import re
import shutil
import subprocess

import pytest

import documents

BUILD = os.environ.get("STELE_BUILD_DIR") or os.path.join(documents.ROOT, "build")
FILES = [
    "bin/stele-compile", "bin/stelectl", "sbin/stele-responder", "sbin/stele-mgmtd", "sbin/stele-host-setup",
    "lib/systemd/system/stele-responder.service", "lib/systemd/system/stele-mgmtd.service",
    "lib/systemd/system/stele-host-setup.service",
    "lib/sysusers.d/stele.conf", "lib/tmpfiles.d/stele.conf",
    "share/man/man1/stele-compile.1", "share/man/man1/stelectl.1",
    "share/man/man8/stele-responder.8", "share/man/man8/stele-mgmtd.8",
    "share/man/man8/stele-host-setup.8",
    "share/doc/stele/responder.example.yaml", "share/doc/stele/mgmtd.example.yaml",
    "share/doc/stele/alerts.example.yaml",
    *("share/doc/stele/" + name for name in ("operation.md", "runbooks.md", "configuration.md", "architecture.md",
                                             "conformance.md", "control-protocol.md", "image-format.md")),
]
UNITS = [name for name in FILES if name.endswith(".service")]
PROGRAMS = [name for name in FILES if "bin/" in name and name != "sbin/stele-host-setup"]    # that one is a script


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module", name="installed")
def is_installed(tmp_path_factory):
    """The folder of the prefix, of an installation into an empty one."""
    if not os.path.exists(BUILD + "/build.ninja"):
        pytest.skip("there is no build directory to install from")
    root = tmp_path_factory.mktemp("root")
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root)
    prefix = root / "usr/local"
    if not prefix.is_dir():
        pytest.skip("the build directory has another prefix than /usr/local")
    return prefix


def tree(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def test_everything_is_in_its_place_and_nothing_else(installed):
    assert tree(installed) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_modes(installed, name):
    mode = os.stat(installed / name).st_mode & 0o7777
    assert mode == (0o755 if "bin/" in name else 0o644)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_run_from_there(installed, name):
    """Also without the build directory's libraries: none has a path into it."""
    assert re.search(r"^stele\S* \d+\.\d+\.\d+$", run(installed / name, "--version"), re.M)
    dynamic = run("readelf", "-d", installed / name)
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic


def test_the_script_runs_from_there(installed):
    assert run(installed / "sbin/stele-host-setup", "--help").startswith("usage: stele-host-setup\n")


def programs_of(unit):
    return set(re.findall(r"^Exec\w+=(/\S+/stele-\S+)", unit, re.M))


@pytest.mark.parametrize("name", UNITS)
def test_units(installed, tmp_path, name):
    """As systemd reads them; each looks for its program where this build puts it."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("not installed: systemd-analyze")
    text = (installed / name).read_text()
    assert programs_of(text) == {"/usr/local/sbin/" + os.path.basename(name).removesuffix(".service")}
    unit = tmp_path / os.path.basename(name)
    unit.write_text(text.replace("/usr/local/", "%s/" % installed))
    said = run("systemd-analyze", "verify", "--man=no", unit)
    assert said == ""
    page = re.search(r"^Documentation=man:([a-z-]+)\((\d)\)$", text, re.M)
    assert (installed / "share/man" / ("man" + page[2]) / ("%s.%s" % (page[1], page[2]))).exists()


def sections(name):
    """What the unit says, by section; of a key that stands there twice all values in one list."""
    said, here = {}, None
    with open(os.path.join(documents.ROOT, "config/systemd", name + ".in"), encoding="ascii") as file:
        for line in file.read().splitlines():
            if line.startswith("["):
                here = said.setdefault(line.strip("[]"), {})
            elif "=" in line and line[0] != "#":
                key, value = line.split("=", 1)
                here.setdefault(key, []).append(value)
    return said


@pytest.mark.parametrize("name", ["stele-responder.service", "stele-mgmtd.service"])
def test_units_are_started_again_and_again(name):
    """Not five times only, which is what systemd does by itself; the bound is one of [Unit]."""
    said = sections(name)
    assert said["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert said["Service"]["Restart"] == ["always"]


def test_the_responder_may_take_its_time_to_start():
    """It verifies an image in full before it is ready, if it has not done so before; that may take minutes."""
    assert sections("stele-responder.service")["Service"]["TimeoutStartSec"] == ["infinity"]


def test_the_machine_is_ready_before_the_network():
    """Whoever configures interfaces would take a card, and the responder needs pages and cards. The network may come
    before basic.target, which is why the unit does not wait for that."""
    said = sections("stele-host-setup.service")
    assert {"network-pre.target", "stele-responder.service"} <= set(said["Unit"]["Before"][0].split())
    assert said["Unit"]["Wants"] == ["network-pre.target"] and said["Unit"]["DefaultDependencies"] == ["no"]
    assert said["Service"]["Type"] == ["oneshot"] and said["Service"]["RemainAfterExit"] == ["yes"]
    assert said["Service"]["ExecStart"][0].endswith("/stele-host-setup --apply $ARGUMENTS")


def test_the_responder_sees_its_devices():
    """Any DeviceAllow= closes all that it does not name: /dev/vfio, /dev/net/tun, /dev/vhost-net. Some settings imply
    it, ProtectClock= among them where systemd is older than 252.7."""
    said = sections("stele-responder.service")["Service"]
    assert not said.keys() & {"DeviceAllow", "DevicePolicy", "PrivateDevices", "ProtectClock"}
    # Which is what it would take away.
    assert "CAP_SYS_TIME" not in said["CapabilityBoundingSet"][0].split()


def test_files_of_dpdk_have_a_place():
    """/run is read-only to the unit but for what it names; the telemetry socket has to be where others see it."""
    said = sections("stele-responder.service")["Service"]
    assert said["ProtectSystem"] == ["strict"]
    environment = dict(value.split("=", 1) for value in said["Environment"])
    assert environment["RUNTIME_DIRECTORY"] in said["ReadWritePaths"][0].split()
    with open(os.path.join(documents.ROOT, "config/tmpfiles.d/stele.conf"), encoding="ascii") as file:
        assert re.search(r"^d +%s " % environment["RUNTIME_DIRECTORY"], file.read(), re.M)


def test_user_and_folders(installed, tmp_path):
    """What systemd makes of the two files, in a root of their own."""
    for name in "systemd-sysusers", "systemd-tmpfiles":
        if not shutil.which(name):
            pytest.skip("not installed: " + name)
    if os.geteuid():
        pytest.skip("needs root, to give folders away")
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", "--root=%s" % tmp_path, installed / "lib/sysusers.d/stele.conf")
    user = re.search(r"^stele:[^:]*:(\d+):(\d+):", (tmp_path / "etc/passwd").read_text(), re.M)
    assert user
    run("systemd-tmpfiles", "--create", "--root=%s" % tmp_path, installed / "lib/tmpfiles.d/stele.conf")
    for name in "run/stele", "var/lib/stele", "var/lib/stele/store", "var/lib/stele/mgmtd":
        found = os.stat(tmp_path / name)
        assert (found.st_uid, found.st_gid) == (int(user[1]), int(user[2]))
        assert found.st_mode & 0o7777 == 0o750


def test_as_the_page_says(tmp_path):
    """Programs and units of the page's prefix find one another. Nothing is built: what is configured tells."""
    body = next(body for kind, body in documents.blocks("docs/operation.md") if "meson install" in body)
    lines = [line.split() for line in documents.lines(body) if line.startswith("meson ")]
    assert [words[1] for words in lines] == ["setup", "compile", "install"]
    folder = lines[0][2]
    # The others' folder: they have set it up with another prefix, which a second setup does not change.
    assert folder != "build"
    for words in lines[1:]:
        assert words[2:] == ["-C", folder]
    build = tmp_path / folder
    run(*(str(build) if word == folder else word for word in lines[0]), cwd=documents.ROOT)
    plan = run("meson", "introspect", "--installed", build)
    for path in "/usr/bin/stelectl", "/usr/bin/stele-compile":
        assert '"%s"' % path in plan
    for unit in map(os.path.basename, UNITS):
        assert '"/usr/lib/systemd/system/%s"' % unit in plan
        (program,) = programs_of((build / "config" / unit).read_text())
        assert '"%s"' % program in plan
