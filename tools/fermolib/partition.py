"""Partitions and bad lines between processes on loopback, by nftables: each node
runs under a user id of its own, and what that user sends to another node's port is
dropped: all of it, or a share of the packets, which TCP sends again after 200 ms
and more.

Needs root and `nft`. One table, named after the process that made it, is all
that is touched; close() removes it.
"""

import os
import subprocess

_FIRST_UID = 61000


class Partitions:
    """cut(a, b), worsen(a, b) and heal(a, b) between names that add() has introduced."""

    def __init__(self):
        self._table = f"fermo_{os.getpid()}"
        self._uids, self._ports = {}, {}
        self._lost = {}  # (from, to) -> percent of the packets
        self._nft(f"add table inet {self._table}",
                  f"add chain inet {self._table} out "
                  "{ type filter hook output priority 0; policy accept; }")

    @staticmethod
    def available():
        return os.geteuid() == 0 and any(
            os.access(os.path.join(folder, "nft"), os.X_OK) for folder in ("/usr/sbin", "/sbin"))

    def add(self, name, port):
        """Introduces a process; returns the user id that it must run under."""
        self._uids[name] = _FIRST_UID + len(self._uids)
        self._ports[name] = port
        return self._uids[name]

    def cut(self, a, b):
        """Connections between a and b, whoever made them, carry nothing any more."""
        self.worsen(a, b, 100)

    def cut_calls(self, a, b):
        """Connections that a makes to b carry nothing; those that b makes to a do."""
        self._lost[a, b] = 100
        self._apply()

    def worsen(self, a, b, percent):
        """Each packet of a client to its server, between a and b, is lost with this chance."""
        self._lost[a, b] = self._lost[b, a] = percent
        self._apply()

    def heal(self, a, b):
        for pair in ((a, b), (b, a)):
            self._lost.pop(pair, None)
        self._apply()

    def heal_all(self):
        self._lost.clear()
        self._apply()

    def close(self):
        self._nft(f"delete table inet {self._table}")

    def _apply(self):
        rules = [f"flush chain inet {self._table} out"]
        for (a, b), percent in self._lost.items():
            share = "" if percent >= 100 else f"numgen random mod 100 < {percent} "
            rules.append(f"add rule inet {self._table} out meta skuid {self._uids[a]} "
                         f"tcp dport {self._ports[b]} {share}drop")
        self._nft(*rules)

    @staticmethod
    def _nft(*commands):
        subprocess.run(["/usr/sbin/nft", "-f", "-"], input="\n".join(commands) + "\n", text=True,
                       check=True)
