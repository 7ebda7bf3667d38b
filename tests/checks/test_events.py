"""Every event of replication is counted from the start, and described."""

import re
import unittest

from support import ROOT

from test_docs import rows, section

LISTED = re.compile(r'^\s*\{"(\w+)", Line::k\w+\},$', re.MULTILINE)
NOTED = re.compile(r"\b(?:AddNote\(|GiveUpRepair\(|note\.what =)([^;]*);")


def listed():
    text = (ROOT / "node" / "replication" / "spool_metrics.cc").read_text()
    return LISTED.findall(text)


def noted():
    """The names that the sources give to notes."""
    names = set()
    for folder in ("lib/cluster", "node/replication"):
        for path in sorted((ROOT / folder).glob("*.cc")):
            for arguments in NOTED.findall(path.read_text()):
                names.update(re.findall(r'"(\w+)"', arguments))
    return names


class EventsTest(unittest.TestCase):
    def test_every_note_is_listed_once_and_no_other(self):
        self.assertEqual(len(listed()), len(set(listed())), listed())
        self.assertEqual(sorted(listed()), sorted(noted()))
        self.assertGreater(len(listed()), 25)

    def test_every_event_is_described_once_and_no_other(self):
        self.assertEqual(sorted(rows(section("Replication events"))), sorted(listed()))


if __name__ == "__main__":
    unittest.main()
