# SPDX-License-Identifier: Apache-2.0
"""Every command of every document: it exists, has the options it is shown with, and is run by a test.

Blocks marked `sh` are run as they stand, by test_docs.py. Blocks marked `console` cannot be: each of their
lines stands in HELD, with the test that runs it or the reason why none does. A new line fails here
until it has one. Blocks without a word are pictures, and have no command in them.
"""
import functools
import os
import re
import subprocess

import pytest

import documents
import inventory
import stele

BUILD = os.environ.get("STELE_BUILD_DIR") or os.path.join(documents.ROOT, "build")
FOLDERS = {"stele-compile": "zonecompiler", "stele-responder": "responder", "stele-mgmtd": "mgmt",
           "stelectl": "mgmt", "stele-host-setup": "scripts"}
RUN = {"README.md", "docs/operation.md", "docs/runbooks.md"}    # by test_docs.py
KINDS = {"sh", "console", "yaml", "ini", "json", ""}

QUICKSTART = "tests/integration/installation/test_quickstart.py::"
MEASURES = "measures for minutes or more; here only its options"
# (beginning of the line, test that runs it or reason)
HELD = [
    ("scripts/quickstart", QUICKSTART + "test_it_builds"),
    (". /run/stele-quickstart/env", QUICKSTART + "test_what_the_readme_says_to_type_next"),
    ("dig @10.53.0.2 nothing.nsec3.test A +dnssec", QUICKSTART + "test_what_the_readme_says_to_type_next"),
    ("stelectl ", QUICKSTART + "test_what_the_readme_says_to_type_next"),
    ("scripts/test", "runs this"),
    ("scripts/check-style", "a check of its own, step of .ci/run"),
    ("scripts/check-headers", "a check of its own, step of .ci/run"),
    ("scripts/soak", "runs for minutes; tests/soak/test_soak.py in short"),
    ("scripts/install-deps", "installs packages; here only its options"),
    ("scripts/package", "tests/integration/installation/test_package.py::test_what_is_in_it"),
    ("apt-get install ./stele_*.deb", "tests/integration/installation/test_package.py::test_a_new_system"),
    ("meson setup build-install --prefix=/usr", "tests/integration/installation/test_install.py::test_as_the_page_says"),
    ("meson compile -C build-install", "tests/integration/installation/test_install.py::test_as_the_page_says"),
    ("meson install -C build-install", "tests/integration/installation/test_install.py::test_as_the_page_says"),
    ("scripts/host-setup --huge-pages", "tests/integration/installation/test_host_setup.py::test_as_the_page_says"),
    ("echo 'ARGUMENTS=", "tests/integration/installation/test_host_setup.py::test_at_each_boot_as_the_page_says"),
    ("systemctl enable stele-host-setup", "tests/machine/test_machine.py::test_a_boot"),
    ("build/benchmarks/generate ", "tests/integration/documents/test_docs_commands.py::test_generate"),
    ("benchmarks/", MEASURES),
    ("sudo benchmarks/", MEASURES),
    ("build/benchmarks/", MEASURES),
]


def shown():
    return [(name, line) for name in documents.PAGES for kind, body in documents.blocks(name)
            if kind == "console" for line in documents.lines(body)]


@functools.lru_cache(None)
def help_of(program, *words):
    """What it says of itself; of a command with its own help, that."""
    path = os.path.join(documents.ROOT, program)
    if program in FOLDERS:
        path = os.path.join(os.path.dirname(os.path.dirname(stele.binary())), FOLDERS[program], program)
    elif program.startswith("build/"):
        path = os.path.join(BUILD, program.removeprefix("build/"))
    if not os.path.isfile(path):
        return None
    done = subprocess.run([path, *words, "--help"], text=True, stdin=subprocess.DEVNULL, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout if "usage: " in done.stdout or done.returncode == 0 else None


def faults(words):
    """Why a command line cannot be typed as it stands; [] if it can."""
    program, rest = words[0], words[1:]
    if program.startswith(("benchmarks/results", "benchmarks/README")):
        return []
    if program.startswith("benchmarks/") and not os.path.isfile(os.path.join(documents.ROOT, program)):
        program = "build/" + program    # in running text
    text = help_of(program)
    if text is None:
        return ["%s: no such program, or it does not say what it does" % program]
    found = []
    listed = re.findall(r"^  ([a-z]+) ", text.partition("commands:\n")[2], re.M)
    own = next((word for word in rest if listed and re.fullmatch("[a-z]+", word)), None)
    if own is not None and own not in listed:
        found.append("%s: there is no '%s'" % (program, own))
    elif own is not None:
        text += help_of(program, own) or ""
    for word in rest:
        option = re.match(r"\[?(--[a-z][a-z-]*|-[a-zA-Z](?=$|\]))", word)
        flag = re.match(r"\+[a-z]+", word)
        if option and not re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(option[1]), text):
            found.append("%s: there is no option %s" % (" ".join(words), option[1]))
        if flag and flag[0] not in text:
            found.append("%s: there is no flag %s" % (" ".join(words), flag[0]))
    return found


