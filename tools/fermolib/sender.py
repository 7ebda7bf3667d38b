"""Independent SMTP senders (Python's smtplib) that remember what they saw.

Each transaction ends as one of three: accepted (250 to the final dot), refused
(any other final reply), unknown (no reply after some of the content and perhaps
the dot had gone out, or 451 4.4.2, with which the frontend says the same).
Trouble before the content is "refused" too: nothing can have been taken.
"""

import dataclasses
import re
import smtplib
import threading
import time
import uuid

from .delivery import with_id

HELO = "client.sender.test"
ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"


@dataclasses.dataclass
class Attempt:
    """One transaction, as its sender saw it. Times are Unix times."""
    uid: str
    frontend: str
    recipients: tuple
    content: bytes           # what was sent, id header and all, without dot-stuffing
    started: float = 0.0
    dot_at: float = 0.0      # all content was handed to the system
    ended: float = 0.0
    result: str = REFUSED
    code: int = 0            # of the last reply; 0 when there was none
    text: str = ""
    accepted_recipients: tuple = ()

    @property
    def message_id(self):
        """The id that `250 2.0.0` named, or ""."""
        match = re.search(r"\b[0-9a-f]{16}-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+\b", self.text)
        return match.group(0) if match else ""


class Session:
    """One connection to one frontend; opened when needed, kept, never shared."""

    def __init__(self, frontend, helo=HELO, timeout=60, declare_8bit=False):
        """declare_8bit: say BODY=8BITMIME for 7-bit content, too."""
        self.frontend = frontend
        self.helo = helo
        self.timeout = timeout
        self.declare_8bit = declare_8bit
        self._smtp = None

    def close(self):
        if self._smtp is not None:
            try:
                self._smtp.quit()
            except (OSError, smtplib.SMTPException):
                pass
            self._smtp = None

    def send(self, content, recipients=("posta@example.test",), sender="ada@sender.test",
             uid=None):
        """One message in one transaction; never raises for what the other side does."""
        uid = uid or uuid.uuid4().hex
        attempt = Attempt(uid, self.frontend, tuple(recipients), with_id(uid, content),
                          started=time.time())
        try:
            self._transaction(attempt, sender)
        except (OSError, smtplib.SMTPException) as error:
            attempt.text = attempt.text or f"{type(error).__name__}: {error}"
            self._drop()
        attempt.ended = time.time()
        return attempt

    def _drop(self):
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _connect(self):
        host, port = self.frontend.rsplit(":", 1)
        smtp = smtplib.SMTP(local_hostname=self.helo, timeout=self.timeout)
        code, text = smtp.connect(host, int(port))
        if code != 220:
            smtp.close()
            raise smtplib.SMTPConnectError(code, text)
        smtp.ehlo_or_helo_if_needed()
        self._smtp = smtp

    def _transaction(self, attempt, sender):
        if self._smtp is None:
            self._connect()
        smtp = self._smtp
        options = []
        eight_bit = self.declare_8bit or not attempt.content.isascii()
        if eight_bit and smtp.has_extn("8bitmime"):
            options.append("BODY=8BITMIME")
        if smtp.has_extn("size"):
            options.append(f"SIZE={len(attempt.content)}")
        if not self._step(attempt, smtp.mail(sender, options), 250):
            return
        taken = []
        for recipient in attempt.recipients:
            if self._note(attempt, smtp.rcpt(recipient)) in (250, 251):
                taken.append(recipient)
        attempt.accepted_recipients = tuple(taken)
        if not taken:
            self._reset()
            return
        if not self._step(attempt, smtp.docmd("DATA"), 354):
            return
        attempt.result, attempt.code, attempt.text = UNKNOWN, 0, ""
        smtp.send(_dot_stuff(attempt.content))
        attempt.dot_at = time.time()
        code = self._note(attempt, smtp.getreply())
        if code <= 0:
            raise smtplib.SMTPServerDisconnected("no reply to the final dot")
        attempt.result = ACCEPTED if code == 250 else REFUSED
        if attempt.text.startswith("4.4.2"):
            attempt.result = UNKNOWN  # the server doesn't know itself (design: window D1)
        if code == 421:
            self._drop()

    def _step(self, attempt, reply, wanted):
        if self._note(attempt, reply) == wanted:
            return True
        self._reset()
        return False

    def _note(self, attempt, reply):
        attempt.code = reply[0]
        attempt.text = reply[1].decode("ascii", "replace")
        return reply[0]

    def _reset(self):
        """After a refusal; some servers hang up after it."""
        try:
            self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()


def _dot_stuff(content):
    """The content as it goes over the wire, with the line that ends it."""
    return re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"


class Stream(threading.Thread):
    """Sends one message after another over one session until it is stopped.

    make(number) gives the content; `pause` seconds lie between two messages. An
    attempt that wasn't accepted is tried again with the same id after `again`
    seconds when that is set (as a real sender would; see D1), else given up.
    """

    def __init__(self, oracle, session, make, pause=0.0, again=None, limit=None,
                 recipients=("posta@example.test",)):
        super().__init__(daemon=True)
        self.oracle, self.session = oracle, session
        self.make, self.pause, self.again, self.limit = make, pause, again, limit
        self.recipients = recipients
        self._stop_asked = threading.Event()
        self.start()

    def run(self):
        number = 0
        while not self._stop_asked.is_set() and (self.limit is None or number < self.limit):
            content, uid = self.make(number), uuid.uuid4().hex
            number += 1
            while True:
                attempt = self.session.send(content, self.recipients, uid=uid)
                self.oracle.saw(attempt)
                if attempt.result == ACCEPTED or self.again is None:
                    break
                if self._stop_asked.wait(self.again):
                    break
            self._stop_asked.wait(self.pause if attempt.result == ACCEPTED
                                  else max(self.pause, 0.02))
        self.session.close()

    def stop(self, seconds=90):
        """Asks it to stop, and waits until its last transaction has ended."""
        self._stop_asked.set()
        self.join(seconds)
        if self.is_alive():
            raise AssertionError(f"sender to {self.session.frontend} still waits for a reply "
                                 f"after {seconds} s")


def send_all(oracle, frontends, messages, sessions_each=1, recipients=("posta@example.test",)):
    """Sends the messages round robin over the frontends; returns the attempts."""
    lanes = [Lane(oracle, frontend, recipients) for frontend in frontends
             for _ in range(sessions_each)]
    for index, content in enumerate(messages):
        lanes[index % len(lanes)].messages.append(content)
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return [attempt for lane in lanes for attempt in lane.attempts]


class Lane(threading.Thread):
    """A list of messages over one connection."""

    def __init__(self, oracle, frontend, recipients):
        super().__init__(daemon=True)
        self.oracle, self.recipients = oracle, recipients
        self.session = Session(frontend)
        self.messages, self.attempts = [], []

    def run(self):
        for content in self.messages:
            attempt = self.session.send(content, self.recipients)
            self.oracle.saw(attempt)
            self.attempts.append(attempt)
        self.session.close()
