# SPDX-License-Identifier: Apache-2.0
"""Whether a test that a table names is there: as text, without importing or building it.

    tests/hostile/test_frames.py::test_alone            a function of a file of pytest
    tests/hostile/test_frames.py::test_alone[short]     one of its cases, by a word that the file has
    tests/unit/zone/test_zone.c::soa_missing            a case of cmocka, registered in that file
    fuzz:query                                          a target of tests/fuzz with a corpus
"""
import functools
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@functools.lru_cache(None)
def _text(path):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def fuzz_targets():
    """{name: folder of its corpus}, as tests/fuzz/meson.build lists them."""
    return dict(re.findall(r"^  \['(\w+)', '([\w-]+)', \[", _text("tests/fuzz/meson.build"), re.M))


def has(name):
    """True if there is such a test, which the ordinary run finds."""
    if name.startswith("fuzz:"):
        corpus = fuzz_targets().get(name.removeprefix("fuzz:"))
        return corpus is not None and bool(os.listdir(os.path.join(ROOT, "tests/corpus", corpus)))
    path, _, function = name.partition("::")
    function, _, case = function.partition("[")
    if path.endswith(".py"):
        found = re.search(r"^def %s\(" % re.escape(function), _text(path), re.M)
    else:
        # Each file that registers with another word defines it itself: TEST, WITH_BYTES.
        found = re.search(r"(?:cmocka_unit_test\w*|TEST|WITH_BYTES)\(%s\b" % re.escape(function), _text(path)) \
            and path in _built()
    return bool(found) and case.rstrip("]") in _text(path)


@functools.lru_cache(None)
def _built():
    """Paths of the C tests that meson builds, those that a foreach builds too."""
    found = set()
    for path in glob.glob("tests/unit/*/meson.build", root_dir=ROOT) + \
            ["tests/fuzz/meson.build", "benchmarks/meson.build"]:
        listed, folder = _text(path), os.path.dirname(path)
        names = re.findall(r"'([\w/.]*test_\w+\.c)'", listed)
        for words, prefix in re.findall(r"^foreach name : \[(.*?)\]\n.*?'(test_\w*)' \+ name", listed, re.M | re.S):
            names += [prefix + word + ".c" for word in re.findall(r"\w+", words)]
        found.update(os.path.normpath(os.path.join(folder, name)) for name in names)
    return found
