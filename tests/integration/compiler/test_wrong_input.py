# SPDX-License-Identifier: Apache-2.0
"""What stele-compile says where an argument is not what it should be: one line, and the right status."""
import os
import shutil
import stat
import subprocess

import pytest

import stele

USAGE, INPUT, SYSTEM = 2, 1, 3
NO_IMAGE = {"dir": (INPUT, "not a regular file"), "empty": (INPUT, "empty"), "fifo": (INPUT, "not a regular file"),
            "binary": (INPUT, "no magic at its start"), "zone": (INPUT, "no magic at its start"),
            "none": (INPUT, "No such file"), "zone/none": (INPUT, "Not a directory")}
OF_IMAGE = {"verify": [], "stats": [], "dump": [], "compact": [], "query": ["example"], "answer": []}
NO_STORE = {"none": (INPUT, "there is no store in"), "dir": (INPUT, "there is no store in"),
            "zone": (INPUT, "is not a store"), "zone/none": (INPUT, "there is no store in")}
OF_STORE = {"zones": [], "export": ["example"], "remove": ["example"], "build": ["-o", "new"],
            "update": ["image"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("input")
    (path / "dir").mkdir()
    (path / "empty").touch()
    (path / "binary").write_bytes(bytes(range(256)) * 64)
    (path / "zone").write_text("@ 60 SOA ns h 1 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.1\n")
    os.mkfifo(path / "fifo")
    stele.run("import", "--store", path / "store", "--zone", "example", path / "zone")
    stele.run("build", "--store", path / "store", "-o", path / "image")
    return path


def refuses(folder, status, words, *arguments, **more):
    """Runs in `folder`, the only place that could change; nothing is read from standard input."""
    done = subprocess.run([stele.binary(), *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, **more)
    assert done.returncode == status, done
    assert done.stderr.startswith("stele-compile: ") and words in done.stderr, done
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", OF_IMAGE)
def test_no_image(command, folder):
    for name, (status, words) in NO_IMAGE.items():
        refuses(folder, status, words, command, name, *OF_IMAGE[command])
    refuses(folder, USAGE, "see stele-compile %s --help" % command, command)
    refuses(folder, USAGE, "unknown option", command, "--nothing", "image")


@pytest.mark.parametrize("command", OF_STORE)
def test_no_store(command, folder):
    for name, (status, words) in NO_STORE.items():
        refuses(folder, status, words, command, "--store", name, *OF_STORE[command])
    refuses(folder, USAGE, "--store is missing", command, *OF_STORE[command])
    refuses(folder, USAGE, "needs an argument", command, *OF_STORE[command], "--store")


def test_no_zone_file(folder):
    for name, words in (("none", "No such file"), ("zone/none", "Not a directory"), ("dir", "Is a directory")):
        refuses(folder, INPUT, words, "import", "--store", "store", name)
        refuses(folder, INPUT, words, "import", "--store", "store", "--zone-list", name)
    for name, words in (("none/store", "No such file"), ("zone/store", "Not a directory"), ("zone", "Not a directory")):
        refuses(folder, INPUT, words, "import", "--store", name, "--zone", "example", "zone")


def test_what_the_system_refuses(folder):
    """It is there, or could be: another time, or as somebody else, it works."""
    refuses(folder, SYSTEM, "cannot make the directory /sys/none", "import", "--store", "/sys/none", "zone")
    refuses(folder, SYSTEM, "", "build", "--store", "store", "-o", "/sys/image")


def test_place_of_a_new_image(folder):
    """What is no image is not replaced, a folder that is not there is not made."""
    for name, status, words in (("dir", INPUT, "not a regular file"), ("fifo", INPUT, "not a regular file"),
                                ("none/image", INPUT, "No such file"), ("zone/image", INPUT, "Not a directory"),
                                ("new/", INPUT, "new/: ends in a slash"), ("", INPUT, "no name"),
                                ("n" * 256, INPUT, "File name too long"),
                                ("./" * 2046 + "image", INPUT, "File name too long")):
        # Before the work: there is no time for any.
        refuses(folder, status, words, "build", "--store", "store", "-o", name)
    assert stat.S_ISFIFO(os.stat(folder / "fifo").st_mode)
    assert not [name for name in os.listdir(folder) if name.startswith(("dir.", "fifo."))]


def test_longest_name_of_an_image(folder):
    for length in (248, 249, 255):
        name = "n" * length
        stele.run("build", "--store", folder / "store", "-o", folder / name)
        stele.run("compact", folder / name)
        os.unlink(folder / name)
    assert not [name for name in os.listdir(folder) if name.startswith("nnn")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to take /proc away")
def test_without_proc(folder, tmp_path):
    if stele.is_sanitized():
        pytest.skip("sanitizers need /proc")
    subprocess.run(["unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh", stele.binary(), "build",
                    "--store", folder / "store", "-o", tmp_path / "image"], check=True)
    stele.run("verify", tmp_path / "image")
    assert os.listdir(tmp_path) == ["image"]


def test_store_as_the_place_of_a_new_image(folder):
    before = stele.run("export", "--store", folder / "store", "example").stdout
    for name in ("store/data.mdb", "store/lock.mdb", "dir/../store/data.mdb"):
        refuses(folder, INPUT, "a file of the store", "build", "--store", "store", "-o", name)
    assert stele.run("export", "--store", folder / "store", "example").stdout == before


def test_build_over_what_is_no_image(folder):
    """Another store above all. Only who says so has it replaced; an image and an empty file are not asked about."""
    stele.run("import", "--store", folder / "second", "--zone", "example", folder / "zone")
    (folder / "short").write_bytes(b"STELE")
    (folder / "to-zone").symlink_to("zone")
    for name in ("zone", "binary", "short", "second/data.mdb"):
        before = (folder / name).read_bytes()
        refuses(folder, INPUT, name + ": not an image", "build", "--store", "store", "-o", name)
        assert (folder / name).read_bytes() == before
    stele.run("export", "--store", folder / "second", "example")
    for name in ("image", "taken", "short", "to-zone"):
        if name == "taken":
            (folder / name).touch()
        stele.run("build", "--store", folder / "store", "-o", folder / name, *["--force"][:name == "short"])
        stele.run("verify", folder / name)
    assert (folder / "zone").read_text().startswith("@ 60 SOA")    # the link was replaced
    refuses(folder, INPUT, "a file of the store", "build", "--store", "store", "-o", "store/data.mdb", "--force")


def test_no_folder_for_findings(folder):
    """Told before the image is looked at, which takes minutes of a large one."""
    for image in "image", "binary":
        refuses(folder, INPUT, "none: No such file", "verify", image, "--findings", "none")
        refuses(folder, INPUT, "zone: Not a directory", "verify", image, "--findings", "zone")


def test_a_folder_for_findings_that_cannot_be_written_to(folder):
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0o555)
    folder.chmod(0o755)
    other = {"user": 65534} if os.geteuid() == 0 else {}
    refuses(folder, SYSTEM, "closed: Permission denied", "verify", "none", "--findings", "closed", **other)


def test_answers_compared_with_another_store(folder):
    """One that only has the same generation is none to compare with; one that was put back from a copy may differ."""
    soa, query = "@ 60 SOA ns h %d 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.%d\n", b"\0\0\0\0\0\1" + b"\0" * 6
    query += b"\2ns\7example\0\0\1\0\1"
    asked = len(query).to_bytes(2, "big") + query
    def bring(store, serial):
        (folder / "compared").write_text(soa % (serial, serial))
        stele.run("import", "--store", folder / store, "--zone", "example", folder / "compared")
    bring("first", 1)
    bring("second", 1)
    shutil.copytree(folder / "first", folder / "copy")
    bring("first", 2)
    bring("second", 2)
    bring("copy", 3)
    stele.run("build", "--store", folder / "first", "-o", folder / "first-image")
    def compare(store):
        return subprocess.run([stele.binary(), "answer", "first-image", "--check-store", store], input=asked,
                              cwd=folder, capture_output=True)
    assert compare("first").returncode == 0
    done = compare("second")
    assert done.returncode == 1 and b"second: is not the store that the image was made from\n" in done.stderr
    lines = compare("copy").stderr.decode().splitlines()
    assert lines[0] == "stele-compile: ns.example. A: the reply differs from the store"
    assert len(lines) == 3 and "192.0.2.2" in lines[1] + lines[2] and "192.0.2.3" in lines[1] + lines[2], lines


def test_a_full_device(folder):
    """However much is to be written, it is the device that is to blame."""
    (folder / "many").write_text("@ 60 SOA ns h 1 1 1 1 1\n@ 60 NS ns\n" + "".join(
        "a 60 TXT \"%0200d\"\n" % i for i in range(200)))
    stele.run("import", "--store", folder / "many-store", "--zone", "example", folder / "many")
    stele.run("build", "--store", folder / "many-store", "-o", folder / "many-image")
    with open("/dev/full", "w", encoding="ascii") as full:
        for name in "a.example", "example":
            refuses(folder, SYSTEM, "standard output: No space left on device", "query", "many-image", name, "TXT",
                    "+tcp", "--json", stdout=full)


@pytest.mark.parametrize("arguments", [
    ("build", "--store", "store", "-o", "new", "more"), ("build", "--store", "store"),
    ("build", "--store", "store", "-o", "new", "--jobs", "0"),
    ("build", "--store", "store", "-o", "new", "--seed", "12"),
    ("build", "--store", "store", "-o", "new", "--only", "a..b"),
    ("update", "--store", "store", "image", "image"), ("update", "--store", "store", "--jobs", "x", "image"),
    ("dump", "image", "--zone", "example", "--zone", "other"), ("dump", "image", "--zone", "a..b"),
    ("zones", "--store", "store", "more"), ("export", "--store", "store", "a..b"),
    ("query", "image", "a..b"), ("query", "image", "a", "NOTYPE"), ("query", "image", "a", "+nothing"),
    ("query", "image", "a", "SOA", "IN", "A"), ("query", "image", "a", "IN", "A", "CH"),
    ("query", "image", "a", "--client", "x"), ("answer", "image", "--udp-max", "1"),
    ("nothing",), (),
], ids=" ".join)
def test_usage(arguments, folder):
    refuses(folder, USAGE, "", *arguments)
    assert not (folder / "new").exists()


@pytest.mark.parametrize("arguments", [
    ("import", "--store", "store", "zone", "-s", "other"), ("import", "--store", "store", "-z", "a", "-z", "a", "zone"),
    ("build", "--store", "store", "-o", "new", "--output", "image"),
    ("build", "--store", "store", "-o", "new", "--json", "--json"),
    ("update", "--store", "store", "-n", "image", "--no-compact"), ("compact", "image", "-jj"),
    ("verify", "--json", "image", "--json"), ("dump", "image", "--zone", "a", "--zone", "a"),
    ("query", "image", "a", "--udp-max", "512", "--udp-max", "1232"),
], ids=" ".join)
def test_option_given_twice(arguments, folder):
    """Nobody can tell which is meant, and no error would be taken for a word that was heard."""
    refuses(folder, USAGE, "is given twice", *arguments)
    assert not (folder / "new").exists() and not (folder / "other").exists()


def test_options_that_add_up(folder):
    stele.run("build", "--store", folder / "store", "-o", folder / "new", "--only", "example", "--only", "example")
    secrets = [word for digit in "12" for word in ("--cookie-secret", 32 * digit)]
    stele.run("query", folder / "new", "example", "SOA", *secrets)
    (folder / "new").unlink()


@pytest.mark.parametrize("arguments", [
    ("--help",), ("--version",), ("build", "--help"), ("build", "--store", "store", "-o", "new"),
    ("update", "--store", "store", "image"), ("verify", "image"), ("stats", "image"), ("dump", "image"),
    ("query", "image", "example"), ("zones", "--store", "store"), ("export", "--store", "store", "example"),
], ids=" ".join)
def test_full_disk_behind_standard_output(arguments, folder):
    with open("/dev/full", "w", encoding="ascii") as full:
        refuses(folder, SYSTEM, "standard output: No space left on device", *arguments, stdout=full)
    (folder / "new").unlink(missing_ok=True)
