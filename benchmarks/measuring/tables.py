# SPDX-License-Identifier: Apache-2.0
"""Raw numbers as CSV: one row a run, one header, numbers as numbers when they are read back."""
import csv
import os
import pathlib


class Fault(Exception):
    """A file that is not such a table; the text names the file and the line."""


def write(path, rows):
    """Writes dictionaries with the same keys. The file is there whole or not at all."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def number(text):
    """An int or a float where it is one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def read(path, need=()):
    """The rows as dictionaries. `need`: columns without which the file is of no use."""
    with open(path, newline="", encoding="utf-8") as source:
        reader = csv.reader(source)
        header = next(reader, None)
        if not header or len(set(header)) != len(header):
            raise Fault(f"{path}:1: no header")
        missing = [column for column in need if column not in header]
        if missing:
            raise Fault(f"{path}:1: no column {', '.join(missing)}")
        rows = []
        for line in reader:
            if not line:
                continue
            if len(line) != len(header):
                raise Fault(f"{path}:{reader.line_num}: {len(line)} fields, not {len(header)}")
            rows.append(dict(zip(header, map(number, line))))
    if not rows:
        raise Fault(f"{path}: no rows")
    return rows


def pick(rows, **wanted):
    """The rows in which these columns have these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
