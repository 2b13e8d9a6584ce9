# SPDX-License-Identifier: Apache-2.0
"""What a packet costs a server in cycles, as the server itself counts: whatever pace the generator has."""
import json
import pathlib
import re
import subprocess

STAGES = ("rx", "parse", "answer", "compose", "tx")
TESTPMD_OPTION = "--record-core-cycles"


def of_stele(build, control):
    """Cycles a packet of each stage, and of all; polls that found nothing are not in it."""
    done = subprocess.run([build / "mgmt" / "stelectl", "stats", "--json", "--socket", control],
                          stdout=subprocess.PIPE, check=True, text=True)
    total = json.loads(done.stdout)["total"]
    packets = max(total.get("rx_packets", 0), 1)
    stages = {stage: total.get("cycles_" + stage, 0) / packets for stage in STAGES}
    return {**stages, "all": sum(stages.values())}


def of_testpmd(log):
    """The same, all of it, from what testpmd says at its end; None if it says nothing."""
    found = re.search(r"CPU cycles/packet=([\d.]+)", pathlib.Path(log).read_text(errors="replace"))
    return {"all": float(found.group(1))} if found else None


def table(title, rows):
    """Markdown of [(name, [cycles of each round])]; medians by stage."""
    lines = [f"| {title} | " + " | ".join(STAGES) + " | all |", "|---|" + "--:|" * (len(STAGES) + 1)]
    for name, rounds in rows:
        rounds = [one for one in rounds if one]
        if not rounds:
            continue
        middle = {key: sorted(one[key] for one in rounds)[len(rounds) // 2] for key in rounds[0]}
        lines.append(f"| {name} | " + " | ".join(f"{middle[key]:.0f}" if key in middle else ""
                                                 for key in (*STAGES, "all")) + " |")
    return lines
