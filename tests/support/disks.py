# SPDX-License-Identifier: Apache-2.0
"""Disks that get full."""
import contextlib
import os
import subprocess
import tempfile

import pytest


@contextlib.contextmanager
def small_disk(megabytes):
    """The folder of a disk of its own; skips the test where none can be mounted."""
    folder = tempfile.mkdtemp(prefix="stele-small-")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "none", folder],
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        os.rmdir(folder)
        pytest.skip("no small disk can be mounted: " + done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


def fill(path):
    """Takes all room but a little."""
    with open(path, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
