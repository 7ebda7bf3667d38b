"""Loopback ports: which are free, which are listened on, and by whom."""

import os
import random
import socket

LOOPBACK = "127.0.0.1"
# Below the kernel's ephemeral range, so that no outgoing connection takes one
# of ours between the check and the start of the process.
_LOWEST, _HIGHEST = 10000, 32000
_promised = set()  # given out by this process, perhaps not listened on yet


def is_free(port):
    """True when a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return not is_listening(port)


def free_block(size):
    """The first of `size` consecutive free ports, never the same one twice."""
    for _ in range(200):
        base = random.randrange(_LOWEST, _HIGHEST - size)
        block = range(base, base + size)
        if _promised.isdisjoint(block) and all(is_free(port) for port in block):
            _promised.update(block)
            return base
    raise RuntimeError(f"no block of {size} free ports on {LOOPBACK}")


def free_port():
    return free_block(1)


def _listeners():
    """Port -> socket inode of every listening TCP socket (IPv4 and IPv6)."""
    result = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:
                next(lines)
                for line in lines:
                    fields = line.split()
                    if fields[3] == "0A":  # TCP_LISTEN
                        result[int(fields[1].rsplit(":", 1)[1], 16)] = fields[9]
        except OSError:
            continue
    return result


def is_listening(port):
    """True when somebody listens on the port. Makes no connection, so that a
    server isn't disturbed by the question."""
    return port in _listeners()


def who_listens(port):
    """A phrase such as "process 1234 (master)", for error messages."""
    inode = _listeners().get(port)
    if inode is None:
        return "another process"
    wanted = f"socket:[{inode}]"
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") == wanted:
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                        return f"process {pid} ({comm.read().strip()})"
        except OSError:
            continue
    return "another process"
