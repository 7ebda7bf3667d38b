"""fermoctl, run as an operator would run it, read as JSON."""

import json
import shlex

from . import procs


class CtlError(RuntimeError):
    """fermoctl refused; `text` is what it printed, `status` its exit status."""

    def __init__(self, argv, status, text):
        super().__init__(f"{shlex.join(argv)} exited with {status}: {text}")
        self.status = status
        self.text = text


class Fermoctl:
    """argv is the program with the options that name the coordinator."""

    def __init__(self, argv):
        self.argv = list(argv)

    def run(self, *words, seconds=20):
        """Standard output as text; raises CtlError on a non-zero exit."""
        argv = [*self.argv, *words]
        done = procs.run(argv, seconds, check=False)
        if done.returncode != 0:
            raise CtlError(argv, done.returncode, (done.stderr + done.stdout).strip())
        return done.stdout

    def json(self, *words, seconds=20):
        return json.loads(self.run(*words, "-o", "json", seconds=seconds) or "{}")

    def line(self, *words):
        """The command as one would type it."""
        return shlex.join([*self.argv, *words])

    def add_domain(self, name, primary):
        return self.json("domain", "add", name, "--primary", primary)

    def queue_summary(self):
        """{"waiting", "messages", "unreachable": [node names]} of all domains.

        Accepts protobuf's JSON (64-bit numbers as strings, zero fields absent).
        """
        answer = self.json("queue", "summary")
        total = answer.get("total") or {}
        return {"waiting": int(total.get("waiting", 0)),
                "messages": int(total.get("messages", 0)),
                "unreachable": pick(answer, "unreachable_nodes", [])}


def pick(mapping, name, default=None):
    """A field by its proto name, or by its lowerCamelCase JSON name."""
    if name in mapping:
        return mapping[name]
    head, *rest = name.split("_")
    return mapping.get(head + "".join(word.capitalize() for word in rest), default)
