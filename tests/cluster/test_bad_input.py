"""What is wrong is refused with its reason: config files, domains, data
directories of another cluster."""

import os
import re
import shutil
import tempfile
import unittest

from case import DOMAIN, ClusterCase, layout, require_programs, wait_until
from fermolib import ports, procs
from fermolib.cluster import create
from fermolib.ctl import CtlError, pick


class BadConfig(unittest.TestCase):
    """--check-config: file, line, key and problem, exit status 2."""

    @classmethod
    def setUpClass(cls):
        require_programs()

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="fermo-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.plan = layout.Layout(self.directory, 1, 1, ports.free_block(20))
        self.bin = layout.default_bin_dir()

    def check(self, role, text):
        path = os.path.join(self.directory, "bad.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path, procs.run([os.path.join(self.bin, layout.PROGRAMS[role]), "--config", path,
                                "--check-config"], check=False)

    def good(self, role):
        process = next(p for p in self.plan.processes() if p["role"] == role)
        return layout.to_yaml(self.plan.config(process))

    def test_a_good_config_passes_in_every_program(self):
        for role in layout.PROGRAMS:
            _, done = self.check(role, self.good(role))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_an_error_names_file_line_and_key(self):
        for role in layout.PROGRAMS:
            good = self.good(role)
            lines = good.count("\n")
            cases = {"unknown key": ("colour: red\n", lines + 1, "colour"),
                     "duplicate key": ("name: other\n", lines + 1, "name"),
                     "wrong type": ("log: [1, 2]\n", lines + 1, "log"),
                     "bad value": ("log:\n  level: loud\n", lines + 2, "level")}
            for problem, (addition, line, key) in cases.items():
                with self.subTest(role=role, problem=problem):
                    path, done = self.check(role, good + addition)
                    self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                    self.assertIn(f"{path}:{line}:", done.stderr)
                    self.assertIn(key, done.stderr)

    def test_a_missing_required_key_is_named(self):
        for role in layout.PROGRAMS:
            lines = [line for line in self.good(role).splitlines()
                     if not line.startswith("http_listen:")]
            path, done = self.check(role, "\n".join(lines) + "\n")
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertIn("http_listen", done.stderr)
            self.assertIn(path, done.stderr)

    def test_a_missing_file_and_plaintext_beyond_loopback(self):
        program = os.path.join(self.bin, "fermo-node")
        done = procs.run([program, "--config", "/nonexistent.yaml"], check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent.yaml", done.stderr)
        outside = self.good("node").replace('listen: "127.0.0.1', 'listen: "192.0.2.1')
        _, done = self.check("node", outside)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("insecure", done.stderr)

    def test_version_is_told(self):
        for name in [*layout.PROGRAMS.values(), layout.CTL]:
            done = procs.run([os.path.join(self.bin, name), "--version"])
            self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")


class BadOperations(ClusterCase):
    def refused(self, *words):
        with self.assertRaises(CtlError) as caught:
            self.cluster.ctl.run(*words)
        self.say(f"fermoctl {' '.join(words)}: {caught.exception.text.splitlines()[-1]}")
        return caught.exception.text

    def test_domains_that_cannot_be_served_are_refused_with_the_reason(self):
        good = "127.0.0.1:2525"
        for name in ("bad domain", "-x.test", "a..test", "x" * 64 + ".test", "under_score.test"):
            self.refused("domain", "add", name, "--primary", good)
        for primary in ("127.0.0.1:0", "127.0.0.1:70000", "host:port", "bad host:25", ":25"):
            text = self.refused("domain", "add", DOMAIN, "--primary", primary)
            self.assertIn("primary", text.lower())
        ours = self.cluster.frontends[0].smtp  # mail would go in circles
        self.assertIn("primary", self.refused("domain", "add", DOMAIN, "--primary", ours))
        self.cluster.ctl.add_domain(DOMAIN, good)
        self.assertIn("exist", self.refused("domain", "add", DOMAIN, "--primary", good).lower())
        self.refused("domain", "show", "unknown.test")
        self.refused("domain", "remove", "unknown.test")

    def test_a_domain_with_waiting_mail_is_not_removed_without_force(self):
        self.start_sink(up=False)
        self.send([b"Subject: x\r\n\r\nx\r\n"])
        self.wait_waiting(1, 10)
        self.assertIn("1", self.refused("domain", "remove", DOMAIN))
        self.primary.up()
        self.finish()
        self.cluster.ctl.run("domain", "remove", DOMAIN)

    def test_a_node_with_the_data_of_another_cluster_is_refused(self):
        self.cluster.stop()
        other = create(layout.Layout(os.path.join(self.directory, "other"), 3, 1,
                                     ports.free_block(40)), layout.default_bin_dir())
        self.addCleanup(other.stop)
        stranger = other.nodes[0]
        os.rmdir(stranger.data)
        shutil.copytree(self.cluster.nodes[0].data, stranger.data)
        for process in other.processes:
            process.start()
        for process in other.nodes[1:]:
            process.wait_ready(40)

        def refused():
            return (not stranger.is_running() or not stranger.is_ready()) and \
                re.search(r"join_refused.*belongs to cluster", procs.tail(stranger.log, 200))
        wait_until(refused, 20, lambda: f"a refusal; log: {procs.tail(stranger.log)}")
        names = [pick(node.get("member", {}), "name") for node in
                 other.ctl.json("node", "list")["nodes"]]
        self.assertNotIn(stranger.name, names)
        self.assertFalse(stranger.is_running() and stranger.is_ready())


if __name__ == "__main__":
    unittest.main()
