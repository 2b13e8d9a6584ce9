# SPDX-License-Identifier: Apache-2.0
"""Shared by all Python tests: where the support code is, the slow tier, what a test needs or is skipped."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "support"))
sys.path.insert(0, os.path.join(HERE, "differential"))
sys.path.insert(0, os.path.join(HERE, "hostile"))
# For the package `measuring`. Not in a conftest.py beside the tests of benchmarks: tests import this file by its
# name, and would get that one.
sys.path.append(os.path.join(os.path.dirname(HERE), "benchmarks"))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: long runs, only with -m slow (scripts/test-slow)")


def pytest_collection_modifyitems(config, items):
    if "slow" not in (config.option.markexpr or ""):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow tier: run scripts/test-slow"))


def need(*programs):
    """Skip, and say so, when a program of another project is not installed."""
    import peers
    missing = [name for name in programs if not peers.find(name)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))


@pytest.fixture(scope="session")
def namespaces():
    """Skips, and says why, where network namespaces cannot be made. A test that has a responder needs them."""
    import netns
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def images(namespaces, tmp_path_factory):
    """stele.two_images(), for a responder. All tests share them: who would change one copies it first."""
    import stele
    return stele.two_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def node(images):
    """A responder that serves the first of them."""
    import responder
    with responder.Node(images[0]) as made:
        yield made


@pytest.fixture(scope="session")
def peers_installed():
    need("knotd", "nsd", "kzonesign", "keymgr", "ldns-signzone", "ldns-keygen")


def pytest_terminal_summary(terminalreporter):
    """The account of what was compared, also when all passed."""
    differ = sys.modules.get("differ")
    if differ and differ.TOTAL.compared:
        terminalreporter.section("differential: Stele, Knot, NSD")
        terminalreporter.write_line(differ.TOTAL.summary())
