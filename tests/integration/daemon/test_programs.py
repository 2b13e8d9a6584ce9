# SPDX-License-Identifier: Apache-2.0
"""What is the same of all programs: what they print is written, or they fail."""
import json
import os
import pty
import re
import subprocess

import pytest

import mgmtd
import responder
import stele

SYSTEM = 3
EXAMPLES = os.path.join(stele.ROOT, "config")
PROGRAMS = {
    "stele-compile": (stele.binary, ()),
    "stelectl": (lambda: mgmtd.program("stelectl", "STELECTL"), ()),
    "stele-mgmtd": (lambda: mgmtd.program("stele-mgmtd", "STELE_MGMTD"),
                    ("-c", os.path.join(EXAMPLES, "mgmtd.example.yaml"), "--check")),
    "stele-responder": (responder.binary, ("-c", os.path.join(EXAMPLES, "responder.example.yaml"), "--check")),
}
CALLS = [(name, words) for name, (_, check) in PROGRAMS.items() for words in (("--help",), ("--version",), check)
         if words]


@pytest.mark.parametrize("name, words", CALLS, ids=lambda value: value if isinstance(value, str) else value[-1])
def test_full_disk_behind_standard_output(name, words):
    """Nobody has read it: a script that goes on, or a check before a start, must not take it for done."""
    find, _ = PROGRAMS[name]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([find(), *words], stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (SYSTEM, name + ": standard output: No space left on device\n")


@pytest.fixture(scope="module", name="folder")
def has_a_store(tmp_path_factory):
    path = tmp_path_factory.mktemp("programs")
    (path / "zone").write_text("@ 60 SOA ns h 1 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.1\n")
    (path / "bad").write_text("@ 60 SOA ns h 1 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.256\n")
    stele.run("import", "--store", path / "store", "--zone", "example", path / "zone")
    return path


@pytest.mark.parametrize("closed, words, status", [
    (1, ("export", "--store", "store", "example"), SYSTEM),
    (2, ("import", "--store", "store", "--zone", "example", "bad"), 1),
    (0, ("import", "--store", "store", "--zone", "example", "-"), 1)], ids=("output", "error", "input"))
def test_a_standard_stream_is_closed(closed, words, status, folder):
    """Its number goes to no file that is opened: what is printed would stand in the store."""
    done = subprocess.run([stele.binary(), *words], cwd=folder, preexec_fn=lambda: os.close(closed), text=True,
                          **{name: subprocess.PIPE for i, name in enumerate(("stdin", "stdout", "stderr"))
                             if i != closed})
    assert done.returncode == status, done
    for name in ("data.mdb", "lock.mdb"):
        held = (folder / "store" / name).read_bytes()
        assert b"stele-compile" not in held and b"\tIN\t" not in held and b" IN " not in held, name
    assert stele.run("zones", "--store", folder / "store").stdout.splitlines()[1].startswith("example.")


def test_path_that_is_too_long(folder):
    """The reason is told, however much of the path is not."""
    for words in (("verify", 5000 * "a"), ("build", "--store", "store", "-o", 5000 * "a")):
        done = subprocess.run([stele.binary(), *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and done.stderr.endswith(": File name too long\n"), done.stderr[-100:]


def test_json_of_a_path_that_is_not_utf8(folder):
    """A member for people, and one that says which bytes it is: two paths that look alike can be told apart."""
    path = b"im\xff\xc3\xa9\xc3a"
    for words in ((b"build", b"--store", b"store", b"-o", path), (b"update", b"--store", b"store", path),
                  (b"compact", path)):
        done = subprocess.run([stele.binary(), *words, b"--json"], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, check=True)
        told = json.loads(done.stdout.decode("utf-8"))
        assert (told["image"], told["image_hex"]) == ("im\ufffd\u00e9\ufffda", path.hex()), words
    for name in ("image", "im\u00e9"):
        told = json.loads(stele.run("build", "--store", folder / "store", "-o", folder / name, "--json").stdout)
        assert told["image"] == str(folder / name) and "image_hex" not in told


def test_load_of_a_path_that_is_not_utf8(folder):
    """The server would be told another name, and look for that when it starts again."""
    (folder / os.fsdecode(b"\xff.image")).touch()
    done = subprocess.run([mgmtd.program("stelectl", "STELECTL"), "--socket", "none", "load", b"\xff.image"],
                          cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"not UTF-8" in done.stderr, done


def shown(folder, words, output):
    """What a command writes to a terminal behind standard error, on a clock that makes its work long."""
    if stele.is_sanitized():
        pytest.skip("a sanitizer's runtime has to be loaded before all others")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "LD_PRELOAD": stele.built("tests/integration/daemon/libfast_clock.so")}
    process = subprocess.Popen([stele.binary(), *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                               stdout=theirs if output is None else output, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:   # the end, of a terminal
        pass
    os.close(ours)
    assert process.wait() == 0, text
    return text.decode()


@pytest.mark.parametrize("command, part", [("verify", "verifying names"), ("stats", "verifying names"),
                                           ("dump", "verifying names"), ("compact", "compacting")])
def test_progress(command, part, folder):
    stele.run("build", "--store", folder / "store", "-o", folder / "watched")
    text = shown(folder, (command, "watched"), subprocess.DEVNULL)
    assert re.search(r"\r\x1b\[K%s: \d+%%, \S+ \w+, \S+/s, \d+:\d\d left" % part, text), text
    assert text.endswith("\r\x1b[K")
    quiet = stele.run(command, folder / "watched")
    assert quiet.stderr == ""


@pytest.mark.parametrize("words", [("dump", "many.image"), ("export", "--store", "many.store", "example")],
                         ids=lambda words: words[0])
def test_progress_is_not_mixed_with_output(words, folder):
    """Both go to one terminal: behind the first record stands nothing of it."""
    names = "".join("n%d 60 A 192.0.2.1\n" % i for i in range(70000))
    (folder / "many").write_text((folder / "zone").read_text() + names)
    stele.run("import", "--store", folder / "many.store", "--zone", "example", folder / "many")
    stele.run("build", "--store", folder / "many.store", "-o", folder / "many.image")
    text = shown(folder, words, None)
    mixed = "\x1b" in text[text.index("SOA"):].removesuffix("\r\x1b[K")
    assert not mixed, text[:2000]
