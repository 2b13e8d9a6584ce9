# SPDX-License-Identifier: Apache-2.0
"""What the documents show: their fenced blocks, and the commands in blocks and in running text."""
import glob
import os
import re
import shlex

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "tests/README.md",
         *sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs/*.md"))),
         *sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs/man/*.about")))]

# What is ours, as it stands in a command line.
PROGRAM = re.compile(r"(?<![\w./-])(stele-compile|stele-responder|stele-mgmtd|stele-host-setup|stelectl|"
                     r"scripts/[a-z-]+|(?:build/)?benchmarks/[a-z_-]+)(?=[ \n]|$)")


def text(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def blocks(name):
    """[(kind, text)] of a page's fenced blocks; kind is the word behind the fence."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text(name), re.M | re.S)


def script(name):
    """All that a page has to be run, in its order."""
    return "\n".join(body for kind, body in blocks(name) if kind == "sh")


def sections(name):
    """[[text, ...]]: of each section of a page what it has to be run, in its order, if it has any."""
    of_each = [re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
               for section in re.split(r"^## ", text(name), flags=re.M)]
    return [bodies for bodies in of_each if bodies]


def files(name):
    """[(path, text)]: the files that a page shows, each below a paragraph that ends with its path."""
    return re.findall(r"`(/etc/[^`]+)`[^`]*?:\n\n```\w+\n(.*?)^```$", text(name), re.M | re.S)


def lines(body):
    """Command lines of a block: continued ones as one, without what is said beside them."""
    joined = body.replace("\\\n", " ")
    return [re.split(r"  +(?=[^\s-])|\s+#", line.strip())[0] if not line.startswith(" ") else line.strip()
            for line in joined.splitlines() if line.strip()]


def commands(line):
    """[[program, word, ...]] of ours in a line of a script or in a piece of running text."""
    found = []
    for match in PROGRAM.finditer(line):
        rest = re.split(r"[|;&<>)]|\s#", line[match.start():])[0]
        try:
            found.append(shlex.split(rest))
        except ValueError:    # a quote that ends in another line
            found.append(rest.split())
    return found


def spoken(name):
    """The pieces of running text that are set as code."""
    prose = re.sub(r"^```.*?^```$", "", text(name), flags=re.M | re.S)
    return [" ".join(piece.split()) for piece in re.findall(r"`([^`]+)`", prose)]
