"""Nodes that leave for good: drained and removed, or lost with their disks and
evicted. What they held is given to others, and nothing is lost or doubled."""

import shutil
import unittest

from case import ClusterCase, wait_until
from fermolib import corpus
from fermolib.ctl import CtlError, pick


class Leaving(ClusterCase):
    nodes_per_region = 2
    node_options = {"spool": {"segment_age": "2s"}}

    def destroy(self, node):
        """The process and its disk."""
        self.kill(node)
        shutil.rmtree(node.data)

    def test_a_drained_node_takes_nothing_with_it(self):
        self.start_sink(up=False)
        self.start_streams(pause=0.05)
        self.wait_accepted(150)
        victim = self.cluster.nodes[0]
        printed = self.cluster.ctl.run("node", "drain", victim.name, "--wait", "--reason",
                                       "its machine is to be replaced", seconds=90)
        self.say(printed.strip().splitlines()[-1])
        self.assertIn("safe to remove", printed)
        self.wait_accepted(len(self.oracle.attempts("accepted")) + 30)
        self.stop_streams()
        self.destroy(victim)
        self.cluster.ctl.run("node", "evict", victim.name, "--reason", "gone")
        self.wait_waiting(self.oracle.accepted_legs(), 40)
        self.primary.up()
        verdict = self.finish()
        self.assertEqual(sum(verdict.windows.values()), 0)

    def test_copies_of_an_evicted_node_are_made_anew(self):
        self.start_sink(up=False)
        self.send([corpus.small_message(number) for number in range(120)])
        first, second = self.cluster.nodes[0], self.cluster.nodes[2]
        with self.assertRaises(CtlError) as refused:
            self.cluster.ctl.run("node", "evict", first.name)
        self.assertIn("drain", refused.exception.text)
        for victim in (first, second):  # one region after the other
            self.destroy(victim)
            self.cluster.ctl.run("node", "evict", victim.name, "--reason", "disk lost")
            self.wait_waiting(120, 40)

            def copied():
                infos = self.cluster.ctl.json("node", "list").get("nodes", [])
                states = [info.get("status", {}) for info in infos]
                return all(int(pick(s, "under_replicated", 0)) == 0 and
                           int(pick(s, "repairs", 0)) == 0 for s in states) and states
            wait_until(copied, 60, lambda: "every message has three copies again; "
                       f"{self.cluster.ctl.json('node', 'list')}", 0.3)
        self.primary.up()
        verdict = self.finish()
        self.assertEqual((verdict.delivered, sum(verdict.windows.values())), (120, 0))


if __name__ == "__main__":
    unittest.main()
