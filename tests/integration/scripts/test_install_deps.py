# SPDX-License-Identifier: Apache-2.0
"""scripts/install-deps leaves no server behind that starts by itself, now or at the next boot."""
import os
import pathlib
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
UNITS = {"bind9": "named", "knot": "knot", "nsd": "nsd", "pdns-server": "pdns", "gdnsd": "gdnsd"}
PROGRAMS = {
    # dpkg-query -W -f FORMAT PACKAGE
    "dpkg-query": "[ -e installed/$4 ] && echo installed",
    "dpkg": """[ -e installed/$2 ] || exit 1
echo /usr/share/doc/$2
echo /lib/systemd/system
[ ! -s installed/$2 ] || echo /lib/systemd/system/$(cat installed/$2)""",
    "sudo": 'exec "$@"',
    "systemctl": """for word; do last=$word; done
case " $* " in
*' is-enabled '*) if [ -e enabled/$last ]; then echo enabled; else echo disabled; exit 1; fi ;;
*' disable '*) rm enabled/$last; echo "$last" >>disabled ;;
*) exit 1 ;;
esac""",
    # It installs one package after the other; `apt` is what happens to it before the last.
    "apt-get": """case " $* " in *' install '*) ;; *) exit 0 ;; esac
echo "$*" >>installs
[ -x policy-rc.d ] && sh policy-rc.d named start; [ $? -eq 101 ] || exit 9
for word; do
	case $word in -* | DPkg* | install) continue ;; esac
	[ $word != last ] || [ ! -e apt ] || . ./apt
	sed -n "s/^$word //p" units >installed/$word
	[ ! -s installed/$word ] || touch enabled/$(cat installed/$word)
done""",
}


@pytest.fixture
def machine(tmp_path):
    """The script on a machine of files: installed/PACKAGE with its unit in it, and enabled/UNIT."""
    for folder in "bin", "installed", "enabled":
        (tmp_path / folder).mkdir()
    for name, text in PROGRAMS.items():
        write(tmp_path / "bin" / name, "#!/bin/sh\ncd %s\n%s\n" % (tmp_path, text), 0o755)
    write(tmp_path / "units", "".join("%s %s.service\n" % pair for pair in UNITS.items()))
    text = (ROOT / "scripts/install-deps").read_text()
    assert text.count("/usr/sbin/policy-rc.d") == 1
    text = text.replace("/usr/sbin/policy-rc.d", str(tmp_path / "policy-rc.d"))
    write(tmp_path / "install-deps", text.replace("\n\tbind9 gdnsd knot nsd", "\n\tbind9 gdnsd knot nsd last", 1), 0o755)
    return tmp_path


def write(path, text, mode=0o644):
    path.write_text(text)
    path.chmod(mode)


def install(machine):
    path = "%s:%s" % (machine / "bin", os.environ["PATH"])
    done = subprocess.run([machine / "install-deps", "--bench"], env={**os.environ, "PATH": path},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode


def enabled(machine):
    return {path.name for path in (machine / "enabled").iterdir()}


def is_operators(machine, package):
    write(machine / "installed" / package, UNITS[package] + ".service\n")
    (machine / "enabled" / (UNITS[package] + ".service")).touch()


def test_servers_stay_off(machine):
    """All that it installs, and nothing that was there."""
    is_operators(machine, "nsd")
    assert install(machine) == 0
    assert (machine / "installed/pdns-server").exists() and (machine / "installed/last").exists()
    assert enabled(machine) == {"nsd.service"} and not (machine / "policy-rc.d").exists()
    assert install(machine) == 0
    assert len((machine / "installs").read_text().splitlines()) == 1


def test_installing_fails(machine):
    """What was installed until then is off, too."""
    write(machine / "apt", "exit 100\n")
    assert install(machine) == 100
    assert (machine / "installed/knot").exists()
    assert enabled(machine) == set() and not (machine / "policy-rc.d").exists()


@pytest.mark.parametrize("again", ["all there", "something missing"])
def test_after_a_run_that_was_killed(machine, again):
    """The next one finds its policy, and knows what it had begun to install."""
    is_operators(machine, "nsd")
    write(machine / "apt", "kill -9 $PPID\n")
    assert install(machine) == -signal.SIGKILL
    # apt-get has gone on alone, to its end: it had the pipe.
    assert (machine / "installed/python3-matplotlib").exists()
    assert (machine / "policy-rc.d").exists() and "knot.service" in enabled(machine)
    (machine / "apt").unlink()
    if again == "something missing":
        (machine / "installed/openssl").unlink()
    assert install(machine) == 0
    assert enabled(machine) == {"nsd.service"} and not (machine / "policy-rc.d").exists()


def test_one_run_at_a_time(machine):
    """Or a second one would take the first one's policy for that of a dead one."""
    write(machine / "apt", "flock -n . true && exit 100\n")
    assert install(machine) == 0


def test_the_operator_s_policy_stays(machine):
    write(machine / "policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    assert install(machine) == 0
    assert enabled(machine) == set()
    assert (machine / "policy-rc.d").read_text() == "#!/bin/sh\nexit 101\n"
