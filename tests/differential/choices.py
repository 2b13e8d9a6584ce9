# SPDX-License-Identifier: Apache-2.0
"""Where Knot and NSD differ from one another, what the RFC says, and whom Stele follows."""
from typing import Callable, NamedTuple


class Choice(NamedTuple):
    name: str
    rfc: str
    text: str
    stele: str                # Knot, NSD, either (equal to one of them), own (equal to none)
    matches: Callable
    both: bool = False        # may apply where the peers agree


CHOICES = []
