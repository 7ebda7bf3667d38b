"""A primary made for tests: it can be up or down, misbehave on order, and
remembers every message on disk before it says 250.

DIR/history.jsonl has one fsynced line per event; DIR/NNNNNN.eml the octets of
one message after dot-unstuffing, nothing else changed. Runs on an asyncio loop
in a thread of its own; all public methods may be called from any thread.
"""

import asyncio
import collections
import dataclasses
import json
import os
import threading
import time

from .delivery import parse

_EXTENSIONS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES")


@dataclasses.dataclass
class Fault:
    """Something that goes wrong `times` times (None: always).

    at: connect, ehlo, mail, rcpt, data, or dot (the end of the content).
    reply: what is answered then; "" closes the connection without a word.
    taken: at dot only: the message counts as delivered all the same (its reply
    is lost, window D2).
    """
    at: str
    reply: str = ""
    times: int | None = 1
    taken: bool = False


class Sink:
    """Make it, up(), down(), up() again on the same port, close()."""

    def __init__(self, directory, port, hostname="sink.example.test", extensions=_EXTENSIONS):
        self.directory = directory
        self.port = port
        self.hostname = hostname
        self.extensions = extensions
        self.most_connections = 0
        self._faults = []
        self._messages = []  # history entries of what was taken
        self._replies_lost = collections.Counter()
        self._sessions = set()
        self._server = None
        self._lock = threading.Lock()
        os.makedirs(directory, exist_ok=True)
        self._history = open(os.path.join(directory, "history.jsonl"), "a", encoding="utf-8")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def up(self):
        """Listens; returns the Unix time at which it began to."""
        self._call(self._up())
        return time.time()

    def down(self):
        """Stops listening and resets every connection, as a crash would. The
        replies that the other side hasn't shown to have seen count as lost."""
        self._call(self._down())

    def close(self):
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._history.close()

    def fail(self, fault):
        with self._lock:
            self._faults.append(fault)

    def heal(self):
        with self._lock:
            self._faults.clear()

    def count(self):
        """Messages taken, once for each recipient."""
        with self._lock:
            return sum(len(entry["recipients"]) for entry in self._messages)

    def times(self):
        """Unix times at which messages were taken, ascending."""
        with self._lock:
            return [entry["time"] for entry in self._messages]

    def replies_lost(self):
        """By id of a message, how often it was taken while its reply was withheld or
        may have been lost when the sink went down."""
        with self._lock:
            return collections.Counter(self._replies_lost)

    def deliveries(self):
        """Every message for every recipient as a Delivery, in order of arrival."""
        with self._lock:
            entries = list(self._messages)
        found = []
        for entry in entries:
            path = os.path.join(self.directory, entry["file"])
            with open(path, "rb") as file:
                octets = file.read()
            found += [parse(octets, recipient, entry["time"], path)
                      for recipient in entry["recipients"]]
        return found

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _up(self):
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port,
                                                      backlog=200, limit=1 << 20)
            self._note(event="up")

    async def _down(self):
        if self._server is not None:
            self._server.close()
            self._server = None
            for session in list(self._sessions):
                session.writer.transport.abort()
                session.dead = True
                if session.unproven:
                    self._lose_reply(session.unproven)
            self._note(event="down")

    async def _serve(self, reader, writer):
        if self._server is None:  # went down while this connection was being accepted
            writer.transport.abort()
            return
        session = _Session(self, reader, writer)
        self._sessions.add(session)
        self.most_connections = max(self.most_connections, len(self._sessions))
        try:
            await session.run()
        except (OSError, asyncio.IncompleteReadError, EOFError):
            pass
        finally:
            self._sessions.discard(session)
            writer.close()

    def _fault(self, at):
        """The fault that strikes now, used up; None mostly."""
        with self._lock:
            for fault in self._faults:
                if fault.at == at:
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times == 0:
                            self._faults.remove(fault)
                    return fault
        return None

    def _note(self, **event):
        """One line of history, on disk when this returns."""
        event = {"time": time.time(), **event}
        self._history.write(json.dumps(event) + "\n")
        self._history.flush()
        os.fsync(self._history.fileno())
        return event

    def _take(self, sender, recipients, octets, reply_lost):
        """Stores a message durably; only then it counts as delivered."""
        name = f"{len(self._messages):06d}.eml"
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        entry = self._note(event="message", file=name, sender=sender, recipients=recipients,
                           octets=len(octets), reply_lost=reply_lost)
        with self._lock:
            self._messages.append(entry)
        uid = parse(octets, "", 0).uid
        if reply_lost:
            self._lose_reply(uid)
        return uid

    def _lose_reply(self, uid):
        with self._lock:
            self._replies_lost[uid] += 1


class _Session:
    """One SMTP connection to the sink."""

    def __init__(self, sink, reader, writer):
        self.sink, self.reader, self.writer = sink, reader, writer
        self.buffer = bytearray()
        self.sender, self.recipients = None, []
        self.dead = False   # the sink went down; what is still buffered counts for nothing
        self.unproven = ""  # id of a message until the next command shows that its reply came

    async def run(self):
        if not await self._answer("connect", f"220 {self.sink.hostname} ESMTP"):
            return
        while True:
            line = (await self._until(b"\r\n")).decode("latin-1")
            verb, _, argument = line.partition(" ")
            handler = getattr(self, "_" + verb.lower(), None) if verb.isalpha() else None
            if verb.upper() not in ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP",
                                    "QUIT") or handler is None:
                await self._reply("500 5.5.2 unknown")
            elif not await handler(argument):
                return

    async def _more(self):
        chunk = await self.reader.read(1 << 18)
        if not chunk:
            raise EOFError
        self.unproven = ""
        self.buffer += chunk

    async def _until(self, end, start=0):
        """Takes and returns what comes before `end`, searched from start on."""
        searched = start
        while True:
            at = self.buffer.find(end, searched)
            if self.dead:
                raise EOFError
            if at >= 0:
                taken = bytes(self.buffer[:at])
                del self.buffer[:at + len(end)]
                return taken
            searched = max(start, len(self.buffer) - len(end) + 1)
            await self._more()

    async def _reply(self, text):
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    async def _answer(self, at, text):
        """Answers text, or what a fault says; True when the session goes on."""
        fault = self.sink._fault(at)
        if fault is None:
            await self._reply(text)
            return True
        if fault.reply:
            await self._reply(fault.reply)
        return bool(fault.reply) and not fault.reply.startswith("421")

    async def _ehlo(self, _):
        lines = [self.sink.hostname, *self.sink.extensions]
        text = "\r\n".join(f"250-{line}" for line in lines[:-1])
        return await self._answer("ehlo", f"{text}\r\n250 {lines[-1]}")

    async def _helo(self, _):
        return await self._answer("ehlo", f"250 {self.sink.hostname}")

    async def _mail(self, argument):
        self.sender, self.recipients = _path(argument), []
        return await self._answer("mail", "250 2.1.0 ok")

    async def _rcpt(self, argument):
        fault = self.sink._fault("rcpt")
        if fault is None:
            self.recipients.append(_path(argument))
            await self._reply("250 2.1.5 ok")
            return True
        if fault.reply:
            await self._reply(fault.reply)
        return bool(fault.reply) and not fault.reply.startswith("421")

    async def _data(self, _):
        if self.sender is None or not self.recipients:
            await self._reply("503 5.5.1 no recipients")
            return True
        fault = self.sink._fault("data")
        if fault is not None:
            if fault.reply:
                await self._reply(fault.reply)
            return bool(fault.reply) and not fault.reply.startswith("421")
        await self._reply("354 go ahead")
        return await self._content()

    async def _content(self):
        # The line end before the first line is the one that ended DATA.
        self.buffer[:0] = b"\r\n"
        octets = await self._until(b"\r\n.\r\n")
        octets = octets[2:] + b"\r\n" if octets else b""
        octets = octets.replace(b"\r\n.", b"\r\n")
        octets = octets[1:] if octets.startswith(b".") else octets
        fault = self.sink._fault("dot")
        if fault is None or fault.taken:
            # The client sends nothing more before it has the reply.
            self.unproven = self.sink._take(self.sender, list(self.recipients), octets,
                                            reply_lost=fault is not None)
        self.sender, self.recipients = None, []
        text = "250 2.0.0 taken" if fault is None else fault.reply
        if text:
            await self._reply(text)
        return bool(text) and not text.startswith("421")

    async def _rset(self, _):
        self.sender, self.recipients = None, []
        await self._reply("250 2.0.0 ok")
        return True

    async def _noop(self, _):
        await self._reply("250 2.0.0 ok")
        return True

    async def _quit(self, _):
        await self._reply("221 2.0.0 bye")
        return False


def _path(argument):
    """The address of "FROM:<a@b> SIZE=1"; "" for <>."""
    return argument.partition("<")[2].partition(">")[0]
