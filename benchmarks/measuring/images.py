# SPDX-License-Identifier: Apache-2.0
"""Stores and images of generated zones, and programs timed by the system's account."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BYTES_A_NAME = 900  # of disk while an image is made: zone file, store, image


def run(*command):
    """Runs a program to its end: what it printed, wall seconds, and its resource usage."""
    with tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                                 stderr=errors)
        try:
            output = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            sys.exit(f"{pathlib.Path(command[0]).name} {command[1]} failed with "
                     f"{child.returncode}:\n" + errors.read().decode(errors="replace")[-2000:])
    return output, wall, usage


def make_image(build, zones, store, image, each_file=None):
    """
    Generates zones, one after the other, and makes a store and an image of them. `zones` are
    (apex, mode, further arguments of `generate`); `each_file` sees each zone file before it goes.
    """
    compiler = build / "zonecompiler" / "stele-compile"
    file = store.with_suffix(".zone")
    for apex, mode, *arguments in zones:
        _, generated, _ = run(build / "benchmarks" / "generate", mode, "--origin", apex,
                              *arguments, "-o", file)
        if each_file is not None:
            each_file(apex, file)
        _, imported, _ = run(compiler, "import", "--store", store, "--zone", apex, file)
        file.unlink()
        print(f"{apex} generated in {generated:.1f} s, imported in {imported:.1f} s",
              file=sys.stderr)
    _, built, usage = run(compiler, "build", "--store", store, "-o", image)
    print(f"{image.name} of {image.stat().st_size / 2**20:.0f} MiB built in {built:.1f} s, "
          f"{usage.ru_maxrss / 1024:.0f} MiB of memory", file=sys.stderr)


def growing_zones(size, seed):
    """A registry (NSEC3 with opt-out) and a zone of hosts (NSEC3), with half of the names each."""
    common = ("--names", str(size // 2), "--seed", str(seed))
    return [("registry.", "tld", "--denial", "nsec3-optout", *common),
            ("hosts.", "hosts", "--denial", "nsec3", *common)]


def check_room(folder, size):
    need = size * BYTES_A_NAME
    if shutil.disk_usage(folder).free < need:
        sys.exit(f"{folder} has less than {need / 2**20:.0f} MiB of free disk; see --temp")


def growing_image(build, size, seed, folder, temp):
    """The image of these zones in `folder`, made if it is not there."""
    image = folder / f"growth-{size}-{seed}.image"
    if not image.exists():
        check_room(temp, size)
        store = temp / f"store-{size}"
        make_image(build, growing_zones(size, seed), store, image)
        shutil.rmtree(store)
    return image
