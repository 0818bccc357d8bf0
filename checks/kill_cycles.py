#!/usr/bin/env python3
"""Kills a node with SIGKILL at random moments under load, again and again, and compares what was
acknowledged with what is counted, choice by choice.

The load (`landslide bench`) retries like a client until every ballot is acknowledged, sends some
ballots twice and cuts some connections before the reply. One kill in eight comes before the node
is ready, while it opens its store. A kill takes the process, not the machine: what a power cut
does to the files is for the store's own tests.

    checks/kill_cycles.py                                100 cycles (about 3 minutes)
    checks/kill_cycles.py --cycles 5 --seed 7            short, with the kills of another run
    checks/kill_cycles.py --planted ack-before-commit --binary target/planted/landslide"""

import random
import time

from rig import counts
from rig.load import CONTEST, voters
from rig.node import Node
from rig.options import bug, parser
from rig.process import free_port
from rig.verdict import CouldNotCheck, Red, folder, run, say


def parse():
    options = parser(__doc__)
    options.add_argument("--cycles", type=int, default=100, metavar="N", help="kills [100]")
    options.add_argument(
        "--seed",
        type=int,
        default=random.randrange(2**32),
        metavar="N",
        help="of the moments and the votes [drawn, and printed]",
    )
    return options.parse_args()


def check(options):
    rng = random.Random(options.seed)
    say(f"{options.cycles} cycles of kill -9 under load, seed {options.seed}")
    variables = bug(options)
    with folder(keep_if_red=not options.planted) as home:
        data, address = home / "data", f"127.0.0.1:{free_port()}"

        def start(more=variables):
            return Node(options.binary, home, data=data, address=address, variables=more)

        # Without a bug at first: a contest whose opening is lost takes no votes to be lost.
        with start({}) as node:
            node.until_ready()
            with voters(options.binary, home, node.url, options.seed) as load:
                load.until_taken_by(node)
                slowest = cycles(options, rng, node, start, load)
                # The one that stays.
                with start() as last:
                    last.until_ready()
                    load.until_taken_by(last)
                    report = load.finish()
                    row = last.counts_now(CONTEST)
                    failures = report["requests"]["failures"]
                    say(f"requests: {report['requests']}")
                    say(f"counts row: {row['ballots']}")
                    found = counts.compare(report, row)
                    if not failures.get("connection lost"):
                        raise CouldNotCheck("no kill met a request under way")
                    last.must_stop()
        again = counts.recount(options.binary, data, CONTEST)
        return (
            f"{options.cycles} kills, {found}; {failures['connection lost']:,} requests lost "
            f"their connection, {row['ballots']['duplicate']:,} duplicates were not counted; "
            f"slowest start {slowest:.1f} s; {again}"
        )


def cycles(options, rng, node, start, load):
    """Kills and starts; the given node is the first to go. Says how long the slowest start took."""
    slowest = 0.0
    for cycle in range(1, options.cycles + 1):
        if cycle > 1:
            with start() as node:
                if rng.random() < 1 / 8:
                    # While it opens its store, or just after.
                    time.sleep(rng.uniform(0, 0.15))
                else:
                    slowest = max(slowest, node.until_ready())
                    time.sleep(rng.uniform(0.2, 1.6))
                must_live(node)
                node.kill()
        else:
            time.sleep(rng.uniform(0.2, 1.6))
            must_live(node)
            node.kill()
        load.must_live()
        if cycle % 10 == 0 or cycle == options.cycles:
            say(f"cycle {cycle} of {options.cycles}")
    return slowest


def must_live(node):
    code = node.child.poll()
    if code is not None:
        raise Red(f"the node ended by itself with {code}")


if __name__ == "__main__":
    chosen = parse()
    run(lambda: check(chosen))
