#!/usr/bin/env python3
"""A Fermoposta cluster on this machine's loopback.

    tools/localcluster.py up [--dir DIR] [--regions N] [--nodes-per-region M]
                             [--base-port P] [--bin BINDIR] [--seconds S]
    tools/localcluster.py down [--dir DIR]

`up` returns when every process is ready and leaves DIR/cluster.json, which says
how to call fermoctl and, for each process, its pid, argv and addresses. A
process that is killed stays dead; running its argv again brings it back with
its data. In the directory of a stopped cluster `up` starts that one again.
Exit status: 0 done, 1 refused or failed, with the reason on standard error.
"""

import argparse
import os
import sys

from fermolib import layout
from fermolib.cluster import Cluster, ClusterError, create

DEFAULT_DIR = os.path.join(layout.repository(), "build", "cluster")


def parse(arguments):
    parser = argparse.ArgumentParser(
        description="A Fermoposta cluster on this machine's loopback.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a cluster, or a stopped one again")
    down = commands.add_parser("down", help="stop the cluster of a directory")
    for command in (up, down):
        command.add_argument("--dir", type=layout.caller_path, default=DEFAULT_DIR,
                             help="default: build/cluster")
    up.add_argument("--regions", type=int, help="default: 3")
    up.add_argument("--nodes-per-region", type=int, help="default: 1")
    up.add_argument("--base-port", type=int, help=f"default: {layout.DEFAULT_BASE_PORT}")
    up.add_argument("--bin", help="folder of the programs (default: FERMO_BIN, else the release "
                                  "build, else the dev build)")
    up.add_argument("--seconds", type=float, default=60, help="until all must be ready (60)")
    return parser.parse_args(arguments)


def existing(directory):
    try:
        return Cluster(directory)
    except ClusterError:
        return None


def check_same_plan(cluster, options):
    """An old cluster is started as it is; what was asked for must not differ."""
    regions = {process.region for process in cluster.nodes}
    found = {"--regions": len(regions), "--nodes-per-region": len(cluster.nodes) // len(regions),
             "--base-port": int(cluster.coordinator.grpc.rsplit(":", 1)[1])}
    asked = {"--regions": options.regions, "--nodes-per-region": options.nodes_per_region,
             "--base-port": options.base_port}
    for name, value in asked.items():
        if value is not None and value != found[name]:
            raise ClusterError(
                f"{cluster.directory} holds a stopped cluster with {name} {found[name]}, not "
                f"{value}: leave the option out, or choose another --dir")
    return layout.Layout(cluster.directory, *found.values())


def up(options):
    cluster = existing(options.dir)
    if cluster is not None:
        running = cluster.running()
        if running:
            raise ClusterError(
                f"{cluster.directory} holds a running cluster ({len(running)} of "
                f"{len(cluster.processes)} processes alive, such as {running[0].name}, pid "
                f"{running[0].pid}): stop it with `tools/localcluster.py down --dir "
                f"{cluster.directory}`, or start the dead ones by their argv")
        plan = check_same_plan(cluster, options)
    else:
        plan = layout.Layout(options.dir, options.regions or 3, options.nodes_per_region or 1,
                             options.base_port or layout.DEFAULT_BASE_PORT)
    cluster = create(plan, os.path.abspath(options.bin or layout.default_bin_dir()))
    cluster.start(options.seconds)
    print(f"{len(cluster.processes)} processes are ready; {cluster.path}")
    for process in cluster.processes:
        addresses = "  ".join(f"{key} {process.entry[key]}" for key in ("smtp", "grpc", "http")
                              if key in process.entry)
        print(f"  {process.name:<14} pid {process.pid:<8} {addresses}")
    print(f"look around: {cluster.ctl.line('cluster', 'status')}")


def down(options):
    cluster = Cluster(options.dir)
    alive = len(cluster.running())
    killed = cluster.stop()
    text = f", {killed} of them had to be killed" if killed else ""
    print(f"stopped {alive} of {len(cluster.processes)} processes{text}; the data stays in "
          f"{cluster.directory}")


def main(arguments=None):
    options = parse(arguments)
    try:
        {"up": up, "down": down}[options.command](options)
    except (ClusterError, ValueError) as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
