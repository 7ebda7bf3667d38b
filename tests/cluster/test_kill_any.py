"""kill -9 of any one process at a random moment while mail flows, then restart."""

import time
import unittest

from case import ClusterCase
from fermolib import sender


class KillAny(ClusterCase):
    def run_story(self, victims):
        self.start_sink()
        # As real senders do: what wasn't accepted is tried again.
        self.start_streams(pause=0.01, again=0.2)
        self.wait_accepted(30)
        victim = self.rng.choice(victims)
        time.sleep(self.rng.uniform(0, 2))  # the random moment itself, not a wait
        killed = self.kill(victim)
        self.say(f"killed {victim.name} with {len(self.oracle.attempts())} attempts behind it")
        if victim.role != "smtp-frontend":
            gaps = self.acceptance_gaps(killed)
            self.say("next 250 after the kill: "
                     + ", ".join(f"{gap:.2f} s" for gap in gaps.values()))
            self.assertLessEqual(max(gaps.values()), 3.0)
        time.sleep(self.rng.uniform(0, 3))  # likewise: how long it stays dead
        victim.start()
        victim.wait_ready(40)
        back = time.time()
        self.acceptance_gaps(back)
        self.wait_accepted(len(self.oracle.attempts(sender.ACCEPTED)) + 30)
        return self.finish(90)

    def test_a_node(self):
        self.run_story(self.cluster.nodes)

    def test_a_frontend(self):
        verdict = self.run_story(self.cluster.frontends)
        self.assertEqual(verdict.windows["D3"], 0)

    def test_the_coordinator(self):
        verdict = self.run_story([self.cluster.coordinator])
        self.assertEqual(sum(verdict.windows.values()), 0)
        self.assertEqual(verdict.unknown + verdict.refused, 0)


if __name__ == "__main__":
    unittest.main()
