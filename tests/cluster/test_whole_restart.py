"""Every process stops with mail waiting, and starts again."""

import time
import unittest

from case import ClusterCase
from fermolib import corpus


class WholeRestart(ClusterCase):
    def restart_story(self, stop):
        self.start_sink(up=False)
        messages = [octets for _, octets in corpus.test_emails() + corpus.large_messages()]
        self.send(messages + [corpus.small_message(number) for number in range(60)])
        stop()
        self.assertEqual(self.cluster.running(), [])
        self.cluster.start()
        started = time.time()
        accepted = self.oracle.accepted_legs()
        self.wait_waiting(accepted, 60)
        self.say(f"{accepted} messages owned again {time.time() - started:.1f} s after the start")
        self.primary.up()
        verdict = self.finish()
        self.assertEqual(sum(verdict.windows.values()), 0)

    def test_after_a_clean_stop(self):
        self.restart_story(lambda: self.assertEqual(self.cluster.stop(), 0, "SIGTERM ignored"))

    def test_after_kill_9_of_every_process(self):
        def kill_all():
            for process in self.rng.sample(self.cluster.processes, len(self.cluster.processes)):
                self.kill(process)
        self.restart_story(kill_all)


if __name__ == "__main__":
    unittest.main()
