"""Who may include whom (docs/architecture.md, Layers).

base <- {smtp, spool, cluster} <- {net, rpc} <- programs. Programs never include
one another, and nothing includes a program but the program itself and tests.
Of the pure folders only cluster knows another one: its machines decide what is
written to the spool, so they name lib/spool's operations.
"""

import re

from checks import cpp_text
from checks.tree import Problem

_PURE = {"lib/smtp", "lib/spool", "lib/cluster"}
_PROGRAMS = {"node", "coordinator", "smtp-frontend", "ctl"}
_TESTS = {"tests", "bench"}

# What each library may include of ours, itself aside. Programs may include all of lib.
_MAY_INCLUDE = {
    "lib/base": set(),
    "lib/smtp": {"lib/base"},
    "lib/spool": {"lib/base"},
    "lib/cluster": {"lib/base", "lib/spool"},  # its machines say what to write
    "lib/net": {"lib/base"} | _PURE,
    "lib/rpc": {"lib/base", "lib/net"} | _PURE,
}

# Pure code talks to no one: threads, clocks, files, sockets and the libraries
# that bring them are refused, in the whole closure of its includes. arpa/inet.h
# stays: inet_pton only computes.
_IMPURE = re.compile(
    r"^(?:boost/|asio|grpc|grpc\+\+/|grpcpp/|google/protobuf/|fermoposta/|rocksdb/|spdlog/"
    r"|prometheus/|ares|yaml-cpp/|CLI/|absl/(?:synchronization|log|debugging|flags)/"
    r"|absl/time/clock\.h"
    r"|(?:thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch|stop_token"
    r"|atomic|fstream|filesystem|iostream|cstdio|stdio\.h|coroutine)$"
    r"|sys/|netinet/|net/|linux/"
    r"|(?:unistd|fcntl|poll|pthread|signal|time|netdb|dirent)\.h$|(?:ctime|csignal)$)"
)
_CLOCK = re.compile(
    r"\b(?:(?:system_clock|steady_clock|high_resolution_clock|BootClock)\s*::\s*now"
    r"|WallNow|absl\s*::\s*Now|clock_gettime|gettimeofday|random_device|getenv)\b"
)

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
_GENERATED = re.compile(r"\.pb\.h$")
# Files at the edge of a program, which turn wire messages into our own types.
_EDGE = re.compile(r"(?:_service|_client|_config)\.(?:h|cc)$|^main\.cc$")


class _Include:
    def __init__(self, file, line, quoted, name):
        self.file, self.line, self.quoted, self.name = file, line, quoted, name

    def problem(self, text):
        return Problem(self.file.path, self.line, text)


def _includes(file):
    blanked = cpp_text.blank(file.text)
    lines = cpp_text.Lines(file.text)
    for match in _INCLUDE.finditer(file.text):
        # The name between the quotes is blanked; the directive shows that it is no comment.
        if blanked[match.start() : match.start(1)].strip():
            yield _Include(file, lines.at(match.start(1)), match.group(1) == '"', match.group(2))


def module(path):
    """'lib/smtp' for lib, the program or tests folder otherwise; None outside of them."""
    parts = path.split("/")
    if parts[0] == "lib" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 and parts[0] in _PROGRAMS | _TESTS else None


def _graph(files):
    return {f.path: list(_includes(f)) for f in files if f.is_cpp}


def direction(files):
    """Own includes exist, are written from the root and point downwards."""
    known = {f.path for f in files}
    for path, includes in _graph(files).items():
        for include in includes:
            if include.name.startswith("."):
                yield include.problem(f'"{include.name}": write the path from the root')
            elif include.name in known:
                if not include.quoted:
                    yield include.problem(f"<{include.name}>: our own headers take quotes")
                yield from _direction(path, include)
            elif include.quoted and module(include.name):
                yield include.problem(f'"{include.name}" is not there')


def _direction(path, include):
    user, used = module(path), module(include.name)
    if user in _TESTS or user == used:
        return
    if user is None:
        yield include.problem(f"{path} lies outside the house: no folder may hold it")
    elif used is None or used in _TESTS:
        yield include.problem(f"{user} may not include {include.name}")
    elif user in _PROGRAMS:
        if used in _PROGRAMS:
            yield include.problem(f"{user} may not include {used}: programs are strangers")
    elif used not in _MAY_INCLUDE.get(user, set()):
        yield include.problem(f"{user} may not include {used}")


def places(files):
    """RocksDB only under store/; generated headers only in lib/rpc and at programs' edges."""
    for path, includes in _graph(files).items():
        owner = module(path)
        for include in includes:
            if include.name.startswith("rocksdb/") and not _is_store(path):
                yield include.problem(f"{include.name}: RocksDB is known only under store/")
            if _GENERATED.search(include.name) and not _may_see_generated(path, owner):
                text = "lib/rpc and *_service, *_client, *_config and main.cc of programs"
                yield include.problem(f"{include.name}: generated headers only in {text}")


def _is_store(path):
    parts = path.split("/")
    return "store" in parts[:-1] and (parts[0] in ("node", "coordinator") or parts[0] in _TESTS)


def _may_see_generated(path, owner):
    if owner in _TESTS or owner == "lib/rpc":
        return True
    return owner in _PROGRAMS and bool(_EDGE.search(path.rpartition("/")[2]))


def purity(files):
    """The pure folders reach no thread, clock, file or socket, directly or not."""
    graph = _graph(files)
    texts = {f.path: f.text for f in files if f.is_cpp}
    for path, includes in graph.items():
        if module(path) not in _PURE:
            continue
        for include in includes:
            chain = _impure_chain(include.name, graph, (path,))
            if chain:
                yield include.problem(f"pure code reaches <{chain[-1]}>: {' -> '.join(chain)}")
        blanked = cpp_text.blank(texts[path])
        for match in _CLOCK.finditer(blanked):
            line = cpp_text.Lines(blanked).at(match.start())
            yield Problem(path, line, f"pure code calls {match.group(0)}: take it as an argument")


def _impure_chain(name, graph, seen):
    if name not in graph:
        return [name] if _IMPURE.search(name) else []
    if name in seen:
        return []
    for include in graph[name]:
        chain = _impure_chain(include.name, graph, (*seen, name))
        if chain:
            return [name, *chain]
    return []


def cycles(files):
    """No two folders include each other, directly or around a corner."""
    edges = {}
    for path, includes in _graph(files).items():
        folder = path.rpartition("/")[0]
        for include in includes:
            target = include.name.rpartition("/")[0]
            if module(include.name) and target != folder and module(path) not in _TESTS:
                edges.setdefault(folder, {}).setdefault(target, include)
    for start in sorted(edges):
        loop = _loop(start, edges)
        if loop and start == min(loop):
            names = " -> ".join([*loop, start])
            yield edges[start][loop[1]].problem(f"folders include one another: {names}")


def _loop(start, edges):
    """A shortest way from a folder back to itself, or None."""
    paths = [[start]]
    seen = set()
    while paths:
        path = paths.pop(0)
        for target in sorted(edges.get(path[-1], {})):
            if target == start and len(path) > 1:
                return path
            if target not in seen:
                seen.add(target)
                paths.append([*path, target])
    return None


ALL = [direction, places, purity, cycles]
