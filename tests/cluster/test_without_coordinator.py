"""With the coordinator dead, mail is accepted, delivered and taken over, and
processes restart from the snapshots on their own disks."""

import signal
import time
import unittest

from case import ClusterCase, wait_until
from fermolib import corpus, httpget


class WithoutCoordinator(ClusterCase):
    def test_acceptance_delivery_and_restarts_go_on(self):
        self.start_sink()
        self.send([corpus.small_message(number) for number in range(30)])
        self.kill(self.cluster.coordinator)
        self.send([corpus.small_message(number) for number in range(60)])
        wait_until(lambda: self.primary.count() >= 90, 30, "delivered without a coordinator")

        frontend, node = self.cluster.frontends[0], self.cluster.nodes[1]
        for process, sig in ((frontend, signal.SIGTERM), (node, signal.SIGKILL)):
            process.kill(sig)
            process.start()
            begun = time.time()
            process.wait_ready(40)
            self.say(f"{process.name} is ready from its snapshot after "
                     f"{time.time() - begun:.1f} s")
        self.send([corpus.small_message(number) for number in range(60)])
        wait_until(lambda: self.primary.count() >= 150, 60, "delivered after the restarts")
        self.cluster.coordinator.start()
        self.cluster.coordinator.wait_ready()
        self.finish()

    def test_takeover_needs_no_coordinator(self):
        self.start_sink(up=False)
        self.send([corpus.small_message(number) for number in range(90)])
        self.kill(self.cluster.coordinator)
        killed = self.kill(self.cluster.nodes[0])
        self.primary.up()
        wait_until(lambda: self.primary.count() >= 90, 60,
                   lambda: f"90 delivered; {self.primary.count()} so far")
        self.say(f"the last of 90 came {self.primary.times()[-1] - killed:.1f} s after the kill")
        self.assertLessEqual(self.primary.times()[-1] - killed, 15 + 5)
        self.cluster.coordinator.start()
        self.cluster.coordinator.wait_ready()
        self.finish()

    def test_liveness_does_not_look_at_others(self):
        self.kill(self.cluster.coordinator)
        for process in self.cluster.nodes + self.cluster.frontends:
            self.assertEqual(httpget.get(process.http, "/livez")[0], 200, process.name)
            self.assertTrue(process.is_ready(), process.name)


if __name__ == "__main__":
    unittest.main()
