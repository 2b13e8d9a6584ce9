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


@pytest.mark.parametrize("name", ["stele-mgmtd", "stele-responder"])
@pytest.mark.parametrize("words", [(), ("-x",), ("--nothing",), ("-c",), ("-c", "a", "b"), ("-c", "a", "-c", "b"),
                                   ("--check=1", "-c", "a")], ids=" ".join)
def test_usage_of_a_daemon(name, words):
    find, _ = PROGRAMS[name]
    done = subprocess.run([find(), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    what, where = done.stderr.splitlines()
    assert (done.returncode, done.stdout, where) == (2, "", "try '%s --help'" % name) and name + ": " in what


@pytest.mark.parametrize("name, common", [("stele-compile", set()), ("stelectl", {"--socket", "--json"})])
def test_usage_names_every_option(name, common):
    """Where it does not say OPTION; the rest of stelectl's stand before its commands."""
    find, _ = PROGRAMS[name]

    def help_of(*words):
        return subprocess.run([find(), *words, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", help_of().partition("commands:")[2], re.M)
    assert commands
    for command in commands:
        usage, _, rest = help_of(command).partition("\n")
        options = {long: short for short, long in re.findall(r"^  (-\w,|   ) (--[a-z-]+)", rest, re.M)}
        assert "--help" in options
        for long in set(options) - common - {"--help", "--version"}:
            assert "OPTION" in usage or long in usage or options[long].strip(",") in usage.split(), (command, long)


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


# ESC [, line ends, BEL, the same as ESC [ in one byte and as a character, and what stays as it is.
ODD = b"\x1b[31m\r\n\x07\x9b\xc2\x9b\x7f\xc3\xa9"
ODD_SHOWN = r"\x1b[31m\x0d\n\x07\x9b\xc2\x9b\x7f" + "\u00e9"


def run_odd(path, folder, *words):
    """What a program says on both streams: its one line is in UTF-8 and has no control character but the last."""
    done = subprocess.run([path, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    text = done.stdout.decode("utf-8")
    assert text.endswith("\n") and not re.search("[\x00-\x1f\x7f-\x9f]", text[:-1]), text
    assert ODD_SHOWN in text, text
    return done.returncode


@pytest.mark.parametrize("words, status", [
    ((ODD,), 2), (("verify", b"--" + ODD, "image"), 2), (("update", "image", b"--jobs", ODD), 2),
    (("verify", ODD), 1), (("zones", "--store", ODD), 1), (("import", "--store", "store", ODD), 1),
    (("import", "--store", "store", "--zone", ODD + b"..", "zone"), 2),
    (("import", "--store", "store", "--zone", "example", b"bad" + ODD), 1)],
    ids=("command", "option", "value", "image", "store", "zone file", "zone", "report"))
def test_odd_bytes_of_arguments(words, status, folder):
    """They are shown, not sent to the terminal."""
    (folder / os.fsdecode(b"bad" + ODD)).write_bytes((folder / "bad").read_bytes())
    if words[-1] == b"bad" + ODD:   # with a line that counts the errors
        done = subprocess.run([stele.binary(), *words], cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        first, second, end = done.stderr.decode("utf-8").split("\n")
        assert done.returncode == status and ODD_SHOWN in first and not end
        assert second == "stele-compile: 1 error, nothing was stored"
    else:
        assert run_odd(stele.binary(), folder, *words) == status


def test_odd_bytes_of_the_image_that_is_done(folder):
    image = b"image" + ODD
    for words in (("build", "--store", "store", "-o", image), ("update", "--store", "store", image),
                  ("compact", image), ("verify", image)):
        assert run_odd(stele.binary(), folder, *words) == 0


@pytest.mark.parametrize("name", ["stele-mgmtd", "stele-responder"])
def test_odd_bytes_of_arguments_of_servers(name, folder):
    path = PROGRAMS[name][0]()
    (folder / os.fsdecode(ODD)).write_text("image: [\n")
    assert run_odd(path, folder, "-c", ODD, "--check") != 0
    assert run_odd(path, folder, "-c", b"none" + ODD, "--check") != 0
    for words in ((b"--" + ODD,), (b"--check=" + ODD,), ("-c", "none", ODD)):
        done = subprocess.run([path, *words], cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        first, second, end = done.stderr.decode("utf-8").split("\n")
        assert done.returncode == 2 and ODD_SHOWN in first and not end, done
        assert second == "try '%s --help'" % name


def test_odd_bytes_of_arguments_of_stelectl(folder):
    path = PROGRAMS["stelectl"][0]()
    for words, status in (((ODD,), 2), (("status", ODD), 2), (("--socket", ODD, "status"), 3), (("load", ODD), 1)):
        assert run_odd(path, folder, *words) == status


@pytest.mark.parametrize("name", ["stele-mgmtd", "stele-responder"])
@pytest.mark.parametrize("words, text", [
    (("--nothing",), "unknown option --nothing"), (("-c",), "-c needs an argument"),
    (("--config",), "--config needs an argument"), (("-vx",), "unknown option -x"), (("--c",), "unknown option --c"),
    (("--check=1",), "--check=1: the option takes no argument"), (("-c", "a", "b"), "unexpected argument 'b'"),
    ((), "-c FILE is missing"), (("-v", "--verbose"), "--verbose is given twice")], ids=str)
def test_wrong_options_of_servers(name, words, text):
    done = subprocess.run([PROGRAMS[name][0](), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "%s: %s\ntry '%s --help'\n" % (name, text, name)


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
