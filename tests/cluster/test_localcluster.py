"""tools/localcluster.py itself, with a stand-in for the programs."""

import contextlib
import io
import json
import os
import shutil
import socket
import tempfile
import unittest
from unittest import mock

import case  # noqa: F401 (puts tools/ on the path)
import localcluster
from fermolib import layout, ports, procs
from fermolib.cluster import Cluster


class LocalCluster(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="fermo-localcluster-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.bin = os.path.join(self.directory, "bin")
        os.mkdir(self.bin)
        fake = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_program.py")
        for name in [*layout.PROGRAMS.values(), layout.CTL]:
            shutil.copy(fake, os.path.join(self.bin, name))
        self.dir = os.path.join(self.directory, "cluster")
        self.addCleanup(self.run_tool, "down", "--dir", self.dir)
        self.base = ports.free_block(60)

    def run_tool(self, *arguments):
        """(exit status, standard output and error)."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = localcluster.main(list(arguments))
        return status, output.getvalue()

    def up(self, *arguments):
        return self.run_tool("up", "--dir", self.dir, "--bin", self.bin, *arguments)

    def test_up_leaves_a_description_of_ready_processes_and_down_stops_them(self):
        status, output = self.up("--base-port", str(self.base))
        self.assertEqual(status, 0, output)
        with open(os.path.join(self.dir, "cluster.json"), encoding="utf-8") as file:
            document = json.load(file)
        self.assertEqual(document["fermoctl"][0], os.path.join(self.bin, "fermoctl"))
        roles = [process["role"] for process in document["processes"]]
        self.assertEqual(sorted(roles), ["coordinator"] + ["node"] * 3 + ["smtp-frontend"] * 3)
        regions = [process["region"] for process in document["processes"]
                   if process["role"] == "node"]
        self.assertEqual(regions, ["firenze", "roma", "catania"])
        for process in document["processes"]:
            keys = {"coordinator": {"grpc", "http", "data"}, "node": {"grpc", "http", "data"},
                    "smtp-frontend": {"smtp", "http", "data"}}[process["role"]]
            self.assertEqual({"smtp", "grpc", "http", "data"} & set(process), keys)
            argv = procs.command_line(process["pid"])
            self.assertEqual(argv[-3:], process["argv"])  # a script: its interpreter is first
            self.assertEqual(os.getsid(process["pid"]), process["pid"])

    def test_a_relative_directory_is_the_callers(self):
        with mock.patch.dict(os.environ, {"FERMO_CALLER_DIR": self.directory}):
            status, output = self.run_tool("up", "--dir", "cluster", "--bin", self.bin,
                                           "--base-port", str(self.base), "--regions", "1")
            self.assertEqual(status, 0, output)
            self.assertEqual(len(Cluster(self.dir).running()), 3)
            self.assertEqual(self.run_tool("down", "--dir", "./cluster")[0], 0)

    def test_a_second_up_is_refused_while_a_process_runs(self):
        self.assertEqual(self.up("--base-port", str(self.base))[0], 0)
        status, output = self.up()
        self.assertEqual(status, 1)
        self.assertIn("holds a running cluster", output)

    def test_down_then_up_starts_the_same_cluster_with_its_data(self):
        self.assertEqual(self.up("--base-port", str(self.base), "--regions", "2")[0], 0)
        cluster = Cluster(self.dir)
        mark = os.path.join(cluster.nodes[0].data, "mark")
        with open(mark, "w", encoding="ascii"):
            pass
        status, output = self.run_tool("down", "--dir", self.dir)
        self.assertEqual(status, 0, output)
        self.assertEqual(Cluster(self.dir).running(), [])
        status, output = self.up("--regions", "3")
        self.assertEqual(status, 1)
        self.assertIn("--regions 2, not 3", output)
        status, output = self.up()
        self.assertEqual(status, 0, output)
        self.assertEqual(len(Cluster(self.dir).nodes), 2)
        self.assertEqual(Cluster(self.dir).coordinator.grpc, f"127.0.0.1:{self.base}")
        self.assertTrue(os.path.exists(mark))

    def test_a_process_restarted_by_its_argv_is_found_again(self):
        self.assertEqual(self.up("--base-port", str(self.base), "--regions", "1")[0], 0)
        node = Cluster(self.dir).nodes[0]
        node.kill()
        self.assertFalse(node.is_running())
        pid = procs.start_detached(node.argv, node.log)
        self.addCleanup(procs.kill_and_wait, pid, node.argv)
        case.wait_until(lambda: Cluster(self.dir).named(node.name).pid == pid, 5, "adopted")

    def test_a_busy_port_is_named_with_who_wants_it_and_who_has_it(self):
        with socket.create_server(("127.0.0.1", self.base + 10)):
            status, output = self.up("--base-port", str(self.base))
        self.assertEqual(status, 1)
        self.assertIn(f"port {self.base + 10}, which firenze-mx wants for smtp", output)
        self.assertIn(f"process {os.getpid()}", output)
        self.assertEqual(Cluster(self.dir).running(), [])

    def test_a_process_that_dies_is_reported_with_its_log_and_the_rest_is_stopped(self):
        status, output = self.up("--base-port", str(self.base), "--nodes-per-region", "2")
        self.assertEqual(status, 1)
        self.assertIn("roma-2 died while starting", output)
        self.assertIn("its disk is on fire", output)
        self.assertEqual(Cluster(self.dir).running(), [])

    def test_missing_programs_are_named(self):
        os.remove(os.path.join(self.bin, "fermo-node"))
        status, output = self.up()
        self.assertEqual(status, 1)
        self.assertIn("lacks fermo-node", output)


if __name__ == "__main__":
    unittest.main()
