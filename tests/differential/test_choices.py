# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md names every choice, with the same words."""
import pathlib

import choices

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "conformance.md"


def test_every_choice_is_documented():
    text = DOCUMENT.read_text()
    missing = [c.name for c in choices.CHOICES
               if "| %s | %s | %s | %s |\n" % (c.name, c.stele, c.rfc, c.text) not in text]
    assert not missing
