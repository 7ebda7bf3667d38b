"""What the cluster tests share: a cluster of real processes for each test, a
primary, senders, the oracle, and the end that every scenario must reach.

Environment: FERMO_BIN (folder of the programs; default: release build, else dev
build), FERMO_SEED (of random moments and choices; printed), FERMO_KEEP=1 (leave
the directory behind; it is left behind after a failure anyway).
"""

import os
import random
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))

from fermolib import corpus, layout, ports, procs, sender  # noqa: E402
from fermolib.cluster import create  # noqa: E402
from fermolib.oracle import Oracle  # noqa: E402
from fermolib.postfix import Primary  # noqa: E402
from fermolib.sink import Sink  # noqa: E402
from fermolib.wait import NotReached, Stopwatch, wait_until  # noqa: E402,F401

DOMAIN = "example.test"


def require_programs():
    """One error for the whole file when nothing was built."""
    folder = layout.default_bin_dir()
    missing = layout.missing_programs(folder)
    if missing:
        raise RuntimeError(f"{folder} lacks {', '.join(missing)}: build first, or set FERMO_BIN")


class ClusterCase(unittest.TestCase):
    """setUp leaves self.cluster running, self.oracle, self.rng and self.directory;
    the primary is made by start_sink() or start_postfix()."""

    regions = 3
    nodes_per_region = 1
    node_options: dict = {}
    frontend_options: dict = {}

    @classmethod
    def setUpClass(cls):
        require_programs()

    def setUp(self):
        self.seed = int(os.environ.get("FERMO_SEED") or random.SystemRandom().randrange(1 << 32))
        self.rng = random.Random(self.seed)
        self.directory = tempfile.mkdtemp(prefix="fermo-test-")
        os.chmod(self.directory, 0o755)  # for user postfix
        self.addCleanup(self._clean_directory)
        self.say(f"seed {self.seed} (repeat with FERMO_SEED={self.seed})")
        plan = layout.Layout(
            os.path.join(self.directory, "cluster"), self.regions, self.nodes_per_region,
            ports.free_block(layout.Layout.ports_needed(self.regions, self.nodes_per_region)),
            self.node_options, self.frontend_options)
        self.cluster = create(plan, layout.default_bin_dir())
        self.addCleanup(self._stop_cluster)
        watch = Stopwatch()
        self.cluster.start()
        self.say(f"{len(self.cluster.processes)} processes ready after {watch.seconds():.1f} s "
                 f"({layout.default_bin_dir()})")
        self.oracle = Oracle({f"mx.{region}.fermoposta.test" for region in plan.regions})
        self.primary = None
        self.streams = []

    def say(self, text):
        print(f"  [{self.id().rsplit('.', 1)[1]}] {text}", flush=True)

    # The primary.

    def start_sink(self, up=True, port=None, **options):
        """A Sink as primary of the domain, which is added; up at once or not."""
        self.primary = Sink(os.path.join(self.directory, "sink"), port or ports.free_port(),
                            **options)
        self.addCleanup(self.primary.close)
        if up:
            self.primary.up()
        self.add_domain()

    def start_postfix(self, up=True):
        """A real Postfix as primary of the domain, which is added."""
        self.primary = Primary(os.path.join(self.directory, "primary"), ports.free_port(),
                               (DOMAIN,))
        self.addCleanup(self.primary.stop)
        if up:
            self.primary.start()
        self.add_domain()

    def add_domain(self):
        """Adds the domain; every process must have it when fermoctl returns."""
        answer = self.cluster.ctl.add_domain(DOMAIN, self.primary.address)
        connected, applied = (int(answer.get(key, 0)) for key in ("processes", "applied"))
        self.assertEqual((connected, applied),
                         (len(self.cluster.nodes) + len(self.cluster.frontends),) * 2, answer)

    # Senders.

    def smtp_addresses(self):
        return [frontend.smtp for frontend in self.cluster.frontends]

    def start_streams(self, pause=0.02, again=None, make=corpus.small_message):
        """One endless sender per frontend."""
        self.streams = [sender.Stream(self.oracle, sender.Session(address), make, pause, again)
                        for address in self.smtp_addresses()]
        for stream in self.streams:
            self.addCleanup(stream.stop)

    def stop_streams(self):
        for stream in self.streams:
            stream.stop()

    def send(self, messages, frontends=None, recipients=("posta@" + DOMAIN,)):
        """Sends round robin; every message must be accepted."""
        attempts = sender.send_all(self.oracle, frontends or self.smtp_addresses(), messages,
                                   recipients=recipients)
        for attempt in attempts:
            self.assertEqual(attempt.result, sender.ACCEPTED,
                             f"{attempt.code} {attempt.text} from {attempt.frontend}")
        return attempts

    def wait_accepted(self, count, seconds=30):
        """Until that many messages have been answered 250 in all."""
        wait_until(lambda: len(self.oracle.attempts(sender.ACCEPTED)) >= count, seconds,
                   lambda: f"{count} messages accepted; "
                           f"{len(self.oracle.attempts(sender.ACCEPTED))} so far, last replies "
                           f"{[(a.code, a.text) for a in self.oracle.attempts()[-3:]]}")

    def acceptance_gaps(self, since, seconds=30):
        """{frontend: seconds from `since` (Unix time) until the next 250 of a
        transaction begun after it}; waits until there is one of each."""
        def gaps():
            found = {}
            for attempt in self.oracle.attempts(sender.ACCEPTED):
                if attempt.started >= since:
                    found.setdefault(attempt.frontend, attempt.ended - since)
            return found if len(found) == len(self.cluster.frontends) else None
        return wait_until(gaps, seconds, lambda: "every region accepts again; last replies "
                          f"{[(a.frontend, a.code, a.text) for a in self.oracle.attempts()[-6:]]}")

    def verdict_p99(self, since, seconds, when):
        """Of all transactions begun in that span: from the final dot to the reply."""
        took = sorted(attempt.ended - attempt.dot_at for attempt in self.oracle.attempts()
                      if since - 1 <= attempt.started < since + seconds and attempt.dot_at)
        self.assertGreater(len(took), 20, "transactions that tell something")
        p99 = took[min(len(took) - 1, len(took) * 99 // 100)]
        self.say(f"final dot to reply {when}, {len(took)} times: "
                 f"p99 {p99:.3f} s, longest {took[-1]:.3f} s")
        return p99

    # Processes.

    def kill(self, process):
        """SIGKILL; returns the Unix time of it."""
        now = time.time()
        if process.role == "node":
            self.oracle.node_died(now)
        process.kill()
        return now

    def wait_waiting(self, count, seconds, without=()):
        """Until the nodes that answer together own exactly that many waiting
        legs (one recipient of one message each), the nodes named in `without`
        not being among them."""
        last = []

        def reached():
            last[:] = [self.cluster.ctl.queue_summary()]
            return last[0]["waiting"] == count and set(without) <= set(last[0]["unreachable"])
        return wait_until(reached, seconds, lambda: f"{count} waiting; {last}", 0.1)

    def wait_takeover(self, victim, killed, seconds=40):
        """Until living nodes own all that was accepted (the streams must have
        stopped); returns seconds since the kill."""
        accepted = self.oracle.accepted_legs()

        def reached():
            summary = self.cluster.ctl.queue_summary()
            return summary["waiting"] >= accepted and victim.name in summary["unreachable"]
        wait_until(reached, seconds, lambda: f"takeover of {accepted} messages; "
                   f"{self.cluster.ctl.queue_summary()}", 0.1)
        takeover = time.time() - killed
        self.say(f"takeover of {accepted} messages {takeover:.1f} s after {victim.name} was killed")
        return takeover

    # The end.

    def finish(self, seconds=60, all_up=True):
        """Waits until everything accepted has arrived and nothing waits, then
        judges. Returns the verdict, every promise of which was kept."""
        self.stop_streams()
        accepted = self.oracle.accepted_legs()
        wait_until(lambda: self.primary.count() >= accepted, seconds,
                   lambda: f"{accepted} delivered; {self.primary.count()} so far; "
                           f"{self.cluster.ctl.queue_summary()}")
        if all_up:
            self.wait_waiting(0, seconds)
        # The count may be reached by mail whose verdict was unknown.
        wait_until(lambda: not self.oracle.judge(self.primary.deliveries()).lost, seconds,
                   lambda: f"all accepted mail delivered; "
                           f"{self.oracle.judge(self.primary.deliveries()).lost[:3]} is not", 0.5)
        lost = self.primary.replies_lost() if isinstance(self.primary, Sink) else None
        verdict = self.oracle.judge(self.primary.deliveries(), lost)
        self.say(verdict.line())
        self.assertEqual(verdict.problems(), [])
        return verdict

    def _stop_cluster(self):
        killed = self.cluster.stop()
        if killed:
            self.say(f"{killed} processes ignored SIGTERM")

    def _failed(self):
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        broken = [*getattr(result, "failures", ()), *getattr(result, "errors", ())]
        return any(test is self for test, _ in broken) or not getattr(outcome, "success", True)

    def _clean_directory(self):
        if self._failed() or os.environ.get("FERMO_KEEP"):
            self.say(f"files are left in {self.directory}")
            for process in getattr(getattr(self, "cluster", None), "processes", ()):
                print(f"--- the end of {process.log}\n{procs.tail(process.log)}", flush=True)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
