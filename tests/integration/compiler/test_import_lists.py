# SPDX-License-Identifier: Apache-2.0
"""stele-compile import of several zones at once: lists, files beside each other; and remove."""
import contextlib
import json
import os
import subprocess
import time

import pytest

import stele
from importing import HASH, HEAD, export, importing, stores_nothing, write


@pytest.fixture
def store(tmp_path):
    return str(tmp_path / "store")


def test_zone_list(tmp_path, store):
    names = ["one.test", "two.test", "Three.test."]
    for name in names:
        write(tmp_path, HEAD, name + ".zone")
    zones = write(tmp_path, "# comment\n" + "".join(f"{n}\t{n}.zone \n\n" for n in names), "list")
    done = importing("--store", store, "--zone-list", zones)
    assert done.returncode == 0 and b"imported 3 zones: 6 names, 9 records" in done.stdout
    before = [export(store, name) for name in names]
    # One that is wrong keeps all from changing, and each error is told.
    write(tmp_path, HEAD + "a A 192.0.2.2\n", "one.test.zone")
    write(tmp_path, HEAD + "a A x\n", "two.test.zone")
    write(tmp_path, HEAD + "a A y\n", "Three.test..zone")
    done = importing("--store", store, "--zone-list", zones)
    assert done.returncode == 1
    assert done.stderr.count(b"bad IPv4 address") == 2
    assert [export(store, name) for name in names] == before
    done = importing("--store", store, "--zone-list", write(tmp_path, "one.test\n", "list"))
    assert done.returncode == 1 and b"list:1:1: zone 'one.test' without a file" in done.stderr
    # A file that is not there is told with its place in the list, and hides no other fault.
    done = importing("--store", store, "--zone-list",
                     write(tmp_path, "one.test  absent.zone\ntwo.test two.test.zone\n", "list"))
    assert done.returncode == 1
    assert b"list:1:11: %s/absent.zone: No such file or directory\n" % bytes(tmp_path) in done.stderr
    assert b"bad IPv4 address" in done.stderr and b"2 errors, nothing was stored" in done.stderr
    done = importing("--store", store, "--zone-list", tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"stele-compile: %s: Is a directory\n" % bytes(tmp_path)


@pytest.mark.parametrize("line", ["  one.test one.test.zone", "\tone.test\tone.test.zone\r"])
def test_zone_list_with_blanks_in_front(line, tmp_path, store):
    """A line that is there for the eye is one like others."""
    write(tmp_path, HEAD, "one.test.zone")
    done = importing("--store", store, "--zone-list", write(tmp_path, line + "\n  # not this\n \n", "list"))
    assert done.returncode == 0 and b"imported one.test. serial 7" in done.stdout, done
    done = importing("--store", store, "--zone-list", write(tmp_path, "\n  a..b x\n", "list"))
    assert done.returncode == 1 and b"list:2:3: bad zone name 'a..b'" in done.stderr


@pytest.mark.parametrize("text, place, fault", [
    (b"one.test one.test.zone\ntwo\0.test x\n", "2:4", "NUL byte"),
    (b"one.test one.test.zone\n#" + b"x" * 70000 + b"\n", "2:65536", "the line is too long")],
    ids=["nul", "long"])
def test_what_is_no_zone_list(text, place, fault, tmp_path, store):
    """A line is never cut, and a list never ends before its end."""
    write(tmp_path, HEAD, "one.test.zone")
    done = importing("--store", store, "--zone-list", write(tmp_path, text, "list"))
    assert done.returncode == 1 and stores_nothing(store)
    assert ("list:%s: %s (expected " % (place, fault)).encode() in done.stderr, done.stderr
    assert b"1 error, nothing was stored" in done.stderr


def test_a_zone_list_without_end(store):
    done = importing("--store", store, "--zone-list", "/dev/zero")
    assert done.returncode == 1 and b"/dev/zero:1:1: NUL byte" in done.stderr


def test_zone_list_with_a_byte_order_mark(tmp_path, store):
    write(tmp_path, HEAD, "one.test.zone")
    done = importing("--store", store, "--zone-list", write(tmp_path, "\ufeffone.test one.test.zone", "list"))
    assert done.returncode == 0 and b"imported one.test." in done.stdout, done


def test_standard_input_in_a_zone_list(tmp_path, store):
    """Wherever the list is; a file of this name is ./-."""
    write(tmp_path, HEAD.replace(" 7 ", " 8 "), "-")
    for file, serial in ("-", 7), ("./-", 8):
        done = importing("--store", store, "--zone-list", write(tmp_path, "one.test %s\n" % file, "list"),
                         stdin=HEAD.encode())
        assert done.returncode == 0 and b"serial %d:" % serial in done.stdout, done


def test_a_zone_named_twice(tmp_path, store):
    """The second would take the place of the first, and nobody would be told."""
    write(tmp_path, HEAD, "zone")
    zones = write(tmp_path, "one.test zone\nother.test zone\n\nONE.test. zone\none.test none\n", "list")
    done = importing("--store", store, "--zone-list", zones)
    assert done.returncode == 1 and stores_nothing(store)
    for line in (4, 5):
        assert ("%s:%d:1: zone one.test. for the second time (expected it once, as at %s:1)\n"
                % (zones, line, zones)).encode() in done.stderr, done.stderr
    assert b"2 errors, nothing was stored" in done.stderr
    one, two, again = (write(tmp_path, "$ORIGIN %s.\n" % name + HEAD, str(i))
                       for i, name in enumerate(("one.test", "two.test", "One.Test")))
    done = importing("--store", store, one, two, again)
    assert done.returncode == 1 and stores_nothing(store)
    assert ("%s:1:1: zone one.test. for the second time (expected it once, as at %s:1)\n"
            % (again, one)).encode() in done.stderr, done.stderr


def test_progress_of_a_list(tmp_path, store):
    """On a terminal: how much of all its files is read, between two files too."""
    write(tmp_path, HEAD, "one.test.zone")
    write(tmp_path, HEAD + ";" + "x" * (len(HEAD) - 1), "two.test.zone")
    os.mkfifo(tmp_path / "slow.test.zone")
    zones = write(tmp_path, "".join("%s.test %s.test.zone\n" % (n, n) for n in ("one", "slow", "two")), "list")
    terminal, end = os.openpty()
    with subprocess.Popen([stele.binary(), "import", "--store", store, "--zone-list", zones],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=end) as process:
        with open(tmp_path / "slow.test.zone", "w", encoding="ascii") as slow:
            time.sleep(0.2)     # it shows a line ten times a second at most
            slow.write(HEAD)
        process.communicate()
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):      # the end of what there is
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    assert process.returncode == 0 and b"importing: 33%" in shown and b" left" in shown, shown


