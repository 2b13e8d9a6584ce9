# SPDX-License-Identifier: Apache-2.0
"""The soak: everything at once for a while, and then the balance. Run by scripts/soak.

First faults and load together, then load alone, by which memory is judged, then nothing, until all has arrived.
"""
import argparse
import math
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
ROOT = os.path.dirname(TESTS)
sys.path[:0] = [HERE, os.path.join(TESTS, "support"), os.path.join(TESTS, "hostile"),
                os.path.join(ROOT, "benchmarks")]
from measuring import system  # noqa: E402 (the path comes first)

PROGRAMS = {"STELE_RESPONDER": "responder/stele-responder", "STELE_COMPILE": "zonecompiler/stele-compile",
            "STELE_MGMTD": "mgmt/stele-mgmtd", "STELECTL": "mgmt/stelectl"}
STEADY = 0.35         # of the time: without faults
# Losses that the tests of the soak have it find.
PLANTS = "frame", "change", "file", "log"


def positive(text):
    """A number above 0 that is finite, or ValueError."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: expected more than 0")
    return number


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    time_of = parser.add_mutually_exclusive_group()
    time_of.add_argument("--minutes", type=positive, help="how long (10)")
    time_of.add_argument("--seconds", type=positive)
    parser.add_argument("--seed", default=None, help="of all that is random; printed")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="the folder of the programs (build)")
    parser.add_argument("--sanitized", metavar="BUILD", help="the same, of a build with sanitizers")
    parser.add_argument("--json", metavar="FILE", help="write the balance there too")
    parser.add_argument("--flood", type=positive, default=1500, metavar="N", help="frames a second (1500)")
    parser.add_argument("--no-faults", action="store_true", help="nothing is killed, no disk is full")
    parser.add_argument("--keep-logs", metavar="DIR", help="copy what the programs said there")
    parser.add_argument("--plant", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for kind in filter(None, asked.plant.split(",")):
        if kind not in PLANTS:
            parser.error("--plant: nothing of the kind %s" % kind)
    # What would be told after an hour.
    for path in filter(None, (asked.json and os.path.dirname(os.path.abspath(asked.json)), asked.keep_logs)):
        if not os.path.isdir(path):
            parser.error("%s is no folder" % path)
    if not os.path.exists(os.path.join(asked.sanitized or asked.build, "build.ninja")):
        parser.error("%s is no build (meson setup)" % (asked.sanitized or asked.build))
    asked.length = asked.seconds or (asked.minutes or 10) * 60
    asked.seed = asked.seed or str(random.SystemRandom().randrange(1 << 32))
    return asked


def prepare(asked):
    """Builds the programs, and says in the environment where they are."""
    build = os.path.abspath(asked.sanitized or asked.build)
    subprocess.run(["ninja", "-C", build, *PROGRAMS.values()], check=True, stdout=subprocess.DEVNULL)
    for variable, program in PROGRAMS.items():
        os.environ[variable] = os.path.join(build, program)
    libraries = subprocess.run(["ldd", os.environ["STELE_MGMTD"]], check=True, stdout=subprocess.PIPE, text=True).stdout
    if asked.sanitized and "libasan" not in libraries and "libtsan" not in libraries:
        sys.exit("soak: the programs in %s are without a sanitizer" % build)
    # What the sanitizer holds back of freed memory would look like a leak.
    os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")


def main():
    asked = arguments()
    # Or namespaces, and a disk that is mounted, would stay.
    system.end_on_signals()
    import netns
    reason = netns.why_not()
    if reason:
        sys.exit("soak: %s" % reason)
    prepare(asked)
    import run    # after the environment says where the programs are
    print("seed %s, %d s, %s" % (asked.seed, asked.length, asked.sanitized or asked.build), flush=True)
    begin = time.monotonic()
    balance = run.soak(asked)
    balance.figure("seconds in all", round(time.monotonic() - begin, 1))
    print(balance.table())
    if asked.json:
        balance.write(asked.json)
    return 0 if balance.fits else 1


if __name__ == "__main__":
    sys.exit(main())
