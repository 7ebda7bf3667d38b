"""Distance between processes on loopback: every node is reached through a port of a
proxy, which holds each octet for as long as the line between the two is long, in either
direction. Who calls is known by the user id that owns the connection (/proc/net/tcp).

    lines = Lines({name: (uid or None, proxy port, node's port)}, milliseconds)

stands in for `tc netem`, which not every kernel has. The proxy is a process of its own,
so that its clock isn't held up by the caller's threads; it ends with the caller. A
connection whose other end dies is closed, as late as its last octet arrives.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import sys

_CHUNK = 64 * 1024
_CHUNKS_UNDER_WAY = 64  # of one direction; beyond, the sender waits
_JITTER = 0.2  # share of a line's length, drawn for every chunk


class Lines:
    """The caller's handle: slow(a, b, ms), heal(a, b), heal_all(), close()."""

    def __init__(self, nodes, milliseconds):
        self._process = subprocess.Popen([sys.executable, "-B", __file__], text=True, bufsize=1,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._tell({"nodes": nodes, "usual": milliseconds})

    def slow(self, a, b, milliseconds):
        """From now on the line between a and b is so long, each way."""
        self._tell({"line": sorted((a, b)), "milliseconds": milliseconds})

    def heal(self, a, b):
        self._tell({"line": sorted((a, b)), "milliseconds": None})

    def heal_all(self):
        self._tell({"heal": True})

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _tell(self, command):
        self._process.stdin.write(json.dumps(command) + "\n")
        if self._process.stdout.readline() != "done\n":
            raise RuntimeError(f"the proxy of the lines did not take {command}")


class _Proxy:
    """The process's side."""

    def __init__(self):
        self.usual = 0.0
        self.lines = {}  # (a, b), sorted -> seconds
        self.names = {}  # user id -> node

    async def obey(self, command):
        if "nodes" in command:
            self.usual = command["usual"] / 1000
            for name, (uid, port, target) in command["nodes"].items():
                self.names[uid] = name
                await asyncio.start_server(self.server_of(name, target), "127.0.0.1", port)
        elif "heal" in command:
            self.lines.clear()
        elif command["milliseconds"] is None:
            self.lines.pop(tuple(command["line"]), None)
        else:
            self.lines[tuple(command["line"])] = command["milliseconds"] / 1000

    def server_of(self, name, target):
        async def serve(reader, writer):
            with contextlib.suppress(asyncio.CancelledError):  # the program ends
                await self.join(name, target, reader, writer)
        return serve

    async def join(self, name, target, reader, writer):
        ends = [writer.get_extra_info(end)[1] for end in ("peername", "sockname")]
        caller = self.names.get(_owner_of(*ends))
        line = tuple(sorted((caller or "", name)))
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        ways = [asyncio.ensure_future(self.carry(line, reader, other_writer)),
                asyncio.ensure_future(self.carry(line, other_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, other_writer):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def carry(self, line, reader, writer):
        """One direction, until its source ends and the last octet has arrived."""
        queue = asyncio.Queue(_CHUNKS_UNDER_WAY)
        sender = asyncio.ensure_future(_send(queue, writer))
        loop, last = asyncio.get_running_loop(), 0.0
        try:
            data = b"-"
            while data:
                try:
                    data = await reader.read(_CHUNK)
                except OSError:
                    data = b""
                length = self.lines.get(line, self.usual) * random.uniform(1 - _JITTER, 1 + _JITTER)
                last = max(last, loop.time() + length)  # in order
                await queue.put((last, data))
            await sender
        finally:
            sender.cancel()


async def _send(queue, writer):
    loop = asyncio.get_running_loop()
    while True:
        when, data = await queue.get()
        await asyncio.sleep(when - loop.time())
        if not data:
            return
        try:
            writer.write(data)
            await writer.drain()
        except OSError:
            return


def _owner_of(source, target):
    """The user id that made the loopback connection between these ports."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            next(lines)
            for line in lines:
                fields = line.split()
                ports = [int(end.rsplit(":", 1)[1], 16) for end in fields[1:3]]
                if ports == [source, target]:
                    return int(fields[7])
    return None


async def _main():
    proxy = _Proxy()
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        await proxy.obey(json.loads(line))
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
