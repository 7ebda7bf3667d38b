"""Accepted in three regions, delivered to a real Postfix, octet for octet."""

import unittest

from case import DOMAIN, ClusterCase, wait_until
from fermolib import corpus, ports, sender
from fermolib.ctl import CtlError


class Deliver(ClusterCase):
    def test_real_messages_reach_a_real_postfix_unchanged(self):
        self.start_postfix()
        messages = [octets for _, octets in corpus.test_emails() + corpus.large_messages()]
        attempts = self.send([content for content in messages for _ in self.cluster.frontends])
        self.assertEqual(len(attempts), 3 * len(messages))
        for attempt in attempts:
            self.assertTrue(attempt.message_id, f"250 names no message: {attempt.text}")
        self.assertEqual(len({attempt.message_id for attempt in attempts}), len(attempts))
        verdict = self.finish()
        self.assertEqual(verdict.delivered, len(attempts))
        self.assertEqual(sum(verdict.windows.values()), 0)

    def test_each_recipient_gets_one_copy_and_the_null_sender_is_taken(self):
        self.start_postfix()
        session = sender.Session(self.cluster.frontends[0].smtp)
        three = [f"{name}@{DOMAIN}" for name in ("ada", "bruno", "carla")]
        for path in ("ada@sender.test", ""):
            attempt = session.send(corpus.small_message(1), three, sender=path)
            self.oracle.saw(attempt)
            self.assertEqual(attempt.result, sender.ACCEPTED, attempt.text)
        session.close()
        self.assertEqual(self.finish().delivered, 6)

    def test_only_8bit_content_needs_a_primary_with_8bitmime(self):
        self.start_sink(extensions=("PIPELINING",))
        session = sender.Session(self.cluster.frontends[0].smtp, declare_8bit=True)
        self.addCleanup(session.close)
        seven = session.send(corpus.small_message(1))
        self.oracle.saw(seven)
        self.assertEqual(seven.result, sender.ACCEPTED, seven.text)
        self.finish()
        eight = session.send(b"Subject: x\r\n\r\nperch\xe9\r\n")
        self.assertEqual(eight.result, sender.ACCEPTED, eight.text)
        self.wait_waiting(1, 10)
        wait_until(lambda: "8BITMIME" in self.cluster.ctl.run("queue", "show", eight.message_id),
                   20, "the queue names the reason")
        self.assertEqual(self.primary.count(), 1)

    def test_the_audit_adds_up_while_some_is_delivered_and_some_waits(self):
        self.start_sink()
        other = "other.test"
        self.cluster.ctl.add_domain(other, f"127.0.0.1:{ports.free_port()}")  # nobody answers
        both = (f"posta@{DOMAIN}", f"ada@{other}", f"bruno@{other}")
        sessions = [sender.Session(address) for address in self.smtp_addresses()]
        for session in sessions:
            self.addCleanup(session.close)
        # The first keep their segments from closing: two legs of each wait.
        for recipients in [both] * 10 + [both[:1]] * 20:
            for session in sessions:
                attempt = session.send(corpus.small_message(1), recipients)
                self.assertEqual(attempt.result, sender.ACCEPTED, attempt.text)
        count = len(sessions)
        wait_until(lambda: self.primary.count() >= 30 * count, 30, "delivered")
        self.wait_waiting(20 * count, 10)
        answer = self.cluster.ctl.json("audit")
        books = {row["domain"]: {key: int(legs) for key, legs in row["counts"].items() if int(legs)}
                 for row in answer["domains"]}
        self.assertEqual(books, {DOMAIN: {"accepted": 30 * count, "delivered": 30 * count},
                                 other: {"accepted": 20 * count, "waiting": 20 * count}})
        self.assertEqual((answer["gaps"], answer["unaudited_nodes"], answer["unaudited_segments"],
                          int(answer["in_flight"])), ([], [], [], 0))
        one = self.cluster.ctl.json("audit", "--domain", other)
        self.assertEqual([row["domain"] for row in one["domains"]], [other])

        victim = self.cluster.nodes[0]
        self.kill(victim)
        self.wait_waiting(20 * count, 40, without=[victim.name])
        with self.assertRaises(CtlError) as refused:  # its own disk is not audited
            self.cluster.ctl.run("audit")
        self.assertEqual(refused.exception.status, 5, refused.exception.text)
        self.assertIn(victim.name, refused.exception.text)

    def test_a_foreign_domain_is_refused_and_the_session_goes_on(self):
        self.start_sink()
        session = sender.Session(self.cluster.frontends[1].smtp)
        attempt = session.send(corpus.small_message(1), ("a@elsewhere.test",))
        self.oracle.saw(attempt)
        self.assertEqual((attempt.result, attempt.code), (sender.REFUSED, 550), attempt.text)
        self.assertTrue(attempt.text.startswith("5.7.1"), attempt.text)
        mixed = session.send(corpus.small_message(2), (f"a@{DOMAIN}", "a@elsewhere.test"))
        self.oracle.saw(mixed)
        self.assertEqual(mixed.accepted_recipients, (f"a@{DOMAIN}",))
        session.close()
        self.finish()

    def test_a_connection_that_ends_inside_the_content_leaves_nothing_behind(self):
        self.start_sink(up=False)
        smtp = sender.Session(self.cluster.frontends[2].smtp)
        accepted = smtp.send(corpus.small_message(1))
        self.oracle.saw(accepted)
        raw = smtp._smtp  # pylint: disable=protected-access
        raw.mail("ada@sender.test")
        raw.rcpt(f"posta@{DOMAIN}")
        raw.docmd("DATA")
        raw.send(b"Subject: half\r\n\r\nhalf a mess")
        raw.close()
        self.wait_waiting(1, 10)
        self.primary.up()
        wait_until(lambda: self.primary.count() >= 1, 20, "delivered")
        self.finish()


if __name__ == "__main__":
    unittest.main()
