# SPDX-License-Identifier: Apache-2.0
"""How quiet the machine is before and after each case: fixed work on each processor, and time that others took."""
import os
import pathlib

from measuring.images import run

# The probe's median beside the fastest of the whole run. Virtual processors that share a core have spells of nearly
# 2 when both work, and there the probes run one after the other.
SLOW_MAX = 1.5
STEAL_MAX = 0.05  # of the time of all processors


def _processor_ticks():
    """All ticks, and those that the host gave to others."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(map(int, fields)), int(fields[7])


class Watch:
    """From before a case to after it."""

    def __init__(self, build):
        self.build = build
        self.before = self._probe()
        self.ticks = _processor_ticks()
        self.load = os.getloadavg()[0]

    def _probe(self):
        rows = [run(self.build / "benchmarks" / "bench_noise", cpu)[0].decode().split(",")
                for cpu in sorted(os.sched_getaffinity(0))]
        return min(int(fastest) for fastest, _ in rows), max(int(middle) for _, middle in rows)

    def row(self, case):
        """What goes to noise.csv. Nanoseconds are those of the probe."""
        all_ticks, steal = (now - then for now, then in zip(_processor_ticks(), self.ticks))
        after = self._probe()
        return {"case": case, "fastest_ns": min(self.before[0], after[0]), "before_ns": self.before[1],
                "after_ns": after[1], "steal": round(steal / max(all_ticks, 1), 4),
                "load_before": round(self.load, 2)}


def fault(rows, case):
    """Why nothing should be said of a case, or an empty string."""
    mine = [row for row in rows if row["case"] == case]
    if not mine:
        return ""
    fastest = min(row["fastest_ns"] for row in rows)
    row = mine[-1]
    slow = min(row["before_ns"], row["after_ns"]) / fastest
    if slow > SLOW_MAX:
        return f"busy machine: {slow:.1f} times as slow as at its best"
    if row["steal"] > STEAL_MAX:
        return f"busy host: {row['steal']:.0%} of the processors taken away"
    return ""
