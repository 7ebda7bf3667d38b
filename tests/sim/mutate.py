#!/usr/bin/env python3
"""Puts a defect into a source: tests/sim/mutate.py MUTANT OUTPUT.

A mutant is a text file:
    # what is wrong, in a line or two
    catches: I3 durable-250, I1 no-loss
    file: lib/cluster/replica_append.cc
    <<<<
    text as it stands, exactly once
    ====
    text to stand there instead
    >>>>
with one or more replacements. Exit 1 when the text is not there (any more).
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_CHANGE = re.compile(r"^<<<<\n(.*?)^====\n(.*?)^>>>>$", re.MULTILINE | re.DOTALL)


def field(mutant, name):
    """The value of one `name: value` line."""
    found = re.search(rf"^{name}: (.+)$", mutant, re.MULTILINE)
    if not found:
        raise ValueError(f"no line '{name}: ...'")
    return found.group(1)


def mutate(mutant):
    """The source that the mutant names, with its defect."""
    source = (ROOT / field(mutant, "file")).read_text()
    changes = _CHANGE.findall(mutant)
    if not changes:
        raise ValueError("no replacement")
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(f"stands {source.count(old)} times in {field(mutant, 'file')}:\n{old}")
        source = source.replace(old, new)
    return source


def main(arguments):
    mutant, output = map(pathlib.Path, arguments)
    try:
        text = mutate(mutant.read_text())
    except ValueError as problem:
        print(f"{mutant}: {problem}", file=sys.stderr)
        return 1
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
