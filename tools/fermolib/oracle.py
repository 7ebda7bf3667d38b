"""The judge: what senders saw against what primaries got. It never asks the
system under test.

For every message and recipient:
- an accepted transaction is delivered exactly once: never zero times;
- one without a reply (unknown) may be delivered once, or not;
- a refused one is never delivered;
- what was never sent isn't delivered, and no octet differs from what was sent.
More deliveries than that are duplicates. One that falls into a named window is
counted there, any other fails:
  D1 the sender saw no 250 and sent the message again;
  D2 the primary took the message, but its reply was lost;
  D3 a node died (or was stopped or cut off) about when the first copy was delivered.
"""

import collections
import dataclasses
import json
import os
import threading

from . import sender
from .delivery import received_problem

# A node that dies has told nobody of deliveries of about this last span; and the
# primary may note one a little after the death.
_D3_BEFORE, _D3_AFTER = 3.0, 1.0


@dataclasses.dataclass
class Verdict:
    """Counts are of legs: one recipient of one message each."""
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    delivered: int = 0               # accepted legs that arrived
    unknown_delivered: int = 0
    lost: list = dataclasses.field(default_factory=list)
    duplicated: list = dataclasses.field(default_factory=list)   # explained by no window
    windows: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    invented: list = dataclasses.field(default_factory=list)     # never sent, or refused
    altered: list = dataclasses.field(default_factory=list)      # octets or trace field

    def problems(self):
        """Sentences; empty when every promise was kept."""
        found = []
        for word, items in (("lost", self.lost), ("duplicated", self.duplicated),
                            ("invented", self.invented), ("altered", self.altered)):
            if items:
                shown = "; ".join(map(str, items[:5]))
                found.append(f"{len(items)} {word}: {shown}{' ...' if items[5:] else ''}")
        return found

    def line(self):
        windows = "".join(f", {count} in window {name}"
                          for name, count in sorted(self.windows.items()))
        return (f"accepted {self.accepted}, refused {self.refused}, unknown {self.unknown}; "
                f"delivered {self.delivered} (+{self.unknown_delivered} of the unknown), "
                f"lost {len(self.lost)}, duplicated {len(self.duplicated)}{windows}, "
                f"invented {len(self.invented)}, altered {len(self.altered)}")


class Oracle:
    """Collects attempts from any thread, and judges at the end."""

    def __init__(self, hostnames=None, history=None):
        """hostnames: what `by` of our Received field may name; None: anything.
        history: a file that gets one fsynced JSON line per attempt."""
        self._lock = threading.Lock()
        self._attempts = collections.defaultdict(list)
        self._deaths = []
        self._hostnames = hostnames
        self._history = open(history, "a", encoding="utf-8") if history else None

    def saw(self, attempt):
        with self._lock:
            self._attempts[attempt.uid].append(attempt)
            if self._history:
                seen = {key: value for key, value in vars(attempt).items() if key != "content"}
                self._history.write(json.dumps(seen) + "\n")
                self._history.flush()
                os.fsync(self._history.fileno())

    def node_died(self, when):
        """A node was killed, stopped or cut off at this Unix time."""
        with self._lock:
            self._deaths.append(when)

    def attempts(self, result=None):
        """All attempts so far, or those with this result, in order of their end."""
        with self._lock:
            found = [attempt for attempts in self._attempts.values() for attempt in attempts
                     if result in (None, attempt.result)]
        return sorted(found, key=lambda attempt: attempt.ended)

    def accepted_legs(self):
        return sum(len(attempt.accepted_recipients)
                   for attempt in self.attempts(sender.ACCEPTED))

    def judge(self, deliveries, replies_lost=None):
        """Verdict on all deliveries so far. replies_lost: by message id, how many times the
        primary took it and its reply was withheld."""
        verdict = Verdict()
        arrived = collections.defaultdict(list)
        for delivery in deliveries:
            arrived[(delivery.uid, delivery.recipient.lower())].append(delivery)
        with self._lock:
            attempts_by_uid = dict(self._attempts)
        for uid, attempts in attempts_by_uid.items():
            for recipient in dict.fromkeys(r for a in attempts for r in a.recipients):
                copies = arrived.pop((uid, recipient.lower()), [])
                self._judge_leg(verdict, attempts, recipient, copies,
                                (replies_lost or {}).get(uid, 0))
        for copies in arrived.values():
            verdict.invented += [f"never sent: {copy.uid or copy.content[:80]!r} for "
                                 f"{copy.recipient} ({copy.where})" for copy in copies]
        return verdict

    def _judge_leg(self, verdict, attempts, recipient, copies, replies_lost):
        mine = [attempt for attempt in attempts
                if recipient in attempt.accepted_recipients]
        took = sum(attempt.result == sender.ACCEPTED for attempt in mine)
        unsure = sum(attempt.result == sender.UNKNOWN for attempt in mine)
        verdict.accepted += took
        verdict.unknown += unsure
        verdict.refused += len(attempts) - took - unsure
        name = f"{attempts[-1].uid} ({attempts[-1].message_id or 'no id'}) for {recipient}"
        for copy in copies:
            self._compare(verdict, name, attempts, copy)
        if not took and not unsure:
            if copies:
                verdict.invented.append(f"{name}: refused with {attempts[-1].code} "
                                        f"{attempts[-1].text!r}, yet delivered")
            return
        if took and not copies:
            verdict.lost.append(name)
        verdict.delivered += min(took, len(copies))
        verdict.unknown_delivered += min(unsure, max(0, len(copies) - took))
        extra = len(copies) - max(1, took)
        if extra > 0:
            window = self._window(copies, extra, took + unsure, replies_lost)
            if window:
                verdict.windows[window] += extra
            else:
                moments = ", ".join(f"{copy.when:.3f}" for copy in copies)
                verdict.duplicated.append(f"{name}, {len(copies)} times, at {moments}")

    def _window(self, copies, extra, possible, replies_lost):
        if len(copies) <= possible:
            return "D1"
        if len(copies) <= possible + replies_lost:
            return "D2"
        first = min(copy.when for copy in copies)
        deaths = sum(first - _D3_AFTER <= death <= first + _D3_BEFORE for death in self._deaths)
        return "D3" if 0 < extra <= deaths else None

    def _compare(self, verdict, name, attempts, copy):
        sent = attempts[0].content
        if copy.content != sent:
            at = next((index for index, pair in enumerate(zip(copy.content, sent))
                       if pair[0] != pair[1]), min(len(sent), len(copy.content)))
            verdict.altered.append(
                f"{name}: {len(sent)} octets sent, {len(copy.content)} delivered, the first "
                f"difference at {at}: {sent[at - 20:at + 20]!r} became "
                f"{copy.content[at - 20:at + 20]!r} ({copy.where})")
        problem = received_problem(copy.received, sender.HELO,
                                   self._hostnames or _Anything(),
                                   copy_recipients(attempts))
        if problem:
            verdict.altered.append(f"{name}: our trace field: {problem}")


def copy_recipients(attempts):
    """The recipients that the frontend took, of which `for` may name a single one."""
    return next((a.accepted_recipients for a in attempts if a.accepted_recipients), ())


class _Anything:
    """Contains whatever is asked for."""

    def __contains__(self, item):
        return True