def test_errors_of_several_new_zones(tmp_path, store):
    """What is wrong with a zone as a whole shows when half of it is in the store's write already."""
    texts = {"one.test": "a CNAME b\na A 192.0.2.3\n", "two.test": "", "three.test": "a TXT x\na CNAME b\n",
             "four.test": f"{HASH} NSEC3 1 0 501 - {HASH}\n", "five.test": "a DNAME b\na DNAME c\n"}
    for name, text in texts.items():
        write(tmp_path, HEAD + text, name + ".zone")
    zones = write(tmp_path, "".join(f"{name} {name}.zone\n" for name in texts), "list")
    files = [str(tmp_path / f"{name}.zone") for name in texts]
    for name, path in zip(texts, files):
        write(tmp_path, f"$ORIGIN {name}.\n" + HEAD + texts[name], name)
    for arguments in (["--zone-list", zones], [path.removesuffix(".zone") for path in files]):
        done = importing("--store", store, *arguments)
        assert done.returncode == 1
        errors = [line for line in done.stderr.decode().splitlines() if ": warning: " not in line]
        parts = ["CNAME beside A at a.one.test.", "CNAME beside TXT at a.three.test.", "iterations 501",
                 "second DNAME at a.five.test.", "4 errors, nothing was stored"]
        assert len(errors) == len(parts)
        for error, part in zip(errors, parts):
            assert part in error
        assert stores_nothing(store)


def test_remove(tmp_path, store):
    """All or none; with --json what scripts want to know of it."""
    for name in "one", "two", "three":
        importing("--store", store, "--zone", name + ".test", write(tmp_path, HEAD))
    done = stele.run("remove", "--store", store, "one.test", "none.test", check=False)
    assert done.returncode == 1 and "none.test" in done.stderr
    done = stele.run("remove", "--store", store, "one.test", "two.test", "ONE.test.", check=False)
    assert done.returncode == 1 and "zone one.test. is named twice" in done.stderr
    assert stele.run("remove", "--store", store, "one.test").stdout == "removed 1 zone\n"
    told = json.loads(stele.run("remove", "--store", store, "--json", "Two.test").stdout)
    left, = json.loads(stele.run("zones", "--store", store, "--json").stdout)
    assert left["zone"] == "three.test." and told == {"zones": ["two.test."], "generation": 5}


def test_several_files(tmp_path, store):
    """Without --zone each is a zone of its own; with it they are one."""
    first = write(tmp_path, "$ORIGIN one.\n" + HEAD, "1")
    second = write(tmp_path, "$ORIGIN two.\n" + HEAD, "2")
    assert b"imported 2 zones" in importing("--store", store, first, second).stdout
    bad = write(tmp_path, "$ORIGIN bad.\n" + HEAD + "a A x\n", "bad")
    done = importing("--store", store, first, tmp_path / "none", bad)
    assert done.returncode == 1 and b"none: No such file or directory\n" in done.stderr
    assert b"bad IPv4 address" in done.stderr and b"2 errors, nothing was stored" in done.stderr
    head, rest = write(tmp_path, HEAD, "3"), write(tmp_path, "a A 192.0.2.2\n", "4")
    done = importing("--store", store, "--zone", "example", head, rest)
    assert b"3 names, 4 records" in done.stdout


def is_asleep_with(process, store):
    """Whether it has the store open and waits, or has ended."""
    while process.poll() is None:
        with open("/proc/%d/maps" % process.pid, encoding="utf-8") as maps:
            is_open = str(store) in maps.read()
        with open("/proc/%d/stat" % process.pid, encoding="utf-8") as file:
            if is_open and file.read().rpartition(")")[2].split()[0] == "S":
                return True
        time.sleep(0.01)
    return False


def test_an_import_that_waits_for_another_sees_what_that_left(tmp_path, store):
    os.mkfifo(tmp_path / "fifo")
    write(tmp_path, HEAD, "first.zone")
    zones = write(tmp_path, "example first.zone\nother fifo\n", "list")
    command = [stele.binary(), "import", "--store", store]
    with subprocess.Popen([*command, "--zone-list", zones], stdout=subprocess.DEVNULL) as first:
        with open(tmp_path / "fifo", "w", encoding="ascii") as fifo:   # the first zone is in, the commit is not
            second = subprocess.Popen([*command, "--zone", "example", "--json", tmp_path / "first.zone"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert is_asleep_with(second, store)
            fifo.write(HEAD)
        out, errors = second.communicate()
        assert first.wait() == 0 and second.returncode == 0, errors
    assert json.loads(out)["zones"][0]["changed"] is False
