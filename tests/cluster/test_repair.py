"""Copies are made anew behind the mail that comes in, and behind the leases."""

import shutil
import time
import unittest

from case import ClusterCase, wait_until
from fermolib import corpus, httpget
from fermolib.ctl import pick

LARGE, COUNT = 1 << 20, 150
EVENT = 'fermoposta_replication_events_total{event="%s"}'


def large_message(number):
    line = b"%08d abcdefghijklmnopqrstuvwxyz 0123456789\r\n" % number
    return corpus.small_message(number) + line * (LARGE // len(line))


class Repair(ClusterCase):
    nodes_per_region = 2
    # So slow that the copying takes a while.
    node_options = {"spool": {"segment_age": "2s", "repair_rate": "4MiB"}}

    def statuses(self):
        nodes = self.cluster.ctl.json("node", "list").get("nodes", [])
        return [node["status"] for node in nodes if node.get("status")]

    def lacking(self):
        """Messages that have fewer copies than they should."""
        return sum(int(pick(status, "under_replicated", 0)) for status in self.statuses())

    def events(self, name):
        return sum(httpget.metrics(node.http).get(EVENT % name, 0)
                   for node in self.cluster.nodes if node.is_running())

    def test_repair_delays_neither_leases_nor_fresh_mail(self):
        self.start_sink(up=False)
        self.send([large_message(number) for number in range(COUNT)])
        victim = self.cluster.nodes[0]
        killed = self.kill(victim)
        shutil.rmtree(victim.data)
        self.wait_takeover(victim, killed)
        self.start_streams(pause=0.05)
        lost, since = self.events("ownership_lost"), time.time()
        self.cluster.ctl.run("node", "evict", victim.name, "--reason", "its disk is lost")
        wait_until(lambda: self.lacking() > COUNT // 4, 20, "copies are to be made")
        lacking = self.lacking()
        wait_until(lambda: self.lacking() == 0, 120,
                   lambda: f"every message has all copies again; {self.statuses()}", 0.3)
        seconds = time.time() - since
        self.stop_streams()
        self.say(f"{lacking} copies of {LARGE >> 20} MiB made in {seconds:.1f} s")
        self.assertGreater(seconds, 3, "too short to disturb anything")
        self.assertLess(self.verdict_p99(since, seconds, "while copies are made"), 1.0)
        self.assertEqual(self.events("ownership_lost"), lost, "an owner lost its leases")
        self.primary.up()
        verdict = self.finish(120)
        self.assertEqual(sum(verdict.windows.values()), 0)


if __name__ == "__main__":
    unittest.main()
