"""docs/operations.md names every metric and every configuration key, and no other."""

import re
import unittest

from support import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
MADE = re.compile(r'\bMake(?:Counter|Gauge|Histogram)\(\s*(?:"(\w+)"|(k\w+))')
CONSTANT = re.compile(r'\bconstexpr char (k\w+)\[\] = "(\w+)";')


def section(title, level="##"):
    """The text under a heading, up to the next one of its level or higher."""
    found = re.search(rf"^{level} {re.escape(title)}\n(.*?)(?=^#{{2,{len(level)}}} |\Z)",
                      OPERATIONS, re.MULTILINE | re.DOTALL)
    return found.group(1)


def rows(text):
    """The names in backquotes of the first cell of each row."""
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def metrics_of_the_code():
    names = set()
    for folder in ("lib", "node", "coordinator", "smtp-frontend"):
        for path in sorted((ROOT / folder).rglob("*.cc")):
            text = path.read_text()
            constants = dict(CONSTANT.findall(text))
            for literal, constant in MADE.findall(text):
                names.add(literal or constants.get(constant, constant))
    return names


def keys_of(message, messages):
    for kind, name in messages[message]:
        if kind in messages:
            yield from (f"{name}.{key}" for key in keys_of(kind, messages))
        else:
            yield name


def config_messages():
    text = (ROOT / "proto" / "fermoposta" / "v1" / "config.proto").read_text()
    bodies = re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {name: re.findall(r"^\s*(?:repeated )?(\w+) (\w+) = \d+;", body, re.MULTILINE)
            for name, body in bodies}


class OperationsPageTest(unittest.TestCase):
    def test_every_metric_is_described_once_and_no_other(self):
        listed = [name for name in rows(section("Metrics")) if not name.startswith("process_")]
        self.assertEqual(len(listed), len(set(listed)), listed)
        self.assertEqual(sorted(listed), sorted(metrics_of_the_code()))

    def test_every_configuration_key_is_described_and_no_other(self):
        messages = config_messages()
        for title, message in [("Node", "NodeConfig"), ("Frontend", "FrontendConfig"),
                               ("Coordinator", "CoordinatorConfig")]:
            part = section("Configuration").partition(f"### {title}\n")[2].partition("\n### ")[0]
            with self.subTest(page=title):
                self.assertEqual(sorted(rows(part)), sorted(keys_of(message, messages)))

    def test_every_smtp_reply_code_of_the_session_is_described(self):
        described = set(re.findall(r"\b\d{3} \d\.\d\.\d\b", section("What a sender sees")))
        said = set()
        for folder in ("lib/smtp", "smtp-frontend"):
            for path in sorted((ROOT / folder).glob("*.cc")):
                for code, *enhanced in re.findall(
                        r"MakeReply\(\s*(\d+), \{(\d), (\d), (\d)\}", path.read_text()):
                    if code[0] in "45":
                        said.add(f"{code} {'.'.join(enhanced)}")
        self.assertLessEqual(said, described)
        self.assertGreater(len(said), 15)


if __name__ == "__main__":
    unittest.main()
