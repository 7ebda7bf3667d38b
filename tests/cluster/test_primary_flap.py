"""The primary goes down and up, misbehaves, and gets everything once in the end."""

import time
import unittest

from case import ClusterCase, wait_until
from fermolib import corpus, sender
from fermolib.sink import Fault


class PrimaryFlap(ClusterCase):
    node_options = {"delivery": {"retry_first": "1s", "retry_max": "2s"}}

    def test_down_and_up_under_load_until_all_is_drained(self):
        self.start_sink(up=False)
        self.start_streams(pause=0.01)
        for _ in range(3):
            self.wait_accepted(len(self.oracle.attempts(sender.ACCEPTED)) + 60)
            before = self.primary.count()
            opened = self.primary.up()
            wait_until(lambda: self.primary.count() >= before + 5, 20, "some are delivered")
            first = next(when for when in self.primary.times() if when >= opened - 0.001)
            self.say(f"up; first delivery after {first - opened:.2f} s")
            self.assertLessEqual(first - opened, 2.0)
            time.sleep(self.rng.uniform(0, 0.5))  # a random moment to go down
            self.primary.down()
        self.primary.up()
        self.finish()

    def test_temporary_refusals_and_dropped_connections_lose_and_double_nothing(self):
        self.start_sink()
        for fault in (Fault("connect", "421 4.3.2 busy", 3), Fault("mail", "451 4.3.0 later", 5),
                      Fault("rcpt", "450 4.2.1 later", 5), Fault("data", "421 4.3.2 bye", 3),
                      Fault("dot", "452 4.3.1 full", 5), Fault("dot", "", 5)):
            self.primary.fail(fault)
        self.send([corpus.small_message(number) for number in range(90)])
        verdict = self.finish()
        self.assertEqual(sum(verdict.windows.values()), 0)

    def test_a_lost_reply_to_the_dot_doubles_that_message_and_no_other(self):
        self.start_sink()
        self.primary.fail(Fault("dot", "", 3, taken=True))
        self.send([corpus.small_message(number) for number in range(60)])
        verdict = self.finish()
        self.assertEqual(verdict.windows["D2"], 3)


if __name__ == "__main__":
    unittest.main()
