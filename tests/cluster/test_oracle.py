"""The oracle itself: an oracle that can't say no proves nothing."""

import unittest

import case  # noqa: F401 (puts tools/ on the path)
from fermolib import sender
from fermolib.delivery import parse, received_problem, with_id
from fermolib.oracle import Oracle

RECEIVED = (b"Received: from client.sender.test ([127.0.0.1])\r\n"
            b"\tby mx.roma.fermoposta.test with ESMTP id 5f3a9c0e12b47d68-3-1-2a\r\n"
            b"\tfor <a@example.test>; Mon, 2 Jun 2025 10:11:12 +0000\r\n")
BODY = b"Subject: x\r\n\r\nciao\r\n"


def attempt(uid, result=sender.ACCEPTED, ended=100.0, recipients=("a@example.test",)):
    return sender.Attempt(uid, "127.0.0.1:25", recipients, with_id(uid, BODY), started=ended - 1,
                          ended=ended, result=result, accepted_recipients=recipients,
                          code=250 if result == sender.ACCEPTED else 451)


def copy(uid, when=101.0, recipient="a@example.test", body=BODY, received=RECEIVED):
    return parse(received + with_id(uid, body), recipient, when)


class OracleTest(unittest.TestCase):
    def judge(self, attempts, copies, deaths=(), lost=None):
        oracle = Oracle({"mx.roma.fermoposta.test"})
        for item in attempts:
            oracle.saw(item)
        for death in deaths:
            oracle.node_died(death)
        return oracle.judge(copies, lost)

    def test_accepted_and_delivered_once_is_well(self):
        verdict = self.judge([attempt("1"), attempt("2")], [copy("1"), copy("2")])
        self.assertEqual(verdict.problems(), [])
        self.assertEqual((verdict.accepted, verdict.delivered), (2, 2))

    def test_accepted_and_not_delivered_is_lost(self):
        self.assertEqual(len(self.judge([attempt("1")], []).lost), 1)

    def test_each_recipient_counts_for_itself(self):
        both = ("a@example.test", "b@example.test")
        plain = RECEIVED.replace(b"\tfor <a@example.test>;", b"\t;").replace(b"2a\r\n\t;", b"2a;")
        verdict = self.judge([attempt("1", recipients=both)], [copy("1", received=plain)])
        self.assertEqual(len(verdict.lost), 1)
        self.assertIn("b@example.test", verdict.lost[0])
        self.assertEqual(verdict.altered, [])

    def test_twice_without_a_reason_is_a_duplicate(self):
        verdict = self.judge([attempt("1")], [copy("1"), copy("1", 105.0)], deaths=[300.0])
        self.assertEqual(len(verdict.duplicated), 1)

    def test_d1_no_reply_and_sent_again(self):
        verdict = self.judge([attempt("1", sender.UNKNOWN), attempt("1")], [copy("1"), copy("1")])
        self.assertEqual((verdict.problems(), verdict.windows["D1"]), ([], 1))
        verdict = self.judge([attempt("1", sender.REFUSED), attempt("1")], [copy("1"), copy("1")])
        self.assertEqual(len(verdict.duplicated), 1)

    def test_d2_the_primary_withheld_its_reply(self):
        again = self.judge([attempt("1")], [copy("1")] * 3, lost={"1": 1})
        self.assertEqual(len(again.duplicated), 1)  # one lost reply explains one copy
        verdict = self.judge([attempt("1")], [copy("1"), copy("1")], lost={"1": 1})
        self.assertEqual((verdict.problems(), verdict.windows["D2"]), ([], 1))

    def test_d3_a_node_died_just_after_the_first_copy_and_only_once_a_death(self):
        copies = [copy("1", 101.0), copy("1", 115.0)]
        verdict = self.judge([attempt("1")], copies, deaths=[101.5])
        self.assertEqual((verdict.problems(), verdict.windows["D3"]), ([], 1))
        verdict = self.judge([attempt("1")], [*copies, copy("1", 116.0)], deaths=[101.5])
        self.assertEqual(len(verdict.duplicated), 1)

    def test_unknown_may_be_delivered_or_not_but_once(self):
        unknown = attempt("1", sender.UNKNOWN)
        self.assertEqual(self.judge([unknown], []).problems(), [])
        self.assertEqual(self.judge([unknown], [copy("1")]).unknown_delivered, 1)
        self.assertEqual(len(self.judge([unknown], [copy("1")] * 2).duplicated), 1)

    def test_refused_and_delivered_is_invented_and_so_is_what_nobody_sent(self):
        self.assertEqual(len(self.judge([attempt("1", sender.REFUSED)], [copy("1")]).invented), 1)
        self.assertEqual(len(self.judge([], [copy("9")]).invented), 1)
        self.assertEqual(len(self.judge([attempt("1")], [
            copy("1"), copy("1", recipient="c@example.test")]).invented), 1)

    def test_one_octet_more_or_less_is_altered(self):
        for body in (BODY + b"\r\n", BODY[:-1], BODY.replace(b"ciao", b"Ciao")):
            self.assertEqual(len(self.judge([attempt("1")], [copy("1", body=body)]).altered), 1)

    def test_a_missing_or_wrong_trace_field_is_altered(self):
        for received in (b"", RECEIVED.replace(b"mx.roma", b"mx.other"),
                         RECEIVED.replace(b"client.sender", b"x"),
                         RECEIVED.replace(b" +0000", b""), RECEIVED.replace(b"<a@", b"<b@")):
            verdict = self.judge([attempt("1")], [copy("1", received=received)])
            self.assertEqual(len(verdict.altered), 1, received)

    def test_trace_field_forms(self):
        for field in ("Received: from a.test (b.test [127.0.0.1]) by m with ESMTP id x; "
                      "Mon, 2 Jun 2025 10:11:12 +0200",
                      "Received: from a.test ([127.0.0.1]) by m (Fermoposta) with ESMTP id x "
                      "for <r@d>; Mon, 2 Jun 2025 10:11:12 +0200 (CEST)"):
            self.assertEqual(received_problem(field, "a.test", {"m"}, ("r@d",)), "")


if __name__ == "__main__":
    unittest.main()
