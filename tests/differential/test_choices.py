# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md names every choice, with the same words; a difference without a name is a failure."""
import pathlib

import choices
import compare
import dnswire
import questions

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "conformance.md"


def test_every_choice_is_documented():
    text = DOCUMENT.read_text()
    missing = [c.name for c in choices.CHOICES
               if "| %s | %s | %s | %s |\n" % (c.name, c.stele, c.rfc, c.text) not in text]
    assert not missing


def test_a_difference_without_a_name():
    """Also where Stele is as one of the two."""
    query = dnswire.query("a.test.", "A")
    ask = questions.Ask("test.", query, dnswire.name_to_wire("a.test."), 1, None)
    one, two = ([query[:2] + bytes((0x84, rcode)) + query[4:]] for rcode in (0, 3))

    class Server:
        def __init__(self, replies):
            self.replies = replies

        def ask(self, messages, tcp):
            return self.replies

    for own, knot, nsd, failed in ((one, one, one, 0), (two, one, one, 1), (one, one, two, 1), (one, two, one, 1)):
        report = compare.compare(*map(Server, (own, knot, nsd)), [ask], {}, choices.CHOICES)
        assert (report.compared, report.failed) == (1, failed)
