"""What the demo, the local cluster, the bench and the cluster tests share.

Only the Python 3.11 standard library. Nothing here talks to anything but
loopback, and nothing trusts what the programs say about themselves: senders and
primaries are independent implementations, and the oracle judges by them alone.
"""
