#!/usr/bin/env python3
"""How fast mail is accepted: Fermoposta next to Postfix, in the same run.

    tools/bench_accept.py [--rounds N] [--messages M] [--sessions S] [--octets L]
                          [--bin BINDIR] [--save]

Each round sends M messages of L octets over S kept connections (Postfix's own
`smtp-source -d`) to one frontend of a cluster of three regions on this machine,
and the same to a private Postfix that is a backup MX for the domain
(relay_domains, in_flow_delay=0, 300 processes). Both primaries refuse
connections, so both queue. The order alternates; the medians of all rounds count.

CPU seconds are those of the server's processes, from the start of a round until
all copies are on disk and every message is where it waits (three copies here,
the deferred queue there); the load tool's own are not in it. A last, gentle run
measures the time from the final dot to the 250. --save writes
bench/results/accept.json.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from fermolib import corpus, layout, ports, procs, sender
from fermolib.cluster import ClusterError, create
from fermolib.ctl import pick
from fermolib.oracle import Oracle
from fermolib.postfix import BackupMx, PostfixError
from fermolib.wait import NotReached, wait_until

DOMAIN = "example.test"
GENTLE_RATE, GENTLE_SECONDS = 200, 5


class Fermoposta:
    """Three regions, one node and one frontend each, release binaries."""

    name = "Fermoposta"

    def __init__(self, directory, primary_port, bin_dir):
        plan = layout.Layout(os.path.join(directory, "cluster"), 3, 1,
                             ports.free_block(layout.Layout.ports_needed(3, 1)))
        self.cluster = create(plan, bin_dir)
        self.cluster.start()
        self.cluster.ctl.add_domain(DOMAIN, f"127.0.0.1:{primary_port}")
        self.address = self.cluster.frontends[0].smtp
        self.copies = 3

    def cpu_seconds(self):
        return procs.cpu_seconds(process.pid for process in self.cluster.processes)

    def has_settled(self, total):
        """All copies of all messages are on disk."""
        nodes = self.cluster.ctl.json("node", "list")["nodes"]
        held = [int(pick(node.get("status", {}), "held_messages", 0)) for node in nodes]
        return sum(held) >= self.copies * total

    def stop(self):
        self.cluster.stop()


class Postfix:
    """What users would run instead."""

    name = "Postfix"

    def __init__(self, directory, primary_port):
        self.instance = BackupMx(os.path.join(directory, "postfix"), ports.free_port(),
                                 primary_port, DOMAIN)
        self.instance.start()
        self.address = self.instance.address

    def cpu_seconds(self):
        return procs.cpu_seconds_of_tree(self.instance.master_pid())

    def has_settled(self, total):
        return self.instance.unsettled() == 0 and self.instance.deferred() >= total

    def stop(self):
        self.instance.stop()


def smtp_source(address, options):
    """Seconds that smtp-source took."""
    argv = ["smtp-source", "-d", "-s", str(options.sessions), "-l", str(options.octets),
            "-m", str(options.messages), "-f", "a@sender.test", "-t", "b@" + DOMAIN,
            address]
    start = time.monotonic()
    procs.run(argv, 300)
    return time.monotonic() - start


def one_round(side, options, total_before):
    """{"rate", "cpu", "settle"}: messages a second, CPU seconds per 1000
    messages, seconds after the last 250 until all was settled."""
    cpu = side.cpu_seconds()
    seconds = smtp_source(side.address, options)
    accepted = time.monotonic()
    wait_until(lambda: side.has_settled(total_before + options.messages), 120,
               f"{side.name} settles after a round", 0.1)
    settle = time.monotonic() - accepted
    return {"rate": options.messages / seconds, "settle": settle,
            "cpu": (side.cpu_seconds() - cpu) * 1000 / options.messages}


def gentle(side, options):
    """(p50, p99) in ms from the final dot to the reply, at a rate both can do."""
    oracle = Oracle()
    content = corpus.small_message(1, options.octets - 50)
    streams = [sender.Stream(oracle, sender.Session(side.address), lambda _: content,
                             pause=options.sessions / GENTLE_RATE,
                             limit=GENTLE_RATE * GENTLE_SECONDS // options.sessions,
                             recipients=("b@" + DOMAIN,)) for _ in range(options.sessions)]
    for stream in streams:
        stream.join(60)
    times = sorted(1000 * (attempt.ended - attempt.dot_at)
                   for attempt in oracle.attempts(sender.ACCEPTED))
    if len(times) < 100:
        raise RuntimeError(f"{side.name} accepted only {len(times)} messages of the gentle run")
    return times[len(times) // 2], times[len(times) * 99 // 100]


def measure(sides, options):
    """{side name: {"rounds": [...], medians}}, rounds interleaved."""
    rounds = {side.name: [] for side in sides}
    for number in range(-1, options.rounds):
        order = sides if number % 2 == 0 else sides[::-1]
        for side in order:
            result = one_round(side, options, (number + 1) * options.messages)
            if number < 0:
                continue  # warms up processes and files
            rounds[side.name].append(result)
            print(f"  round {number + 1}  {side.name:<10} {result['rate']:7.0f} messages/s  "
                  f"{result['cpu']:5.2f} CPU s/1000  settled after {result['settle']:.1f} s",
                  flush=True)
    result = {}
    for side in sides:
        p50, p99 = gentle(side, options)
        medians = {key: statistics.median(one[key] for one in rounds[side.name])
                   for key in ("rate", "cpu", "settle")}
        result[side.name] = dict(medians, p50_ms=p50, p99_ms=p99, rounds=rounds[side.name])
    return result


def report(result, options):
    ours, theirs = result["Fermoposta"], result["Postfix"]
    print(f"\n{options.octets} octets over {options.sessions} kept connections, medians of "
          f"{options.rounds} rounds of {options.messages}:")
    print(f"  {'':<12}{'messages/s':>12}{'CPU s/1000':>12}{'dot to 250, ms':>20}")
    for name, side in result.items():
        print(f"  {name:<12}{side['rate']:>12.0f}{side['cpu']:>12.2f}"
              f"{side['p50_ms']:>12.1f} p50{'':<1}{side['p99_ms']:.1f} p99")
    print(f"  {'ratio':<12}{ours['rate'] / theirs['rate']:>12.2f}"
          f"{ours['cpu'] / theirs['cpu']:>12.2f}"
          f"   (dot to 250 at {GENTLE_RATE} messages/s)")


def save(result, options):
    commit = subprocess.run(["git", "-C", layout.repository(), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    path = os.path.join(layout.repository(), "bench", "results", "accept.json")
    document = {"what": "accepting mail while the primary is down, three copies in three "
                        "regions on one machine, next to Postfix on the same machine",
                "when": time.strftime("%Y-%m-%d"), "commit": commit,
                "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
                "octets": options.octets, "sessions": options.sessions,
                "messages": options.messages,
                "ratio": result["Fermoposta"]["rate"] / result["Postfix"]["rate"],
                "sides": result}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(rounded(document), file, indent=2)
        file.write("\n")
    print(f"saved as {os.path.relpath(path)}")


def rounded(value):
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def parse(arguments):
    parser = argparse.ArgumentParser(description="Accepting mail: Fermoposta next to Postfix.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=3000, help="per round and side")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--octets", type=int, default=4096)
    parser.add_argument("--bin", help="folder of the programs (default: the release build)")
    parser.add_argument("--save", action="store_true", help="write bench/results/accept.json")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    bin_dir = os.path.abspath(options.bin or os.environ.get("FERMO_BIN") or
                              os.path.join(layout.repository(), "build", "release", "bin"))
    directory = tempfile.mkdtemp(prefix="fermo-bench-", dir="/var/tmp")  # a disk, not a tmpfs
    os.chmod(directory, 0o755)
    sides = []
    try:
        primary_port = ports.free_port()
        sides.append(Fermoposta(directory, primary_port, bin_dir))
        sides.append(Postfix(directory, primary_port))
        print(f"programs: {bin_dir}", flush=True)
        result = measure(sides, options)
        report(result, options)
        if options.save:
            save(result, options)
    except (ClusterError, PostfixError, NotReached, RuntimeError) as error:
        print(f"bench_accept: {error}", file=sys.stderr)
        return 1
    finally:
        for side in sides:
            side.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
