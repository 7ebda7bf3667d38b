"""The HTTP ports of the processes: /readyz, /livez, /metrics."""

import http.client
import re


def get(address, path, seconds=2.0):
    """(status, body text) of http://address path; (0, reason) when it fails."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def is_ready(address):
    return get(address, "/readyz")[0] == 200


_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")


def metrics(address):
    """{"name" or 'name{labels}': value} of the Prometheus text at /metrics."""
    status, body = get(address, "/metrics")
    if status != 200:
        raise RuntimeError(f"http://{address}/metrics answered {status}: {body[:200]}")
    result = {}
    for line in body.splitlines():
        match = _SAMPLE.match(line)
        if match:
            name, labels, value = match.groups()
            result[name if labels is None else f"{name}{{{labels}}}"] = float(value)
    return result
