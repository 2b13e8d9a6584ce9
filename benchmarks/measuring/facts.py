# SPDX-License-Identifier: Apache-2.0
"""What every measurement reports: the machine that it ran on."""
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def first_line(*command):
    try:
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return "unknown"
    lines = (run.stdout + run.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def machine_facts(build, **peers):
    """Facts by name; `peers` are the commands that print the versions of others."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M)
    memory = int(re.search(r"^MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(),
                           re.M).group(1))
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    kernel = re.match(r"[\d.]*\d", platform.release()).group(0)
    return {
        "processor": f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory / 2**20:.0f} GiB",
        "system": f"{system}, Linux {kernel}",
        "compiler": first_line(os.environ.get("CC", "cc"), "--version"),
        "build": build_type(build),
        "stele": first_line(str(build / "zonecompiler" / "stele-compile"),
                            "--version") + ", commit " + first_line("git", "rev-parse", "--short",
                                                                    "HEAD"),
        **{name: first_line(*command) for name, command in peers.items()},
    }


def build_options(build):
    options = json.loads((build / "meson-info" / "intro-buildoptions.json").read_text())
    return {option["name"]: option["value"] for option in options}


def build_type(build):
    """The build's optimisation; a sanitized build is refused, its times mean nothing."""
    values = build_options(build)
    if values.get("b_sanitize", "none") not in ("none", []):
        sys.exit("this build has sanitizers in it; give --build-dir another one")
    return values["buildtype"]


def mib(size):
    return f"{size / 2**20:.0f}"
