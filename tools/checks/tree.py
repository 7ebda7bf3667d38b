"""The tree that the checks read, and the problems that they report."""

import dataclasses
import os
import pathlib

# Folders that are not ours to judge: outputs and what tools leave behind.
SKIPPED = {"build", "node_modules", "__pycache__"}
CODE_SUFFIXES = {".h", ".cc", ".py", ".proto", ".cmake", ".sh", ".ts", ".tsx"}
TEXT_SUFFIXES = CODE_SUFFIXES | {".md", ".txt", ".yaml", ".yml", ".json", ".supp"}


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


@dataclasses.dataclass(frozen=True)
class File:
    """One text file: `path` is relative to the root, with forward slashes."""

    path: str
    text: str

    @property
    def suffix(self):
        return pathlib.PurePosixPath(self.path).suffix

    @property
    def name(self):
        return pathlib.PurePosixPath(self.path).name

    @property
    def folder(self):
        return str(pathlib.PurePosixPath(self.path).parent)

    @property
    def is_cpp(self):
        return self.suffix in (".h", ".cc")

    @property
    def is_python(self):
        return self.suffix == ".py" or self.text.startswith("#!/usr/bin/env python3")

    @property
    def is_code(self):
        return self.suffix in CODE_SUFFIXES or self.text.startswith("#!")


def is_text(path):
    """Whether the checks read this file: a known suffix, CMake's or a script without one."""
    return path.suffix in TEXT_SUFFIXES or path.suffix == "" and path.name != "LICENSE"


def read_tree(root):
    """Every text file under `root`, sorted by path. Undecodable files are left out."""
    files = []
    for folder, names, entries in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED and (n == ".ci" or n[0] != "."))
        for entry in entries:
            path = pathlib.Path(folder) / entry
            if entry.startswith(".") or not is_text(path) or not path.is_file():
                continue
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            files.append(File(path.relative_to(root).as_posix(), text))
    return sorted(files, key=lambda f: f.path)


def run(root, checks):
    """Runs each check on the tree; prints the problems and returns the exit status."""
    files = read_tree(root)
    problems = sorted({problem for check in checks for problem in check(files)})
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem(s) in {len({p.path for p in problems})} file(s)")
    return 1 if problems else 0
