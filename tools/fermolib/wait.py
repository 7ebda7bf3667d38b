"""Waiting for conditions with a deadline, instead of sleeping."""

import time


class NotReached(AssertionError):
    """A condition did not come true before its deadline."""


def wait_until(condition, seconds, what, interval=0.05):
    """Calls condition() until it returns something true, and returns that.

    Raises NotReached, naming `what`, when `seconds` have passed. `what` may be a
    function: it is called once, at the end, and can say how far things had got.
    """
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        left = end - time.monotonic()
        if left <= 0:
            text = what() if callable(what) else what
            raise NotReached(f"not within {seconds:g} s: {text}")
        time.sleep(min(interval, left))


class Stopwatch:
    """Seconds since it was made; monotonic."""

    def __init__(self):
        self.start = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.start
