"""The lines of the nemesis: a proxy that delays nothing would prove nothing."""

import os
import socket
import threading
import unittest

import case  # noqa: F401 (puts tools/ on the path)
from fermolib import ports
from fermolib.lines import Lines
from fermolib.wait import Stopwatch

USUAL = 50  # milliseconds; a line is never shorter than four fifths of it
LEAST = 2 * 0.8 * USUAL / 1000


class LinesTest(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", ports.free_port()))
        self.addCleanup(self.server.close)
        self.port = ports.free_port()
        lines = {"roma": (None, self.port, self.server.getsockname()[1]),
                 "bari": (os.getuid(), ports.free_port(), ports.free_port())}
        self.lines = Lines(lines, USUAL)
        self.addCleanup(self.lines.close)

    def call(self):
        """Both ends of a connection from bari to roma."""
        client = socket.create_connection(("127.0.0.1", self.port), 10)
        client.settimeout(10)
        self.addCleanup(client.close)
        server, _ = self.server.accept()
        self.addCleanup(server.close)
        return client, server

    def seconds_there_and_back(self, client, server, size=1):
        sent, watch = os.urandom(size), Stopwatch()
        sender = threading.Thread(target=client.sendall, args=(sent,))
        sender.start()
        self.assertEqual(server.recv(size, socket.MSG_WAITALL), sent)
        sender.join()
        server.sendall(b"!")
        self.assertEqual(client.recv(1), b"!")
        return watch.seconds()

    def test_each_way_takes_its_time_and_keeps_every_octet(self):
        client, server = self.call()
        self.assertGreaterEqual(self.seconds_there_and_back(client, server), LEAST)
        self.assertGreaterEqual(self.seconds_there_and_back(client, server, 20 << 20), LEAST)

    def test_only_the_slow_line_is_slow(self):
        client, server = self.call()
        self.lines.slow("roma", "bari", 10 * USUAL)
        self.assertGreaterEqual(self.seconds_there_and_back(client, server), 10 * LEAST)
        self.lines.heal("bari", "roma")
        self.assertLess(self.seconds_there_and_back(client, server), 10 * LEAST)
        self.lines.slow("roma", "pisa", 100 * USUAL)  # of another caller
        self.assertLess(self.seconds_there_and_back(client, server), 10 * LEAST)

    def test_the_last_octets_arrive_before_the_end(self):
        client, server = self.call()
        server.sendall(b"goodbye")
        server.close()
        self.assertEqual(client.recv(100, socket.MSG_WAITALL), b"goodbye")

    def test_a_dead_node_ends_the_connection(self):
        self.server.close()
        watch = Stopwatch()
        client = socket.create_connection(("127.0.0.1", self.port), 10)
        client.settimeout(10)
        self.addCleanup(client.close)
        self.assertEqual(client.recv(1), b"")
        self.assertLess(watch.seconds(), 10)


if __name__ == "__main__":
    unittest.main()
