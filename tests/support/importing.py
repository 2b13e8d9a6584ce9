# SPDX-License-Identifier: Apache-2.0
"""stele-compile import with small zone files, and what of it is in the store."""
import json
import os
import subprocess

import stele

HEAD = "$TTL 300\n@ IN SOA ns h 7 3600 900 604800 300\n@ NS ns\nns A 192.0.2.1\n"   # 4 lines
HASH = "2vptu5timamqttgl4luu9kg21e0aor3s"


def write(folder, text, name="z.zone"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def importing(*arguments, stdin=b""):
    return subprocess.run([stele.binary(), "import", *map(str, arguments)], input=stdin,
                          capture_output=True)


def export(store, zone="example."):
    return stele.run("export", "--store", store, zone).stdout


def stores_nothing(store):
    """True if the store holds no zone, or is not there at all."""
    if not os.path.exists(store):
        return True
    return json.loads(stele.run("zones", "--store", store, "--json").stdout) == []
