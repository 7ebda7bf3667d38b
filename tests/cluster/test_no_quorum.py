"""Without two copies in two regions there is no 250, and what got none is never
delivered."""

import os
import signal
import unittest

from case import ClusterCase, wait_until
from fermolib import corpus, httpget, procs, sender


class NoQuorum(ClusterCase):
    node_options = {"append_budget": "3s"}

    def send_refused(self, count, allowed=(sender.REFUSED,)):
        """Sends to every frontend; none may say 250, all must say 4yz."""
        attempts = sender.send_all(self.oracle, self.smtp_addresses(),
                                   [corpus.small_message(number) for number in range(count)])
        for attempt in attempts:
            self.assertIn(attempt.result, allowed, attempt.text)
            self.assertEqual(attempt.code // 100, 4, f"{attempt.code} {attempt.text}")
        self.say(f"{len(attempts)} refused, such as: {attempts[0].code} {attempts[0].text}")

    def test_two_dead_nodes_of_three_refuse_and_accept_again_when_they_are_back(self):
        self.start_sink(up=False)
        self.send([corpus.small_message(number) for number in range(30)])
        dead = self.rng.sample(self.cluster.nodes, 2)
        for node in dead:
            self.kill(node)
        self.send_refused(6)
        for node in dead:
            node.start()
        for node in dead:
            node.wait_ready(40)
        self.start_streams(again=0.2)
        self.wait_accepted(60, 40)
        self.primary.up()
        verdict = self.finish(90)
        self.assertEqual(sum(verdict.windows.values()), 0)

    def test_what_stopped_nodes_may_have_taken_is_never_delivered_after_a_451(self):
        self.start_sink(up=False)
        self.send([corpus.small_message(number) for number in range(30)])
        frozen = self.rng.sample(self.cluster.nodes, 2)
        for node in frozen:
            self.assertTrue(procs.kill(node.pid, node.argv, signal.SIGSTOP))
        try:
            # Who had handed it to a frozen node can't know: that is 451 4.4.2.
            self.send_refused(6, allowed=(sender.REFUSED, sender.UNKNOWN))
        finally:
            for node in frozen:
                os.kill(node.pid, signal.SIGCONT)
        wait_until(lambda: all(node.is_ready() for node in self.cluster.nodes), 40,
                   "all nodes are ready again")
        self.start_streams(again=0.2)
        self.wait_accepted(60, 40)
        self.primary.up()
        verdict = self.finish(90)
        self.assertGreaterEqual(verdict.refused + verdict.unknown, 6)
        self.assertGreaterEqual(verdict.refused, 1, "the living node knows that it refused")

    def test_a_lone_node_says_why_it_is_not_ready_and_stays_alive(self):
        for node in self.cluster.nodes[1:]:
            self.kill(node)
        lone = self.cluster.nodes[0]
        wait_until(lambda: not lone.is_ready(), 20, "the lone node says that it isn't ready")
        status, body = httpget.get(lone.http, "/readyz")
        self.say(f"/readyz: {status} {body.strip()}")
        self.assertEqual(status, 503)
        self.assertGreater(len(body.strip()), 10)
        self.assertEqual(httpget.get(lone.http, "/livez")[0], 200)


if __name__ == "__main__":
    unittest.main()
