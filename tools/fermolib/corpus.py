"""Real messages: Debian's test e-mails, and larger ones made of real files."""

import email.message
import email.policy
import glob
import os
import re

TEST_EMAILS = "/usr/lib/python3.11/test/test_email/data/msg_*.txt"
_LARGE_FOLDERS = ("/usr/share", "/usr/lib/python3.11", "/usr/lib/postfix", "/usr/bin")
LARGE_SIZES = (100 << 10, 600 << 10, 1500 << 10, 3500 << 10)  # base64 makes 4/3 of it


def to_smtp(raw):
    """The message with CRLF line ends, or None when SMTP can't carry it: a NUL,
    a CR on its own, a line of more than 998 octets (RFC 5321 4.5.3.1.6)."""
    octets = raw.replace(b"\r\n", b"\n")
    if b"\0" in octets or b"\r" in octets or not octets:
        return None
    if not octets.endswith(b"\n"):
        octets += b"\n"
    if max(map(len, octets.split(b"\n"))) > 998:
        return None
    return octets.replace(b"\n", b"\r\n")


_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")


def has_plain_header(octets):
    """True when every line up to the first empty one is a header field or its
    continuation, and that empty line is there. Postfix puts an empty line before
    the first that isn't, so as a primary it keeps only such messages as they are."""
    head, separator, _ = octets.partition(b"\r\n\r\n")
    return bool(separator) and all(_FIELD.match(line) for line in head.split(b"\r\n"))


def test_emails(plain_headers_only=True):
    """[(name, octets)] of the test suite's messages that can be carried."""
    paths = sorted(glob.glob(TEST_EMAILS))
    if not paths:
        raise RuntimeError(f"no {TEST_EMAILS}: apt-get install libpython3.11-testsuite")
    found = []
    for path in paths:
        with open(path, "rb") as file:
            octets = to_smtp(file.read())
        if octets and (has_plain_header(octets) or not plain_headers_only):
            found.append((os.path.basename(path), octets))
    return found


def _files_near(sizes):
    """For each size the path of a real file of nearly that size (±20 %)."""
    wanted = dict.fromkeys(sizes)
    for top in _LARGE_FOLDERS:
        for folder, subfolders, names in os.walk(top):
            subfolders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                try:
                    size = os.lstat(path).st_size if not os.path.islink(path) else 0
                except OSError:
                    continue
                for want in sizes:
                    if wanted[want] is None and abs(size - want) <= want // 5:
                        wanted[want] = path
                        break
            if all(wanted.values()):
                return wanted
    return {want: path for want, path in wanted.items() if path}


def large_messages(sizes=LARGE_SIZES):
    """[(name, octets)] of messages with a real file attached, base64."""
    found = []
    for path in _files_near(sizes).values():
        with open(path, "rb") as file:
            content = file.read()
        message = email.message.EmailMessage(policy=email.policy.SMTP)
        message["From"], message["To"] = "ada@sender.test", "posta@example.test"
        message["Subject"] = f"The file {os.path.basename(path)}"
        message.set_content(f"{path} is attached.\n.\n..two dots, to see that they stay\n")
        message.add_attachment(content, maintype="application", subtype="octet-stream",
                               filename=os.path.basename(path))
        octets = to_smtp(message.as_bytes())
        if octets:
            found.append((f"{os.path.basename(path)} ({len(octets) >> 10} KiB)", octets))
    return found


def small_message(number, size=600):
    """A plain message of about `size` octets, different for each number."""
    lines = [b"From: ada@sender.test", b"To: posta@example.test",
             b"Subject: message %d" % number, b"", b".leading dot %d" % number]
    line = b"abcdefghijklmnopqrstuvwxyz0123456789 %08d" % number
    while sum(map(len, lines)) + 2 * len(lines) < size:
        lines.append(line)
    return b"\r\n".join(lines) + b"\r\n"
