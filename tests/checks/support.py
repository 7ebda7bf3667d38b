"""Small trees for the tests of the checks."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from checks import tree  # noqa: E402


def files(**texts):
    """A tree from {path: text}."""
    return [tree.File(path, text) for path, text in sorted(texts.items())]


def found(check, texts):
    """What a check says about a tree given as {path: text}, as `path:line: text` strings."""
    return [str(problem) for problem in check(files(**texts))]


class CheckCase(unittest.TestCase):
    def assert_clean(self, check, texts):
        self.assertEqual(found(check, texts), [])

    def assert_problem(self, check, texts, *parts):
        """Exactly one problem, and it contains each part."""
        problems = found(check, texts)
        self.assertEqual(len(problems), 1, problems)
        for part in parts:
            self.assertIn(part, problems[0])


def run_tool(name, texts):
    """Runs tools/NAME on a real folder with these files; (status, output)."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in texts.items():
            target = pathlib.Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        command = [sys.executable, str(ROOT / "tools" / name), folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr
