# SPDX-License-Identifier: Apache-2.0
"""What the programs said, by severity and event: errors that nobody provoked are faults."""
import collections
import json
import re

NAMES = {3: "error", 4: "warning", 5: "notice", 6: "info", 7: "debug"}
# (event or text, why it is provoked): errors that follow from a fault of ours.
PROVOKED = {
    "full disk": re.compile(r"[Nn]o space left|MDB_MAP_FULL|ENOSPC|not enough (room|space)|[Dd]isk full"),
    "killed": re.compile(r"signal 9|[Kk]illed|SIGKILL|closed without an answer|Connection refused|Connection reset|"
                         r"nobody listens there"),
    "starved": re.compile(r"worker \d+ on core \d+ stands still"),
}


def entries(path):
    """(level, event, text) of each line; what is no line of ours has the level "other"."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = re.match(r"<([3-7])>(.*)", line)
            if not match:
                yield "other", "", line.rstrip()
                continue
            level, text = NAMES[int(match[1])], match[2]
            event = ""
            if text.startswith("{"):
                try:
                    event = json.loads(text).get("event", "")
                except ValueError:
                    pass
            yield level, event or " ".join(text.split()[:4]), text


def judge(paths, faults_made):
    """([what nobody provoked], {"program level event": how often}). `faults_made`: kinds of PROVOKED."""
    unexpected, counted = [], collections.Counter()
    for program, path in paths.items():
        for level, event, text in entries(path):
            if level in ("error", "warning", "other"):
                counted["%s %s %s" % (program, level, event or "text")] += 1
            if "Sanitizer" in text or "runtime error" in text:
                unexpected.append("%s: %s" % (program, text))
            elif level == "error" and not any(PROVOKED[kind].search(text) for kind in faults_made):
                unexpected.append("%s: %s" % (program, text))
    return unexpected, dict(counted)
