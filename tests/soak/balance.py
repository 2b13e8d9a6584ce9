# SPDX-License-Identifier: Apache-2.0
"""The balance of a soak: what went in stands against what came out, line by line.

A line is a number and the parts that it must be the sum of. What the parts leave over has bounds, which are zero
where nothing was killed, and are said where something was. A limit is a number that may not be above (or below) another
one. A list must be empty. Nothing here knows what is counted.
"""
import json
from typing import NamedTuple


class Line(NamedTuple):
    """total = parts + rest, with low <= rest <= high."""
    name: str
    total: int
    parts: dict
    low: int = 0
    high: int = 0
    why: str = ""      # the rest may be other than zero

    @property
    def rest(self):
        return self.total - sum(self.parts.values())

    @property
    def fits(self):
        return self.low <= self.rest <= self.high

    def rows(self):
        yield self.name, self.total, ""
        for part, value in self.parts.items():
            if value:
                yield "    " + part, value, ""
        if self.rest or self.low or self.high:
            yield "    left over", self.rest, "%d to %d%s" % (self.low, self.high, self.why and ", " + self.why)


class Limit(NamedTuple):
    """low <= value <= high."""
    name: str
    value: float
    low: float = float("-inf")
    high: float = float("inf")
    unit: str = ""

    @property
    def fits(self):
        return self.low <= self.value <= self.high

    def rows(self):
        bounds = [text for text, bound in (("at least %s" % self.low, self.low), ("at most %s" % self.high, self.high))
                  if abs(bound) != float("inf")]
        yield self.name, self.value, " ".join([self.unit, ", ".join(bounds)]).strip()


class Nothing(NamedTuple):
    """A list of what should not have been."""
    name: str
    found: list

    @property
    def fits(self):
        return not self.found

    def rows(self):
        yield self.name, len(self.found), "at most 0"
        for text in self.found[:20]:
            yield "    " + str(text)[:300], "", ""
        if len(self.found) > 20:
            yield "    and more", len(self.found) - 20, ""


class Balance:
    def __init__(self, **about):
        self.about, self.lines, self.figures = about, [], {}

    def add(self, line):
        self.lines.append(line)

    def figure(self, name, value):
        """A number that is told and not judged."""
        self.figures[name] = value

    @property
    def fits(self):
        return bool(self.lines) and all(line.fits for line in self.lines)

    def table(self):
        out = ["  ".join("%s=%s" % item for item in self.about.items())]
        for line in self.lines:
            for i, (name, value, note) in enumerate(line.rows()):
                mark = ("ok  " if line.fits else "OUT ") if i == 0 else "    "
                out.append(("%s%-58s %12s  %s" % (mark, name, value, note)).rstrip())
        out += ["    %-58s %12s" % item for item in self.figures.items()]
        out.append("It balances." if self.fits else "It does NOT balance: %s." % (
            "; ".join(line.name for line in self.lines if not line.fits) or "nothing was looked at"))
        return "\n".join(out)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**self.about, "balances": self.fits, "figures": self.figures, "lines": [
                {"kind": type(line).__name__.lower(), "fits": line.fits,
                 **{key: value if value not in (float("inf"), float("-inf")) else None
                    for key, value in line._asdict().items()},
                 **({"rest": line.rest} if isinstance(line, Line) else {})} for line in self.lines]}, file, indent=1)
            file.write("\n")


def difference(name, wanted, found, shown=5):
    """The records that are in one of two sets only, as a list that should be empty."""
    return (["%s lacks %s" % (name, record) for record in sorted(wanted - found)[:shown]] +
            ["%s has %s besides" % (name, record) for record in sorted(found - wanted)[:shown]])
