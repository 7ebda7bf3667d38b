"""The main job: a node dies with its disk, others take over, nothing is lost."""

import os
import time
import unittest

from case import ClusterCase, wait_until
from fermolib import corpus


class Takeover(ClusterCase):
    def test_acceptance_within_3_s_takeover_within_15_s_first_delivery_within_2_s(self):
        self.start_sink(up=False)
        self.start_streams(pause=0.02)
        self.wait_accepted(100)
        victim = self.rng.choice(self.cluster.nodes)
        killed = self.kill(victim)
        os.rename(victim.data, victim.data + ".set-aside")
        gaps = self.acceptance_gaps(killed)
        self.wait_accepted(len(self.oracle.attempts("accepted")) + 300)  # to other holders
        self.say(f"killed {victim.name}; next 250: "
                 + ", ".join(f"{gap:.2f} s" for gap in gaps.values()))
        self.assertLessEqual(max(gaps.values()), 3.0)
        self.stop_streams()
        self.assertLessEqual(self.verdict_p99(killed, 10, "while the holders change"), 3.0)
        accepted = self.oracle.accepted_legs()
        self.assertLessEqual(self.wait_takeover(victim, killed), 15.0)

        opened = self.primary.up()
        wait_until(lambda: self.primary.count() >= accepted, 60,
                   lambda: f"{accepted} delivered; {self.primary.count()} so far")
        first, last = self.primary.times()[0] - opened, self.primary.times()[-1] - opened
        self.say(f"primary up to first delivery {first:.2f} s, to last {last:.2f} s")
        self.assertLessEqual(first, 2.0)
        verdict = self.finish()
        self.assertEqual(sum(verdict.windows.values()), 0)

    def test_mail_delivered_before_the_death_is_not_delivered_again(self):
        self.start_sink()
        self.send([corpus.small_message(number) for number in range(60)])
        wait_until(lambda: self.primary.count() >= 60, 20, "60 delivered")
        self.wait_waiting(0, 10)
        self.primary.down()
        self.send([corpus.small_message(number) for number in range(60)])
        killed = self.kill(self.cluster.nodes[1])
        self.wait_waiting(60, 40, without=[self.cluster.nodes[1].name])
        self.say(f"takeover after {time.time() - killed:.1f} s")
        self.primary.up()
        verdict = self.finish()
        self.assertEqual((verdict.delivered, sum(verdict.windows.values())), (120, 0))

    def test_the_dead_node_comes_back_and_delivers_nothing_twice(self):
        self.start_sink(up=False)
        self.send([corpus.small_message(number) for number in range(60)])
        victim = self.cluster.nodes[2]
        self.wait_takeover(victim, self.kill(victim))
        self.primary.up()
        wait_until(lambda: self.primary.count() >= 60, 60, "all delivered")
        victim.start()
        victim.wait_ready(40)
        self.send([corpus.small_message(number) for number in range(30)])
        verdict = self.finish()
        self.assertEqual((verdict.delivered, sum(verdict.windows.values())), (90, 0))


if __name__ == "__main__":
    unittest.main()
