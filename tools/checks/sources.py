"""No dead files: every source is built and every header is included."""

import posixpath
import re

from checks.tree import Problem

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
_CMAKE_COMMENT = re.compile(r"#[^\n]*")


def listed(files):
    """Sources and protos that no CMakeLists.txt names; names that are no file."""
    known = {file.path for file in files}
    named = {}
    for file in files:
        if file.name != "CMakeLists.txt":
            continue
        text = _with_variables(_CMAKE_COMMENT.sub("", file.text))
        for match in re.finditer(r"[\w./${}+-]+\.(?:cc|proto)\b", text):
            path = _resolve(file.folder, match.group(0))
            if path:
                named.setdefault(path, (file.path, text.count("\n", 0, match.start()) + 1))
        for path in _loop_protos(file, text):
            named.setdefault(path, (file.path, 1))
    for file in files:
        if file.suffix in (".cc", ".proto") and file.path not in named:
            yield Problem(file.path, 1, "no CMakeLists.txt lists this file")
    for path, (where, line) in named.items():
        if path.endswith(".cc") and path not in known:
            yield Problem(where, line, f"lists {path}, which is not there")


def _with_variables(text):
    """Puts in the values of variables that are set to one path: set(dialogs ${...}/dialogs)."""
    for name, value in re.findall(r"\bset\((\w+)\s+(\S+)\)", text):
        if "/" in value:
            text = text.replace(f"${{{name}}}", value)
    return text


def _resolve(folder, token):
    token = re.sub(r"^\$\{(?:CMAKE_CURRENT_SOURCE_DIR|CMAKE_CURRENT_LIST_DIR)\}/", "", token)
    if token.startswith(("${CMAKE_SOURCE_DIR}/", "${PROJECT_SOURCE_DIR}/")):
        return token.partition("}/")[2]
    if "$" in token:
        return None
    return posixpath.normpath(posixpath.join(folder, token))


def _loop_protos(file, text):
    """proto/CMakeLists.txt names its files by set(protos a b c) and one pattern."""
    names = re.search(r"set\(protos\s+([^)]*)\)", text)
    pattern = re.search(r"([\w/]+)/\$\{name\}\.proto", text)
    if names and pattern:
        for name in names.group(1).split():
            folder = pattern.group(1).lstrip("/")
            yield posixpath.join(file.folder, folder, f"{name}.proto")


def included(files):
    """Headers of ours that nothing includes but their own source."""
    users = {}
    for file in files:
        if file.is_cpp:
            for name in _INCLUDE.findall(file.text):
                users.setdefault(name, set()).add(file.path)
    for file in files:
        if file.suffix == ".h":
            own = file.path[:-2] + ".cc"
            if not users.get(file.path, set()) - {own, file.path}:
                yield Problem(file.path, 1, "nothing includes this header but its own source")


ALL = [listed, included]
