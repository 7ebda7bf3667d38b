"""What each topology of docs/operations.md survives, with real processes: one node,
two regions, five regions with two nodes each; and domains that only some regions
may hold."""

import unittest

from case import DOMAIN, ClusterCase, wait_until
from fermolib import corpus, sender
from fermolib.ctl import CtlError, pick

SMALL = [corpus.small_message(number) for number in range(60)]


class OneNode(ClusterCase):
    regions = 1
    node_options = {"copies": 1}

    def test_one_copy_outlives_its_process(self):
        self.start_sink(up=False)
        self.send(SMALL)
        node = self.cluster.nodes[0]
        self.kill(node)
        node.start()
        node.wait_ready(40)
        self.wait_waiting(60, 30)
        self.primary.up()
        self.assertEqual(self.finish().delivered, 60)


class TwoRegions(ClusterCase):
    regions = 2
    node_options = {"copies": 2, "spool": {"orphan_after": "3s"}}

    def test_the_last_survivor_delivers_and_takes_nothing(self):
        self.start_sink(up=False)
        self.send(SMALL)
        victim = self.cluster.nodes[0]
        self.kill(victim)
        self.primary.up()
        wait_until(lambda: self.primary.count() >= 60, 60,
                   lambda: f"one delivers alone; {self.primary.count()} so far")
        problems = self.cluster.ctl.run("cluster", "status")
        self.assertIn("alone", problems)
        refused = self.cluster.frontends[1]
        session = sender.Session(refused.smtp)
        attempt = session.send(SMALL[0])
        session.close()
        self.assertEqual(attempt.code // 100, 4, attempt.text)
        victim.start()
        victim.wait_ready(40)
        verdict = self.finish()
        self.assertEqual(sum(verdict.windows.values()), 0)


class FiveRegions(ClusterCase):
    regions = 5
    nodes_per_region = 2
    node_options = {"spool": {"segment_age": "2s", "repair_after": "4s"}}

    def lose(self, region):
        for node in self.cluster.nodes:
            if node.region == region:
                self.kill(node)

    def wait_three_copies(self):
        def copied():
            infos = self.cluster.ctl.json("node", "list").get("nodes", [])
            states = [info.get("status", {}) for info in infos if "status" in info]
            return states and not any(int(pick(state, field, 0)) for state in states
                                      for field in ("under_replicated", "repairs"))
        wait_until(copied, 90, "every message has three live copies again", 0.5)

    def test_region_after_region_is_lost(self):
        self.start_sink(up=False)
        self.send(SMALL * 3)
        for region in self.cluster.nodes[0].region, self.cluster.nodes[2].region:
            self.lose(region)
            dead = sum(not node.is_running() for node in self.cluster.nodes)
            wait_until(
                lambda dead=dead: len(self.cluster.ctl.queue_summary()["unreachable"]) == dead,
                30, "the coordinator sees who is gone")
            self.wait_waiting(180, 60)
            self.wait_three_copies()
        self.primary.up()
        verdict = self.finish(all_up=False)
        self.assertEqual((verdict.delivered, sum(verdict.windows.values())), (180, 0))


class Residency(ClusterCase):
    nodes_per_region = 2
    node_options = {"spool": {"segment_age": "2s", "repair_after": "4s"}}

    def add_domain(self):
        self.cluster.ctl.json("domain", "add", DOMAIN, "--primary", self.primary.address,
                              "--regions", "firenze,roma")

    def held(self):
        """{region: copies} of unfinished messages; nodes that don't answer have none."""
        found = {}
        for info in self.cluster.ctl.json("node", "list").get("nodes", []):
            copies = int(pick(info.get("status", {}), "held_messages", 0))
            region = info["member"]["region"]
            found[region] = found.get(region, 0) + copies
        return found

    def test_no_copy_leaves_the_regions_of_its_domain(self):
        self.start_sink(up=False)
        self.send(SMALL)  # by the frontends of all regions
        wait_until(lambda: self.held().get("firenze", 0) + self.held().get("roma", 0) == 180, 20,
                   lambda: f"three copies of 60 messages in two regions; {self.held()}")
        self.assertEqual(self.held().get("catania", 0), 0)
        victim = next(node for node in self.cluster.nodes if node.region == "roma")
        self.kill(victim)
        wait_until(lambda: self.held().get("firenze", 0) + self.held().get("roma", 0) == 180, 60,
                   lambda: f"three copies again; {self.held()}", 0.5)
        self.assertEqual(self.held().get("catania", 0), 0, "repair stays within the regions")
        self.primary.up()
        verdict = self.finish(all_up=False)
        self.assertEqual(verdict.delivered, 60)

    def test_regions_that_cannot_be_met_are_refused(self):
        for regions, why in (("firenze", "region"), ("firenze,atlantide", "atlantide")):
            with self.assertRaises(CtlError) as refused:
                self.cluster.ctl.run("domain", "add", "other.test", "--primary", "127.0.0.1:2525",
                                     "--regions", regions)
            self.assertIn(why, refused.exception.text)


if __name__ == "__main__":
    unittest.main()
