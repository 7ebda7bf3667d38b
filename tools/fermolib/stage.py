"""Where the nemesis plays: a cluster of which each node has a user id and a disk of its
own and lies at some distance, the senders, the primary, and what they saw.

Partitions need root and nftables, disks of their own root; without them there are none.
"""

import os
import signal
import subprocess
import time

from . import corpus, layout, ports, sender
from .cluster import create
from .lines import Lines
from .oracle import Oracle
from .partition import Partitions
from .sink import Sink

DOMAIN = "example.test"
DISK = 512 << 20  # of a node
_SPOOL = {"soft_free": "128MiB", "hard_free": "64MiB", "segment_age": "20s", "repair_after": "20s"}


class Stage:
    """Three regions in a new directory; open() starts all, close() ends all."""

    def __init__(self, directory, nodes_per_region, milliseconds, bin_dir=None):
        os.makedirs(directory)
        os.chmod(directory, 0o755)
        self.partitions = Partitions() if Partitions.available() else None
        plan = self.plan(os.path.join(directory, "cluster"), nodes_per_region)
        self.cluster = create(plan, bin_dir or layout.default_bin_dir())
        self.mounts, self.uids, self.streams = [], {}, []
        for node in self.cluster.nodes:
            if self.partitions:
                self.uids[node.name] = self.partitions.add(node.name,
                                                           _port(plan.advertised[node.name]))
            self.prepare(node)
        self.lines = Lines({node.name: (self.uids.get(node.name),
                                        _port(plan.advertised[node.name]), _port(node.grpc))
                            for node in self.cluster.nodes}, milliseconds)
        self.oracle = Oracle({f"mx.{region}.fermoposta.test" for region in plan.regions},
                             os.path.join(directory, "senders.jsonl"))
        self.sink = Sink(os.path.join(directory, "sink"), ports.free_port())

    @staticmethod
    def plan(directory, nodes_per_region):
        needed = layout.Layout.ports_needed(3, nodes_per_region)
        base = ports.free_block(needed + 3 * nodes_per_region)
        plan = layout.Layout(directory, 3, nodes_per_region, base, {"spool": _SPOOL})
        nodes = [entry["name"] for entry in plan.processes() if entry["role"] == "node"]
        plan.advertised = {name: f"127.0.0.1:{base + needed + index}"
                           for index, name in enumerate(nodes)}
        return plan

    def prepare(self, node):
        """A disk of its own, that its user may write, as far as we may."""
        os.makedirs(node.data, exist_ok=True)
        if os.geteuid() == 0:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", node.data],
                           check=True)
            self.mounts.append(node.data)
        if node.name in self.uids:
            os.chown(node.data, self.uids[node.name], self.uids[node.name])

    def start(self, process):
        uid = self.uids.get(process.name)
        if uid is None:
            process.start()
            return
        process.start(prefix=["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}",
                              "--clear-groups", "--inh-caps=-all"])

    def open(self):
        for process in self.cluster.processes:
            self.start(process)
        for process in self.cluster.processes:
            process.wait_ready(60)
        self.sink.up()
        self.cluster.ctl.add_domain(DOMAIN, self.sink.address)
        self.start_streams()

    def start_streams(self):
        """As real senders do, each tries again what was not accepted."""
        self.streams = [
            sender.Stream(self.oracle, sender.Session(frontend.smtp), corpus.small_message, 0.1,
                          0.5)
            for frontend in self.cluster.frontends]

    def stop_streams(self):
        for stream in self.streams:
            stream.stop()

    def kill_all(self, victims):
        """Returns when, as time.time() says."""
        now = time.time()
        for victim in victims:
            if victim.role == "node":
                self.oracle.node_died(now)
            victim.kill()
        return now

    def revive(self, victims):
        for victim in victims:
            self.start(victim)
        for victim in victims:
            victim.wait_ready(60)

    def heal(self):
        """Nothing is cut, slow, stopped or dead any more."""
        if self.partitions:
            self.partitions.heal_all()
        self.lines.heal_all()
        for process in self.cluster.processes:
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)
        self.revive([p for p in self.cluster.processes if not p.is_running()])
        self.sink.up()

    def close(self):
        self.stop_streams()
        for process in self.cluster.processes:
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)
        self.cluster.stop()
        self.sink.close()
        self.lines.close()
        if self.partitions:
            self.partitions.close()
        for mount in self.mounts:
            subprocess.run(["umount", mount], check=False)


def _port(address):
    return int(address.rsplit(":", 1)[1])