@pytest.mark.parametrize("name", documents.PAGES)
def test_kinds(name):
    for kind, body in documents.blocks(name):
        assert kind in KINDS, "what is a block of '%s'?" % kind
        assert kind != "sh" or name in RUN, "nobody runs the blocks of this page: " + body
        if kind == "":
            assert not [line for line in body.splitlines() if documents.PROGRAM.match(line)], \
                "a command in a block that says not what it is"


@pytest.mark.parametrize("name", documents.PAGES)
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)", documents.text(name))
    folder = os.path.dirname(os.path.join(documents.ROOT, name))
    assert [link for link in links if "://" not in link
            and not os.path.exists(os.path.join(folder, link))] == []


@pytest.mark.parametrize("name,line", shown())
def test_who_runs_it(name, line):
    how = [how for begin, how in HELD if line.startswith(begin)]
    assert how, "%s: neither a test nor a reason for: %s" % (name, line)
    if how[0].startswith("tests/"):
        assert inventory.has(how[0]), how[0]


def test_no_line_of_the_table_is_left_over():
    lines = [line for _, line in shown()]
    first = [next(begin for begin, _ in HELD if line.startswith(begin)) for line in lines]
    assert [begin for begin, _ in HELD if begin not in first] == []


@pytest.mark.parametrize("name", documents.PAGES)
def test_each_exists_with_its_options(name):
    lines = [line for kind, body in documents.blocks(name) if kind in ("sh", "console")
             for line in documents.lines(body)] + documents.spoken(name)
    found = [fault for line in lines for words in documents.commands(line) for fault in faults(words)]
    assert found == []


def all_help():
    programs = list(FOLDERS)
    for folder in "scripts", "benchmarks":
        programs += ["%s/%s" % (folder, name) for name in os.listdir(os.path.join(documents.ROOT, folder))
                     if "." not in name and os.access(os.path.join(documents.ROOT, folder, name), os.X_OK)
                     and os.path.isfile(os.path.join(documents.ROOT, folder, name))]
    programs += ["build/benchmarks/" + name for name in ("generate", "bench_engine", "bench_start",
                                                         "bench_frame", "bench_rrl", "bench_rings")]
    texts = []
    for program in programs:
        text = help_of(program) or ""
        texts.append(text)
        texts += [help_of(program, command) or ""
                  for command in re.findall(r"^  ([a-z]+) ", text.partition("commands:\n")[2], re.M)]
    return "\n".join(texts)


@pytest.mark.parametrize("name", documents.PAGES)
def test_options_in_running_text(name):
    """`--option` and `command --option`, where the text says whose it is."""
    known = all_help()
    for piece in documents.spoken(name):
        if piece.split()[0] in ("apt-get", "valgrind", "testpmd", "meson", "chrt", "python3", "rsync"):
            continue    # others'
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", piece):
            assert re.search(r"(?<![\w-])%s(?![\w-])" % option, known), "%s: %s" % (option, piece)


def test_generate(tmp_path):
    """As on the page, with smaller numbers."""
    lines = [line for name, line in shown() if line.startswith("build/benchmarks/generate ")]
    assert len(lines) == 4
    for line in lines:
        line = re.sub(r"--names \d+", "--names 20", line)
        done = subprocess.run(["sh", "-c", line.replace("build/", BUILD + "/", 1)], cwd=tmp_path, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
    assert (tmp_path / "zones").is_dir() and (tmp_path / "hosts.zone").exists()
