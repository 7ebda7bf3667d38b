"""Nodes that leave for good: drained and removed, or lost with their disks and
evicted. What they held is given to others, and nothing is lost or doubled."""

import os
import shutil
import unittest

from case import ClusterCase, NotReached, wait_until
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


class EvictedAndBack(ClusterCase):
    """Its disk is old mail: the others have delivered what it holds."""

    node_options = {"spool": {"orphan_after": "2s"}}

    def delivers_nothing(self, node, event):
        start = os.path.getsize(node.log)
        node.start()

        def told():
            with open(node.log, encoding="utf-8") as log:
                log.seek(start)
                return f'"{event}"' in log.read()
        wait_until(told, 30, f"{node.name} hears that it is evicted ({event})")
        count = self.primary.count()
        with self.assertRaises(NotReached):  # several times orphan_after
            wait_until(lambda: self.primary.count() != count, 8, "another delivery")
        self.kill(node)

    def test_it_delivers_nothing_whoever_tells_it(self):
        self.start_sink(up=False)
        self.send([corpus.small_message(number) for number in range(60)])
        victim = self.cluster.nodes[0]
        self.wait_waiting(60, 20)
        self.kill(victim)
        self.cluster.ctl.run("node", "evict", victim.name, "--force", "--reason", "a test")
        self.primary.up()
        wait_until(lambda: self.primary.count() >= 60, 60, "the others deliver all")
        # What the first word made it keep must not help the second.
        shutil.copytree(victim.data, victim.data + ".keep")
        self.kill(self.cluster.coordinator)
        self.delivers_nothing(victim, "evicted")  # by a peer's word
        shutil.rmtree(victim.data)
        os.rename(victim.data + ".keep", victim.data)
        self.cluster.coordinator.start()
        self.cluster.coordinator.wait_ready()
        self.delivers_nothing(victim, "join_refused")
        verdict = self.finish()
        self.assertEqual((verdict.delivered, sum(verdict.windows.values())), (60, 0))


if __name__ == "__main__":
    unittest.main()
