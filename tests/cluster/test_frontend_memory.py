"""A frontend streams: its memory doesn't grow with the mail that passes."""

import threading
import unittest

from case import ClusterCase, Stopwatch
from fermolib import procs, sender

CONNECTIONS, OCTETS, LIMIT_KIB = 20, 25 << 20, 64 << 10


class FrontendMemory(ClusterCase):
    def test_twenty_connections_with_25_mib_each_stay_under_64_mib(self):
        self.start_sink(up=False)
        frontend = self.cluster.frontends[0]
        line = b"%-74d\r\n"
        content = b"Subject: large\r\n\r\n" + b"".join(
            line % number for number in range(OCTETS // 76))
        results, watch = [], Stopwatch()

        def send():
            session = sender.Session(frontend.smtp, timeout=240)
            results.append(session.send(content))
            session.close()
        threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        peak = procs.memory_kib(frontend.pid)
        nodes = [procs.memory_kib(node.pid) >> 10 for node in self.cluster.nodes]
        self.say(f"{CONNECTIONS} x {OCTETS >> 20} MiB in {watch.seconds():.1f} s; the frontend's "
                 f"memory was {peak >> 10} MiB at its highest (nodes: {nodes} MiB)")
        self.assertEqual([(r.code, r.text) for r in results if r.result != sender.ACCEPTED], [])
        self.assertLess(peak, LIMIT_KIB)


if __name__ == "__main__":
    unittest.main()
