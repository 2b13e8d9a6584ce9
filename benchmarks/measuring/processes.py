# SPDX-License-Identifier: Apache-2.0
"""What a server and all that it has forked take: found by their session, which is the first one's pid."""
import os
import pathlib
import re

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def of_session(session):
    pids = []
    for entry in pathlib.Path("/proc").iterdir():
        fields = _stat(entry.name) if entry.name.isdigit() else None
        if fields and int(fields[3]) == session:
            pids.append(int(entry.name))
    return pids


def processor_time(session):
    """Seconds that all processes of the session have had."""
    total = 0
    for pid in of_session(session):
        fields = _stat(pid)
        total += int(fields[11]) + int(fields[12]) if fields else 0
    return total / TICKS


def field(pid, file, name):
    """A field of /proc/PID/status or smaps_rollup in bytes; 0 when the process is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0
    match = re.search(rf"^{name}:\s+(\d+) kB", text, re.M)
    return int(match.group(1)) * 1024 if match else 0


def memory(session):
    """Resident bytes of the session, what is shared counted once; and those in huge pages, which are no part
    of it. Processes that were forked share the zones, so their resident sizes must not be added up."""
    pids = of_session(session)
    return (sum(field(pid, "smaps_rollup", "Pss") for pid in pids),
            sum(field(pid, "smaps_rollup", name) for pid in pids
                for name in ("Private_Hugetlb", "Shared_Hugetlb")))


def peak(session):
    """Peak resident bytes of the largest process of the session."""
    return max((field(pid, "status", "VmHWM") for pid in of_session(session)), default=0)
