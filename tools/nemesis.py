#!/usr/bin/env python3
"""Breaks a cluster of real processes for a while, and judges it from outside.
    tools/nemesis.py [--minutes M] [--seed S] [--nodes-per-region N] [--latency MS]
                     [--bin DIR] [--dir DIR]

Three regions on loopback take mail by SMTP without a pause while faults, drawn from the
seed, strike one after the other: SIGKILL, SIGSTOP, a region's loss, a lost disk, a drain,
a partition between two nodes or around one, calls that pass in one direction only, lines
that lose packets or are long, a full disk, a restart, a primary that goes away or withholds
replies, the coordinator's death. A round ends healed; in the end all mail must have arrived.
The judge knows only what senders and the primary saw. Exit status: 0 every promise was
kept; 1 not.

Partitions and bad lines need root and nftables, full disks root; without them these are
left out. Every octet between two nodes is under way for --latency milliseconds.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from fermolib import layout
from fermolib.ctl import CtlError, pick
from fermolib.sender import ACCEPTED
from fermolib.sink import Fault
from fermolib.stage import Stage
from fermolib.wait import NotReached, wait_until

ROUNDS_BETWEEN_PAUSES = 8
UNTIL_DRAINED = 16 * 60  # what a lost owner had begun waits out the grace of 13 min 10 s


class Nemesis(Stage):
    """One run: the stage, and the faults."""

    def __init__(self, options):
        super().__init__(options.dir, options.nodes_per_region, options.latency, options.bin)
        self.options = options
        self.rng = random.Random(options.seed)
        self.faults = collections.Counter()
        self.takeovers = []

    # --- Faults. Each takes its victims, waits, and leaves them healed.

    def pause(self, least, most):
        time.sleep(self.rng.uniform(least, most))  # the fault's own length, not a wait

    def kill_node(self):
        victim = self.rng.choice(self.cluster.nodes)
        self.kill_all([victim])
        self.pause(0, 8)
        self.revive([victim])

    def take_over(self):
        """A node dies while mail waits for a primary that is down."""
        victim = self.rng.choice(self.cluster.nodes)
        # A quorum takes over: of what was lost just before there are copies again.
        wait_until(self.has_all_copies, 120, "every message has all its copies", 0.5)
        self.sink.down()
        self.pause(1, 3)
        self.watch_takeover(victim, self.kill_all([victim]))
        self.sink.up()
        self.revive([victim])

    def kill_frontend(self):
        victim = self.rng.choice(self.cluster.frontends)
        self.kill_all([victim])
        self.pause(0, 4)
        self.revive([victim])

    def kill_coordinator(self):
        self.kill_all([self.cluster.coordinator])
        self.pause(0, 10)
        self.revive([self.cluster.coordinator])

    def lose_region(self):
        region = self.rng.choice(self.cluster.frontends).region
        victims = [p for p in self.cluster.processes if p.region == region]
        self.kill_all(victims)
        self.pause(1, 25)
        self.revive(victims)

    def stop_node(self):
        victim = self.rng.choice(self.cluster.nodes)
        os.kill(victim.pid, signal.SIGSTOP)
        self.pause(0.5, 25)
        os.kill(victim.pid, signal.SIGCONT)

    def restart_node(self):
        victim = self.rng.choice(self.cluster.nodes)
        victim.kill(signal.SIGTERM, 260)
        self.revive([victim])

    def replace(self, victim, reason):
        """A node that is dead is evicted; its machine gets a new disk and a new node."""
        if victim.data in self.mounts:
            subprocess.run(["umount", victim.data], check=True)
            self.mounts.remove(victim.data)
        else:
            shutil.rmtree(victim.data)
        refusal = []

        def evicted():
            try:
                self.cluster.ctl.run("node", "evict", victim.name, "--reason", reason)
                return True
            except CtlError as refused:  # others don't answer yet, or mail has no other copy
                refusal[:] = [refused.text]
                return False
        wait_until(evicted, 120, lambda: f"{victim.name} evicted; {refusal}", 1)
        self.prepare(victim)
        self.revive([victim])

    def lose_disk(self):
        victim = self.rng.choice(self.cluster.nodes)
        self.kill_all([victim])
        self.replace(victim, "its disk is gone")

    def drain_node(self):
        victim = self.rng.choice(self.cluster.nodes)
        printed = self.cluster.ctl.run("node", "drain", victim.name, "--wait", "--reason",
                                       "to be replaced", seconds=240)
        if "safe to remove" not in printed:
            raise NotReached(f"{victim.name} is drained; fermoctl said {printed}")
        self.kill_all([victim])
        self.replace(victim, "drained")

    def cut_pair(self):
        a, b = self.rng.sample(self.cluster.nodes, 2)
        self.partitions.cut(a.name, b.name)
        self.pause(0.5, 25)
        self.partitions.heal(a.name, b.name)

    def isolate(self):
        victim = self.rng.choice(self.cluster.nodes)
        others = [node for node in self.cluster.nodes if node is not victim]
        for other in others:
            self.partitions.cut(victim.name, other.name)
        self.pause(0.5, 25)
        for other in others:
            self.partitions.heal(victim.name, other.name)

    def cut_calls(self):
        a, b = self.rng.sample(self.cluster.nodes, 2)
        self.partitions.cut_calls(a.name, b.name)
        self.pause(0.5, 25)
        self.partitions.heal(a.name, b.name)

    def bad_lines(self):
        """A node's lines to all others are slow: TCP sends every few packets again."""
        victim = self.rng.choice(self.cluster.nodes)
        others = [node for node in self.cluster.nodes if node is not victim]
        percent = self.rng.choice((5, 20, 50))
        for other in others:
            self.partitions.worsen(victim.name, other.name, percent)
        self.pause(3, 25)
        for other in others:
            self.partitions.heal(victim.name, other.name)

    def slow_lines(self):
        """A node lies far from all others for a while: seconds from question to answer."""
        victim = self.rng.choice(self.cluster.nodes)
        milliseconds = self.rng.choice((50, 150, 500, 1500))
        for other in self.cluster.nodes:
            if other is not victim:
                self.lines.slow(victim.name, other.name, milliseconds)
        self.pause(3, 25)
        self.lines.heal_all()

    def fill_disk(self):
        victim = self.rng.choice(self.cluster.nodes)
        path = os.path.join(victim.data, "ballast")
        free = os.statvfs(victim.data)
        left = self.rng.choice((96 << 20, 32 << 20))  # below the soft, or the hard mark
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_bsize - left))
        self.pause(2, 15)
        os.remove(path)

    def primary_down(self):
        self.sink.down()
        self.pause(0.5, 15)
        self.sink.up()

    def primary_unsure(self):
        self.sink.fail(Fault("dot", "", self.rng.randrange(1, 4), taken=True))
        self.pause(1, 5)

    def menu(self):
        """(fault, weight) of all that can be done here."""
        found = [(self.kill_node, 3), (self.take_over, 4), (self.kill_frontend, 1),
                 (self.kill_coordinator, 1), (self.lose_region, 2), (self.stop_node, 3),
                 (self.restart_node, 1), (self.lose_disk, 2), (self.drain_node, 2),
                 (self.primary_down, 3), (self.primary_unsure, 2), (self.slow_lines, 3)]
        if self.partitions:
            found += [(self.cut_pair, 3), (self.isolate, 3), (self.cut_calls, 2),
                      (self.bad_lines, 3)]
        if self.mounts:
            found.append((self.fill_disk, 2))
        return found

    # --- What is measured and judged

    def watch_takeover(self, victim, killed):
        """Seconds from the kill until no message is without an owner."""
        def taken_over():
            answer = self.cluster.ctl.json("queue", "summary")
            silent = pick(answer, "unreachable_nodes", [])
            return victim.name in silent and not int(pick(answer, "ownerless_messages", 0))
        wait_until(taken_over, 60, f"takeover of what {victim.name} owned", 0.2)
        self.takeovers.append(time.time() - killed)

    def lost(self):
        return self.oracle.judge(self.sink.deliveries(), self.sink.replies_lost()).lost

    def pause_streams(self):
        """The queue runs empty, but for what waits out the grace of a lost owner."""
        self.stop_streams()
        try:
            wait_until(lambda: not self.lost(), 20, "all has arrived", 1)
        except NotReached:
            print(f"  {len(self.lost())} legs are still on their way", flush=True)
        self.start_streams()

    def has_all_copies(self):
        """By the owners' word; of mail that nobody owns yet, nobody says it."""
        summary = self.cluster.ctl.json("queue", "summary")
        if int(pick(summary, "ownerless_messages", 0)) or pick(summary, "unreachable_nodes", []):
            return False
        return not any(int(pick(info.get("status", {}), "under_replicated", 0))
                       for info in self.cluster.ctl.json("node", "list").get("nodes", []))

    def drain(self):
        """All that was accepted has arrived, and nothing waits any more."""
        self.stop_streams()
        wait_until(lambda: not self.lost(), UNTIL_DRAINED,
                   lambda: f"all accepted mail delivered; lacking {self.lost()[:3]}", 1)
        wait_until(lambda: self.cluster.ctl.queue_summary()["waiting"] == 0, UNTIL_DRAINED,
                   lambda: f"nothing waiting; {self.cluster.ctl.queue_summary()}", 1)

    def run(self):
        end = time.monotonic() + self.options.minutes * 60
        faults, weights = zip(*self.menu())
        rounds = 0
        while time.monotonic() < end:
            fault = self.rng.choices(faults, weights)[0]
            rounds += 1
            print(f"{time.strftime('%H:%M:%S')} round {rounds}: {fault.__name__}", flush=True)
            fault()
            self.faults[fault.__name__] += 1
            self.pause(0, 3)
            if rounds % ROUNDS_BETWEEN_PAUSES == 0:
                self.pause_streams()
        self.drain()
        return rounds

    def report(self, rounds):
        verdict = self.oracle.judge(self.sink.deliveries(), self.sink.replies_lost())
        print(f"\nseed {self.options.seed}, {rounds} rounds: "
              + ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items())))
        print(verdict.line())
        times = [attempt.ended - attempt.dot_at for attempt in self.oracle.attempts(ACCEPTED)]
        for name, seconds in (("takeover", self.takeovers), ("final dot to 250", times)):
            if seconds:
                print(f"{name}, {len(seconds)} times: p50 {quantile(seconds, 0.5):.3f} s, "
                      f"p99 {quantile(seconds, 0.99):.3f} s, longest {max(seconds):.3f} s")
        for problem in verdict.problems():
            print(f"PROBLEM: {problem}")
        return not verdict.problems()


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def parse(arguments):
    parser = argparse.ArgumentParser(description="Breaks a cluster, and judges it from outside.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--nodes-per-region", type=int, default=1)
    parser.add_argument("--latency", type=float, default=5,
                        help="milliseconds from any node to another, one way")
    parser.add_argument("--bin", help="folder of the programs")
    parser.add_argument("--dir", type=layout.caller_path,
                        default=os.path.join(layout.repository(), "build", "nemesis",
                                             time.strftime("%Y%m%d-%H%M%S")))
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    print(f"seed {options.seed}; logs and histories in {options.dir}", flush=True)
    nemesis = Nemesis(options)
    try:
        nemesis.open()
        try:
            rounds = nemesis.run()
        except NotReached as late:
            print(f"PROBLEM: {late}", flush=True)
            nemesis.heal()
            nemesis.drain()  # what is lost then is lost
            nemesis.report(sum(nemesis.faults.values()))
            return 1
        return 0 if nemesis.report(rounds) else 1
    finally:
        nemesis.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
