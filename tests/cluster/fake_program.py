#!/usr/bin/python3
"""Stands in for any of the programs, so that localcluster itself can be tested:
reads --config, answers /readyz, and dies at once when its config says so."""

import http.server
import signal
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802 (the name is the library's)
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_):
        pass


def main():
    if "--config" not in sys.argv:
        return
    with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as file:
        config = dict(line.strip().split(": ", 1) for line in file if ": " in line)
    if config["name"].strip('"') == "roma-2":
        print("roma-2 cannot start: its disk is on fire", flush=True)
        sys.exit(3)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(config["http_listen"].strip('"').rsplit(":", 1)[1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
