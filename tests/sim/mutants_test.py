#!/usr/bin/env python3
"""Each mutant is caught by a checker that names the promise it breaks.

Usage: tests/sim/mutants_test.py BINDIR. Needs the targets sim_mutants and
rule_mutants. A mutant of the simulator (tests/sim/mutants/NAME.mutant, program
BINDIR/sim_NAME) runs seeds from 1 until one fails; the first violation must be of
an invariant that its line `catches:` lists, within 2,000 seeds. With a mutant of a
rule (tests/unit/cluster/mutants/NAME.mutant, program BINDIR/rule_NAME) the test that
its line `fails:` names must fail.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import mutate

SEEDS = 2000
TESTS = pathlib.Path(__file__).resolve().parent.parent
MUTANTS = (TESTS / "sim" / "mutants", TESTS / "unit" / "cluster" / "mutants")


def run(bindir, file):
    """(name, what went wrong or None, the line that caught it)."""
    return (run_rule if file.parent == MUTANTS[1] else run_seeds)(bindir, file)


def run_rule(bindir, file):
    test = mutate.field(file.read_text(), "fails")
    command = [bindir / f"rule_{file.stem}", f"--gtest_filter={test}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    caught = done.returncode == 1 and f"[  FAILED  ] {test}" in done.stdout
    problem = None if caught else f"{test} does not fail (exit status {done.returncode})"
    return file.stem, problem, test


def run_seeds(bindir, file):
    name = file.stem
    expected = [i.strip() for i in mutate.field(file.read_text(), "catches").split(",")]
    command = [bindir / f"sim_{name}", "--seeds", str(SEEDS), "--brief"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
    if done.returncode != 1 or not lines:
        return name, f"not caught within {SEEDS} seeds (exit status {done.returncode})", ""
    if not any(f": {invariant}:" in lines[0] for invariant in expected):
        return name, f"caught by another checker than {expected}", lines[0]
    return name, None, lines[0]


def main(arguments):
    bindir = pathlib.Path(arguments[0])
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        files = [file for folder in MUTANTS for file in sorted(folder.iterdir())]
        for name, problem, line in pool.map(lambda file: run(bindir, file), files):
            print(f"{name:28} {problem or 'caught'}: {line[:120]}", flush=True)
            failed += problem is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
