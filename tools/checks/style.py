"""The house's rules for the text of files: size, comments, names, coroutines."""

import ast
import re

from checks import coroutines, cpp_text, functions
from checks.tree import Problem

FILE_LINES = 400
FUNCTION_LINES = 70
COLUMNS = 100

# Spelt in two parts, so that the rule's own file passes it.
_UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
_MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:wo" r"rk|home/\w+|ro" r"ot|tm" r"p)/")


def length(files):
    """A file of code has at most 400 lines, a function at most 70."""
    for file in files:
        count = file.text.count("\n")
        if file.is_code and count > FILE_LINES:
            yield Problem(file.path, FILE_LINES + 1, f"{count} lines; split it by {FILE_LINES}")
        for function in _functions(file):
            if function.lines > FUNCTION_LINES:
                text = f"{function.name} has {function.lines} lines; at most {FUNCTION_LINES}"
                yield Problem(file.path, function.first, text)


def _functions(file):
    if file.is_cpp:
        return functions.find(cpp_text.blank(file.text))
    if not file.is_python:
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [n for n in ast.walk(ast.parse(file.text)) if isinstance(n, kinds)]
    return [functions.Function(n.name, n.lineno, n.end_lineno) for n in nodes]


def lines(files):
    """Width, tabs, trailing space, last newline; nothing unfinished; no machine's paths."""
    for file in files:
        for number, line in enumerate(file.text.splitlines(), 1):
            for text in _line_problems(file, line):
                yield Problem(file.path, number, text)
        if file.text and not file.text.endswith("\n"):
            yield Problem(file.path, file.text.count("\n") + 1, "no newline at the end")


def _line_problems(file, line):
    if file.is_code and len(line) > COLUMNS:
        yield f"{len(line)} columns; at most {COLUMNS}"
    if file.is_code and "\t" in line:
        yield "a tab"
    if line != line.rstrip() and file.suffix != ".txt":
        yield "trailing space"
    unfinished = _UNFINISHED.search(line)
    if unfinished:
        yield f"unfinished: {unfinished.group(0)}"
    path = _MACHINE_PATH.search(line)
    if path:
        yield f"a path of one machine: {path.group(0)}"


def headers(files):
    """A header opens with a comment that introduces it, then #pragma once."""
    for file in files:
        if file.suffix != ".h":
            continue
        if not file.text.startswith("//"):
            yield Problem(file.path, 1, "the header does not open with a comment")
        blanked = cpp_text.blank(file.text)
        directive = re.search(r"\S[^\n]*", blanked)
        if not directive or directive.group(0).strip() != "#pragma once":
            line = cpp_text.Lines(blanked).at(directive.start()) if directive else 1
            yield Problem(file.path, line, "#pragma once does not come first after the comment")
        for match in re.finditer(r"^\s*using\s+namespace\b", blanked, re.MULTILINE):
            line = cpp_text.Lines(blanked).at(match.end())
            yield Problem(file.path, line, "using namespace in a header")


def awaits(files):
    """What gcc 12 miscompiles beside co_await; see coroutines.py."""
    for file in files:
        if not file.is_cpp:
            continue
        blanked = cpp_text.blank(file.text)
        at = cpp_text.Lines(blanked).at
        for offset, text in coroutines.problems(blanked):
            yield Problem(file.path, at(offset), text)


ALL = [length, lines, headers, awaits]
