"""What a primary got, taken apart: the id that the sender put in, our Received
field, and the octets that must equal what was sent."""

import dataclasses
import re

ID_HEADER = b"X-Fermo-Test-Id: "


@dataclasses.dataclass
class Delivery:
    """One message as one recipient's copy at a primary."""
    uid: str            # of the id header; "" when there is none
    recipient: str      # forward-path, as the primary knew it
    received: str       # our Received field, unfolded; "" when there was none
    content: bytes      # all that follows it, CRLF line ends
    when: float         # Unix time at which the primary had it
    where: str = ""     # file, for people who look


def with_id(uid, content):
    """What a sender sends: the id header on top of a message."""
    return ID_HEADER + uid.encode() + b"\r\n" + content


_UID = re.compile(rb"^" + re.escape(ID_HEADER) + rb"(\S+)\r\n", re.MULTILINE)


def split_received(octets):
    """(the Received field on top, unfolded, or "", the rest)."""
    if not octets.lower().startswith(b"received:"):
        return "", octets
    end = 0
    while True:
        end = octets.find(b"\r\n", end)
        if end < 0:
            return "", octets
        end += 2
        if octets[end:end + 1] not in (b" ", b"\t"):
            break
    field = octets[:end].decode("ascii", "replace")
    return re.sub(r"\r\n[ \t]+", " ", field).strip(), octets[end:]


def parse(octets, recipient, when, where=""):
    """A Delivery out of the octets that we handed to the primary."""
    received, content = split_received(octets)
    match = _UID.search(content[:4096])
    return Delivery(match.group(1).decode() if match else "", recipient, received, content,
                    when, where)


# RFC 5321 4.4: FROM name (address) BY domain WITH protocol ID id [FOR path]; date.
_RECEIVED = re.compile(
    r"^Received: from (?P<helo>\S+) \((?P<tcp>[^()]*\[[0-9A-Fa-f.:IPv]+\][^()]*)\) "
    r"by (?P<by>\S+)(?: \([^()]*\))? "
    r"(?:with (?P<with>\S+) id (?P<id>\S+)|id (?P<id2>\S+) with (?P<with2>\S+))"
    r"(?: for <(?P<for>[^>]+)>)?; (?P<date>.+)$")
_DATE = re.compile(r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} "
                   r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
                   r"\d\d:\d\d:\d\d [+-]\d{4}( \([A-Za-z]+\))?$")


def received_problem(field, helo, hostnames, recipients):
    """What is wrong with our Received field; "" when nothing is."""
    match = _RECEIVED.match(field)
    if not match:
        return f"not a Received field of RFC 5321 4.4: {field!r}"
    problems = []
    if match["helo"] != helo:
        problems.append(f"from {match['helo']}, not {helo}")
    if "[127.0.0.1]" not in match["tcp"]:
        problems.append(f"client address {match['tcp']}")
    if match["by"] not in hostnames:
        problems.append(f"by {match['by']}")
    if (match["with"] or match["with2"]) not in ("SMTP", "ESMTP"):
        problems.append(f"with {match['with'] or match['with2']}")
    if match["for"] and (len(recipients) != 1 or match["for"] not in recipients):
        problems.append(f"for {match['for']}")
    if not _DATE.match(match["date"]):
        problems.append(f"date {match['date']!r}")
    return "; ".join(problems)
