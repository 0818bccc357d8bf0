#!/usr/bin/env python3
"""Holds many connections that send one byte of a header a second, for ever, while others vote.

Every vote must be acknowledged and counted, none refused and no voter's connection lost. Slow
connections that the node closes come back at once.

    checks/slow_clients.py                  1,000 of them for 70 s: longer than a request may take
    checks/slow_clients.py --slow 20000"""

import contextlib
import random
import resource
import selectors
import socket
import threading
import time

from rig import counts
from rig.load import CONTEST, voters
from rig.node import Node
from rig.options import bug, parser
from rig.verdict import CouldNotCheck, Red, folder, run, say

HEAD = b"POST /v1/contests/tv-series/ballots HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"z" * 4096


def parse():
    options = parser(__doc__)
    options.add_argument(
        "--slow", type=int, default=1_000, metavar="N", help="slow connections [1000]"
    )
    options.add_argument(
        "--seconds", type=int, default=70, metavar="N", help="how long they stay [70]"
    )
    options.add_argument(
        "--seed",
        type=int,
        default=random.randrange(2**32),
        metavar="N",
        help="of the votes [drawn, and printed]",
    )
    return options.parse_args()


class Slow(threading.Thread):
    """The slow connections, all in one thread."""

    def __init__(self, address, count):
        super().__init__(daemon=True)
        self.address = address
        self.count = count
        self.held = self.closed = 0
        self.enough = threading.Event()

    def run(self):
        with contextlib.ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            while not self.enough.is_set():
                round_began = time.monotonic()
                self.fill(selector)
                # Before a look at who was closed: those come back in the next round.
                self.held = len(selector.get_map())
                for key in list(selector.get_map().values()):
                    self.send_a_byte(selector, key)
                self.enough.wait(max(0.0, round_began + 1 - time.monotonic()))
            for key in list(selector.get_map().values()):
                key.fileobj.close()

    def fill(self, selector):
        while len(selector.get_map()) < self.count and not self.enough.is_set():
            try:
                one = socket.create_connection(self.address, timeout=1)
            except OSError:
                return
            one.setblocking(False)
            # With how many bytes it has sent.
            selector.register(one, selectors.EVENT_READ, [0])

    def send_a_byte(self, selector, key):
        sent = key.data[0]
        try:
            key.fileobj.send(HEAD[sent : sent + 1])
            key.data[0] += 1
            with contextlib.suppress(BlockingIOError):
                # A farewell or the end: either way it is over.
                key.fileobj.recv(1024)
                raise ConnectionError
        except BlockingIOError:
            pass
        except OSError:
            self.closed += 1
            selector.unregister(key.fileobj)
            key.fileobj.close()


def check(options):
    say(f"{options.slow:,} slow connections, seed {options.seed}")
    files = options.slow + 1_000
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit[1] != resource.RLIM_INFINITY and limit[1] < files:
        raise CouldNotCheck(f"{files:,} files may not be open here: ulimit -n is {limit[1]:,}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, limit[1]))
    variables = bug(options)
    with folder() as home:
        with Node(options.binary, home, data=home / "data", variables=variables) as node:
            node.until_ready()
            with voters(options.binary, home, node.url, options.seed, 32, "0", "0") as load:
                load.until_taken_by(node)
                alone = rate(node, 5)
                host, _, port = node.address.partition(":")
                slow = Slow((host, int(port)), options.slow)
                slow.start()
                time.sleep(2)
                beside = rate(node, options.seconds)
                held, closed = slow.held, slow.closed
                report = load.finish()
                slow.enough.set()
                slow.join()
                found = counts.compare(report, node.counts_now(CONTEST))
                node.must_stop()
        failures = report["requests"]["failures"]
        if failures:
            raise Red(f"voters' requests failed: {failures}")
        if held < options.slow / 2:
            raise CouldNotCheck(f"only {held:,} slow connections were there")
        return (
            f"{found}; {alone:,.0f} votes/s alone, {beside:,.0f} beside {held:,} slow "
            f"connections, of which the node closed {closed:,}; slowest vote "
            f"{report['latency_ms']['max']:.0f} ms"
        )


def rate(node, seconds):
    """Acknowledged ballots a second."""
    before, began = node.acknowledged(), time.monotonic()
    time.sleep(seconds)
    return (node.acknowledged() - before) / (time.monotonic() - began)


if __name__ == "__main__":
    chosen = parse()
    run(lambda: check(chosen))
