#!/usr/bin/env python3
"""The main job of Fermoposta, told as a story on this machine.

    tools/demo.py [--keep] [--bin BINDIR] [--dir DIR]
    tools/demo.py --stop [--dir DIR]

Three regions come up; a domain is added whose primary is down; real messages are
sent to all three; the node that took one region's mail is killed and its disk
set aside; the primary (a real Postfix) comes up; every message must arrive once,
octet for octet. Exit status 0 only then, and only when every region went on
accepting within 3 s. --keep leaves cluster and primary running, --stop ends them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from fermolib import corpus, layout, ports, sender
from fermolib.cluster import Cluster, ClusterError, create
from fermolib.ctl import CtlError
from fermolib.oracle import Oracle
from fermolib.postfix import Instance, PostfixError, Primary
from fermolib.wait import NotReached, Stopwatch, wait_until

DOMAIN = "example.test"
RECIPIENT = "posta@" + DOMAIN
ACCEPT_GAP_LIMIT = 3.0   # seconds: what the project promises
TAKEOVER_LIMIT = 15.0
FIRST_DELIVERY_LIMIT = 2.0


class Story:
    """One run. Each step prints what happens, and leaves its figures in self."""

    def __init__(self, options):
        self.options = options
        self.directory = os.path.abspath(options.dir)
        self.watch = Stopwatch()
        self.cluster = self.primary = None
        self.oracle = None
        self.figures = {}

    def say(self, text):
        print(f"{self.watch.seconds():6.1f} s  {text}", flush=True)

    def also(self, text):
        print(f"          {text}", flush=True)

    def command(self, *words):
        """Shows a fermoctl command and what it answers."""
        print(f"          $ fermoctl {' '.join(words)}", flush=True)
        for line in self.cluster.ctl.run(*words).rstrip().splitlines()[:12]:
            print(f"            {line}", flush=True)

    def tell(self):
        self.regions_come_up()
        self.domain_is_added()
        self.mail_is_sent()
        self.node_is_killed()
        self.primary_comes_up()
        return self.verdict()

    def regions_come_up(self):
        self.say("Three regions come up: one node and one SMTP frontend each, one coordinator.")
        plan = layout.Layout(os.path.join(self.directory, "cluster"), 3, 1,
                             ports.free_block(layout.Layout.ports_needed(3, 1)))
        self.oracle = Oracle({f"mx.{region}.fermoposta.test" for region in plan.regions})
        self.cluster = create(plan, os.path.abspath(self.options.bin or
                                                    layout.default_bin_dir()))
        # Where user postfix can read, wherever this tree lies.
        home = tempfile.mkdtemp(prefix="fermo-primary-")
        os.chmod(home, 0o755)
        note(self.directory, primary=home)
        self.primary = Primary(home, ports.free_port(), (DOMAIN,))
        self.cluster.start()
        self.primary.prepare()
        for frontend in self.cluster.frontends:
            self.also(f"{frontend.region:<8} takes mail at {frontend.smtp}")
        self.say(f"All {len(self.cluster.processes)} processes are ready.")

    def domain_is_added(self):
        self.say(f"{DOMAIN} is added. Its primary, {self.primary.address}, is down.")
        self.command("domain", "add", DOMAIN, "--primary", self.primary.address)

    def mail_is_sent(self):
        emails, large = corpus.test_emails(), corpus.large_messages()
        messages = [octets for _, octets in emails + large]
        total = sum(map(len, messages)) / 2**20
        self.say(f"{len(messages)} real messages are sent by SMTP to each of the three frontends:")
        self.also(f"{len(emails)} e-mails of Debian's libpython3.11-testsuite, and "
                  f"{len(large)} with files attached: {', '.join(name for name, _ in large)}")
        lanes = [frontend.smtp for frontend in self.cluster.frontends]
        watch = Stopwatch()
        repeated = [content for content in messages for _ in lanes]
        attempts = sender.send_all(self.oracle, lanes, repeated)
        refused = [a for a in attempts if a.result != sender.ACCEPTED]
        if refused:
            raise ClusterError(f"{len(refused)} messages were not accepted, such as: "
                               f"{refused[0].code} {refused[0].text} from {refused[0].frontend}")
        self.say(f"{len(attempts)} messages, {3 * total:.0f} MiB, answered 250 in "
                 f"{watch.seconds():.1f} s: each is on disk in two regions.")
        self.wait_waiting(len(attempts), 15)
        self.command("queue", "summary")

    def wait_waiting(self, count, seconds, without=()):
        """Until living nodes own that many waiting messages; `without` are the
        nodes that must not be among those that answer."""
        last = [None]

        def reached():
            last[0] = self.cluster.ctl.queue_summary()
            return last[0]["waiting"] >= count and set(without) <= set(last[0]["unreachable"])
        wait_until(reached, seconds,
                   lambda: f"{count} messages waiting at living nodes; {last[0]}", 0.1)

    def node_is_killed(self):
        victim = self.cluster.nodes[0]
        streams = [sender.Stream(self.oracle, sender.Session(frontend.smtp),
                                 corpus.small_message, pause=0.05)
                   for frontend in self.cluster.frontends]
        try:
            before = len(self.oracle.attempts(sender.ACCEPTED))
            wait_until(lambda: len(self.oracle.attempts(sender.ACCEPTED)) >= before + 15, 20,
                       "small messages flow in every region")
            killed = time.time()
            self.oracle.node_died(killed)
            victim.kill()
            aside = victim.data + ".set-aside"
            os.rename(victim.data, aside)
            self.say(f"Node {victim.name}, which took {victim.region}'s mail, is killed with "
                     f"SIGKILL while mail flows;")
            self.also(f"its disk is set aside ({shown(aside)}).")
            self._await_acceptance(killed)
        finally:
            for stream in streams:
                stream.stop()
        accepted = self.oracle.accepted_legs()
        self.wait_waiting(accepted, 40, without=[victim.name])
        self.figures["takeover"] = time.time() - killed
        self.say(f"The survivors have taken over: all {accepted} accepted messages wait at living "
                 f"nodes, {self.figures['takeover']:.1f} s after the kill.")
        self.command("node", "list")

    def _await_acceptance(self, killed):
        regions = {frontend.smtp: frontend.region for frontend in self.cluster.frontends}
        gaps = {}

        def all_accept():
            for attempt in self.oracle.attempts(sender.ACCEPTED):
                if attempt.started >= killed:
                    gaps.setdefault(regions[attempt.frontend], attempt.ended - killed)
            return len(gaps) == len(regions)
        wait_until(all_accept, 30, lambda: f"every region accepts mail again; only {gaps}")
        self.figures["gap"] = max(gaps.values())
        text = ", ".join(f"{region} {gaps[region]:.2f} s" for region in regions.values())
        self.say(f"Mail goes on being accepted; the next 250 after the kill: {text}.")

    def primary_comes_up(self):
        self.say("The primary comes up: a real Postfix with a Maildir.")
        opened = self.primary.start()
        accepted = len(self.oracle.attempts(sender.ACCEPTED))
        try:
            wait_until(lambda: self.primary.count() >= accepted, 60,
                       lambda: f"{accepted} messages delivered; {self.primary.count()} are", 0.02)
            wait_until(lambda: self.cluster.ctl.queue_summary()["waiting"] == 0, 30,
                       "queue summary shows nothing waiting", 0.1)
            wait_until(lambda: not self.oracle.judge(self.primary.deliveries()).lost, 30,
                       "every accepted message is in the Maildir", 0.2)
        except NotReached as late:
            self.say(f"Not well: {late}")
        times = self.primary.times()
        if times:
            self.figures["first"], self.figures["last"] = times[0] - opened, times[-1] - opened
        self.say(f"{len(times)} messages are in its Maildir.")
        self.command("queue", "summary")

    def verdict(self):
        verdict = self.oracle.judge(self.primary.deliveries())
        duplicated = len(verdict.duplicated) + sum(verdict.windows.values())
        figures = self.figures
        print("\nVerdict")
        rows = [("accepted", verdict.accepted), ("delivered", verdict.delivered),
                ("lost", len(verdict.lost)), ("duplicated", duplicated),
                ("changed by one octet or more", len(verdict.altered)),
                ("refused, yet delivered", len(verdict.invented)),
                ("no reply seen (of these delivered)",
                 f"{verdict.unknown} ({verdict.unknown_delivered})"),
                (f"accepting again after the kill, worst region (limit {ACCEPT_GAP_LIMIT:g})",
                 f"{figures['gap']:.2f} s"),
                (f"takeover (limit {TAKEOVER_LIMIT:g})", f"{figures['takeover']:.1f} s"),
                (f"primary up to first delivery (limit {FIRST_DELIVERY_LIMIT:g})",
                 f"{figures['first']:.2f} s" if "first" in figures else "never"),
                ("primary up to last delivery",
                 f"{figures['last']:.2f} s" if "last" in figures else "never")]
        for name, value in rows:
            print(f"  {name:<62} {value}")
        for problem in verdict.problems():
            print(f"  ! {problem}")
        in_time = (figures["gap"] <= ACCEPT_GAP_LIMIT and figures["takeover"] <= TAKEOVER_LIMIT
                   and figures.get("first", 1e9) <= FIRST_DELIVERY_LIMIT)
        well = not verdict.problems() and duplicated == 0
        if not well:
            print("\nNot every message arrived exactly once and unchanged.")
        elif not in_time:
            print("\nEvery message arrived once, octet for octet; but a time limit was missed.")
        else:
            print("\nEvery message arrived once, octet for octet.")
        return well and figures["gap"] <= ACCEPT_GAP_LIMIT

    def how_to_look_around(self):
        ctl = self.cluster.ctl
        stop = f"{shown(__file__)} --stop --dir {shown(self.directory)}"
        print("\nThe cluster and its primary stay up. Look around:")
        for line in (ctl.line("cluster", "status"), ctl.line("domain", "show", DOMAIN),
                     ctl.line("queue", "list"),
                     f"curl http://{self.cluster.nodes[1].http}/metrics",
                     f"ls {self.primary.maildir}",
                     f"/usr/sbin/smtp-source -f you@sender.test -t {RECIPIENT} "
                     f"{self.cluster.frontends[1].smtp}"):
            print(f"  {line}")
        print(f"Stop everything:\n  {stop}")


def shown(path):
    """A path for the command line of whoever called ./dev."""
    return os.path.relpath(path, layout.caller_path("."))


def note(directory, **values):
    """Remembers for --stop where things are."""
    with open(os.path.join(directory, "demo.json"), "w", encoding="utf-8") as file:
        json.dump(values, file)


def stop(directory):
    """Stops what a demo left in the directory; returns whether it found one."""
    found = False
    try:
        cluster = Cluster(os.path.join(directory, "cluster"))
        found = bool(cluster.running())
        cluster.stop(term_seconds=5)
    except ClusterError:
        pass
    try:
        with open(os.path.join(directory, "demo.json"), encoding="utf-8") as file:
            home = json.load(file)["primary"]
    except FileNotFoundError:
        return found
    found = Instance.stop_in(home) or found
    shutil.rmtree(home, ignore_errors=True)
    os.remove(os.path.join(directory, "demo.json"))
    return found


def parse(arguments):
    parser = argparse.ArgumentParser(description="The main job of Fermoposta, told as a story.")
    parser.add_argument("--keep", action="store_true", help="leave cluster and primary running")
    parser.add_argument("--stop", action="store_true", help="stop what --keep left")
    parser.add_argument("--bin", help="folder of the programs (default: FERMO_BIN, else the "
                                      "release build, else the dev build)")
    parser.add_argument("--dir", type=layout.caller_path,
                        default=os.path.join(layout.repository(), "build", "demo"),
                        help="default: build/demo")
    return parser.parse_args(arguments)


def run(options):
    directory = os.path.abspath(options.dir)
    if os.path.exists(os.path.join(directory, "cluster", "cluster.json")):
        if Cluster(os.path.join(directory, "cluster")).running():
            raise ClusterError(f"an earlier demo still runs in {directory}: stop it with "
                               f"{shown(__file__)} --stop --dir {shown(directory)}")
        stop(directory)
        shutil.rmtree(directory)
    os.makedirs(directory, exist_ok=True)
    story = Story(options)
    well = keep = False
    try:
        well = story.tell()
        keep = options.keep
        if keep:
            story.how_to_look_around()
    finally:
        if not keep:
            stop(directory)
        if well and not keep:
            shutil.rmtree(directory, ignore_errors=True)
        elif not well:
            print(f"The files of the cluster are left in {directory}; each process logs to "
                  f"{os.path.join(directory, 'cluster', 'log')}.", file=sys.stderr)
    return well


def main(arguments=None):
    options = parse(arguments)
    try:
        if options.stop:
            print("stopped" if stop(os.path.abspath(options.dir)) else "nothing was running")
            return 0
        return 0 if run(options) else 1
    except (ClusterError, CtlError, PostfixError, NotReached, RuntimeError,
            subprocess.TimeoutExpired) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
