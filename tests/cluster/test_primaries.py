"""The primaries and senders themselves, without Fermoposta between them: what is
sent must come out of a real Postfix and of the sink octet for octet."""

import json
import os
import shutil
import smtplib
import tempfile
import unittest

import case
from fermolib import corpus, ports, sender
from fermolib.oracle import Oracle
from fermolib.postfix import Primary, strip_own_fields
from fermolib.sink import Fault, Sink

TRACE = (b"Received: from client.sender.test ([127.0.0.1])\r\n\tby mx.test with ESMTP id x;\r\n"
         b"\tMon, 2 Jun 2025 10:11:12 +0000\r\n")


class DirectSession(sender.Session):
    """Puts on top what a frontend would, and sends straight to a primary."""

    def send(self, content, recipients=("posta@example.test",), **options):
        attempt = super().send(content, recipients, **options)
        return attempt

    def _transaction(self, attempt, sender_path):
        kept = attempt.content
        attempt.content = TRACE + kept
        try:
            super()._transaction(attempt, sender_path)
        finally:
            attempt.content = kept


class PrimariesCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="fermo-primaries-")
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.oracle = Oracle()

    def session(self, primary):
        session = DirectSession(primary.address)
        self.addCleanup(session.close)
        return session

    def send(self, session, content, **options):
        attempt = session.send(content, **options)
        self.oracle.saw(attempt)
        return attempt


class PostfixTest(PrimariesCase):
    def setUp(self):
        super().setUp()
        self.primary = Primary(os.path.join(self.directory, "primary"), ports.free_port())
        self.addCleanup(self.primary.stop)

    def test_every_message_of_the_corpus_comes_out_as_it_went_in(self):
        self.primary.start()
        session = self.session(self.primary)
        messages = [octets for _, octets in corpus.test_emails() + corpus.large_messages()]
        self.assertGreater(len(messages), 40)
        for content in messages:
            attempt = self.send(session, content)
            self.assertEqual(attempt.result, sender.ACCEPTED, attempt.text)
        case.wait_until(lambda: self.primary.count() >= len(messages), 30, "all delivered")
        verdict = self.oracle.judge(self.primary.deliveries())
        self.assertEqual(verdict.problems(), [])
        self.assertEqual(verdict.delivered, len(messages))

    def test_it_goes_down_and_comes_up_on_the_same_port_with_its_mail(self):
        opened = self.primary.start()
        self.send(self.session(self.primary), corpus.small_message(1))
        case.wait_until(lambda: self.primary.count() == 1, 10, "delivered")
        self.primary.stop()
        with self.assertRaises(ConnectionRefusedError):
            smtplib.SMTP("127.0.0.1", self.primary.port, timeout=5)
        self.assertIsNone(self.primary.master_pid())
        self.primary.start()
        self.send(self.session(self.primary), corpus.small_message(2))
        case.wait_until(lambda: self.primary.count() == 2, 10, "delivered")
        self.assertEqual(self.oracle.judge(self.primary.deliveries()).problems(), [])
        self.assertGreater(self.primary.times()[0], opened - 1)

    def test_it_relays_nothing(self):
        self.primary.start()
        attempt = self.send(self.session(self.primary), b"x\r\n", recipients=("a@other.test",))
        self.assertEqual((attempt.result, attempt.code), (sender.REFUSED, 554))

    def test_a_foreign_field_in_front_is_not_taken_for_its_own(self):
        with self.assertRaises(ValueError):
            strip_own_fields(b"Return-Path: <a@b>\nX-Other: 1\nX-Original-To: c\nDelivered-To: c\n"
                             b"Received: from x\n\tby h (Postfix) id\n\n", "h")


class SinkTest(PrimariesCase):
    def setUp(self):
        super().setUp()
        self.sink = Sink(os.path.join(self.directory, "sink"), ports.free_port())
        self.addCleanup(self.sink.close)

    def judge(self):
        return self.oracle.judge(self.sink.deliveries(), self.sink.replies_lost())

    def test_every_message_comes_out_as_it_went_in_and_history_is_on_disk(self):
        self.sink.up()
        session = self.session(self.sink)
        messages = [octets for _, octets in corpus.test_emails(False) + corpus.large_messages()]
        messages += [b".\r\n", b"..\r\n.\r\n", b"\r\n\r\n", b"a\r\n" * 100000]
        for content in messages:
            self.assertEqual(self.send(session, content).result, sender.ACCEPTED)
        self.assertEqual(self.judge().problems(), [])
        with open(os.path.join(self.sink.directory, "history.jsonl"), encoding="utf-8") as file:
            events = [json.loads(line)["event"] for line in file]
        self.assertEqual(events, ["up"] + ["message"] * len(messages))

    def test_down_refuses_connections_and_up_again_keeps_the_port(self):
        self.sink.up()
        session = self.session(self.sink)
        self.send(session, b"1\r\n")
        self.sink.down()
        attempt = self.send(session, b"2\r\n")
        self.assertNotEqual(attempt.result, sender.ACCEPTED)
        attempt = self.send(session, b"3\r\n")
        self.assertIn("ConnectionRefused", attempt.text)
        self.sink.up()
        self.assertEqual(self.send(session, b"4\r\n").result, sender.ACCEPTED)
        self.assertEqual(self.judge().problems(), [])
        self.assertEqual(self.sink.count(), 2)

    def test_faults_strike_as_often_as_they_say(self):
        self.sink.up()
        session = self.session(self.sink)
        for at, reply in (("connect", "421 4.3.2 busy"), ("mail", "451 4.3.0 no"),
                          ("rcpt", "450 4.2.1 no"), ("data", "451 4.3.0 no"),
                          ("dot", "452 4.3.1 full"), ("dot", "421 4.3.2 bye")):
            session.close()
            self.sink.fail(Fault(at, reply))
            attempt = self.send(session, b"x\r\n")
            self.assertEqual((attempt.result, str(attempt.code)[:1]),
                             (sender.REFUSED, "0" if at == "connect" else "4"), at)
            self.assertEqual(self.send(session, b"y\r\n").result, sender.ACCEPTED, at)
        self.assertEqual(self.judge().problems(), [])

    def test_a_close_after_the_dot_is_unknown_taken_or_not(self):
        self.sink.up()
        session = self.session(self.sink)
        self.sink.fail(Fault("dot"))
        self.sink.fail(Fault("dot", taken=True))
        self.assertEqual(self.send(session, b"x\r\n").result, sender.UNKNOWN)
        self.assertEqual(self.sink.count(), 0)
        taken = self.send(session, b"y\r\n")
        self.assertEqual((taken.result, self.sink.count()), (sender.UNKNOWN, 1))
        self.assertEqual(dict(self.sink.replies_lost()), {taken.uid: 1})
        self.assertEqual(self.judge().unknown_delivered, 1)

    def test_streams_retry_with_the_same_id_and_stop_when_told(self):
        self.sink.fail(Fault("connect", "421 4.3.2 busy", times=3))
        self.sink.up()
        stream = sender.Stream(self.oracle, self.session(self.sink), corpus.small_message,
                               again=0.01, limit=5)
        case.wait_until(lambda: len(self.oracle.attempts(sender.ACCEPTED)) >= 4, 10, "accepted")
        stream.stop()
        self.assertEqual(len(self.oracle.attempts()), 5 + 3)
        self.assertEqual(len({a.uid for a in self.oracle.attempts()}), 5)


if __name__ == "__main__":
    unittest.main()
