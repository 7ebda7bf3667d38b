"""A local cluster: start it, know its processes, kill and restart one, stop it.

The truth is DIR/cluster.json and /proc, never memory: a cluster outlives the
program that started it.
"""

import json
import os
import signal
import time

from . import httpget, layout, ports, procs
from .ctl import Fermoctl
from .wait import NotReached, wait_until


class ClusterError(RuntimeError):
    """Something an operator can read and act on."""


class Process:
    """One process of cluster.json."""

    def __init__(self, cluster, entry):
        self.cluster = cluster
        self.entry = entry
        self.name, self.role, self.argv = entry["name"], entry["role"], entry["argv"]
        self.region = entry.get("region")
        self.smtp, self.grpc, self.http = (entry.get(key) for key in ("smtp", "grpc", "http"))
        self.data = entry.get("data")
        self.log = os.path.join(cluster.directory, "log", self.name + ".log")

    @property
    def pid(self):
        return self.entry["pid"]

    def is_running(self):
        return procs.runs(self.pid, self.argv)

    def is_ready(self):
        return httpget.is_ready(self.http)

    def start(self, prefix=()):
        """Runs argv (again) and notes the new pid; doesn't wait. prefix: a program
        and its options that end by executing argv, such as setpriv."""
        if self.is_running():
            raise ClusterError(f"{self.name} is running already (pid {self.pid})")
        self.entry["pid"] = procs.start_detached([*prefix, *self.argv], self.log)
        if prefix:  # it has not executed argv yet
            wait_until(lambda: self.is_running() or procs.is_over(self.pid), 5,
                       lambda: f"{self.name} runs; the end of {self.log}: {procs.tail(self.log)}")
        self.cluster.save()

    def kill(self, sig=signal.SIGKILL, seconds=30):
        """Signals and waits for the end; returns the time of the signal."""
        now = time.monotonic()
        procs.kill_and_wait(self.pid, self.argv, sig, seconds)
        return now

    def wait_ready(self, seconds=30):
        """Waits for /readyz; raises ClusterError with the log when it dies."""
        def ready():
            if not self.is_running():
                raise ClusterError(
                    f"{self.name} died while starting; the end of {self.log}:\n"
                    f"{procs.tail(self.log)}")
            return self.is_ready()

        def state():
            status, body = httpget.get(self.http, "/readyz")
            return (f"{self.name} ready (http://{self.http}/readyz: {status} "
                    f"{body.strip()[:300]}); the end of {self.log}:\n{procs.tail(self.log)}")
        try:
            wait_until(ready, seconds, state)
        except NotReached as late:
            raise ClusterError(str(late)) from None


class Cluster:
    """The cluster in a directory, as its cluster.json says."""

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        self.path = os.path.join(self.directory, "cluster.json")
        try:
            with open(self.path, encoding="utf-8") as file:
                self.document = json.load(file)
        except FileNotFoundError:
            raise ClusterError(f"no cluster in {self.directory} (no cluster.json)") from None
        self.processes = [Process(self, entry) for entry in self.document["processes"]]
        self.ctl = Fermoctl(self.document["fermoctl"])
        self._adopt()

    def _adopt(self):
        """A process that somebody started again by its argv has another pid."""
        gone = [process for process in self.processes if not process.is_running()]
        table = procs.all_command_lines() if gone else {}
        for process in gone:
            process.entry["pid"] = table.get(tuple(process.argv), process.pid)

    def save(self):
        _write_json(self.path, self.document)

    def named(self, name):
        return next(process for process in self.processes if process.name == name)

    def with_role(self, role):
        return [process for process in self.processes if process.role == role]

    @property
    def coordinator(self):
        return self.with_role("coordinator")[0]

    @property
    def nodes(self):
        return self.with_role("node")

    @property
    def frontends(self):
        return self.with_role("smtp-frontend")

    def running(self):
        return [process for process in self.processes if process.is_running()]

    def start(self, seconds=60):
        """Starts every process that doesn't run and waits until all are ready.

        When one fails, all are stopped again.
        """
        _refuse_busy_ports(self)
        try:
            for process in self.processes:
                if not process.is_running():
                    process.start()
            end = time.monotonic() + seconds
            for process in self.processes:
                process.wait_ready(max(0.1, end - time.monotonic()))
        except BaseException:
            self.stop(term_seconds=2)
            raise

    def stop(self, term_seconds=15):
        """Stops what runs; returns how many ignored SIGTERM and were killed."""
        return procs.stop_all([(process.pid, process.argv) for process in self.processes],
                              term_seconds)


def create(plan, bin_dir):
    """Writes the configs and cluster.json of a Layout; starts nothing.

    In a directory that holds a cluster already, keeps its data and plan.
    """
    missing = layout.missing_programs(bin_dir)
    if missing:
        raise ClusterError(f"{bin_dir} lacks {', '.join(missing)}: build first "
                           "(./dev build release)")
    plan.write_configs()
    entries = []
    for process in plan.processes():
        program = os.path.join(bin_dir, layout.PROGRAMS[process["role"]])
        argv = [program, "--config", plan.config_path(process["name"])]
        ordered = ("name", "role", "region")
        entries.append({**{key: process[key] for key in ordered if key in process},
                        "pid": 0, "argv": argv,
                        **{key: value for key, value in process.items() if key not in ordered}})
    ctl = [os.path.join(bin_dir, layout.CTL), "--insecure",
           "--coordinator", plan.processes()[0]["grpc"]]
    _write_json(os.path.join(plan.directory, "cluster.json"),
                {"fermoctl": ctl, "processes": entries})
    return Cluster(plan.directory)


def _refuse_busy_ports(cluster):
    for process in cluster.processes:
        if process.is_running():
            continue
        for kind in ("smtp", "grpc", "http"):
            address = process.entry.get(kind)
            port = int(address.rsplit(":", 1)[1]) if address else None
            if port and not ports.is_free(port):
                raise ClusterError(f"port {port}, which {process.name} wants for {kind}, is taken "
                                   f"by {ports.who_listens(port)}: choose another --base-port")


def _write_json(path, document):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    os.replace(temporary, path)
