#!/usr/bin/env python3
"""Replays a real election through HTTP and compares with its published result, exactly.

The ballots of Burlington's mayoral election of 2009 are cast by a client that is written here and
shares no code with Landslide. Of its requests some are cut off after sending and before the reply,
then sent again with the same ballot id until one is acknowledged; some ballots are sent twice
although they were acknowledged. Then the contest is closed, becomes final and is certified, and
`landslide recount` must agree.

    checks/burlington.py
    checks/burlington.py --cut 0.5 --duplicates 0.5 --seed 7"""

import concurrent.futures
import csv
import json
import random
import socket
import time

from rig import counts
from rig.ballots import ballot
from rig.node import Node
from rig.options import bug, parser
from rig.verdict import ROOT, CouldNotCheck, Red, folder, run, say

DATA = ROOT / "checks/data"
SLUG = "burlington-2009"
ATTEMPTS_MAX = 500


def parse():
    options = parser(__doc__)
    options.add_argument(
        "--cut",
        type=float,
        default=0.15,
        metavar="SHARE",
        help="of requests cut off before their reply [0.15]",
    )
    options.add_argument(
        "--duplicates",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="of acknowledged ballots sent again [0.2]",
    )
    options.add_argument(
        "--clients", type=int, default=16, metavar="N", help="connections at once [16]"
    )
    options.add_argument(
        "--seed",
        type=int,
        default=random.randrange(2**32),
        metavar="N",
        help="of cuts, duplicates and ids [drawn, and printed]",
    )
    return options.parse_args()


class Client:
    """One connection that is kept while it lasts."""

    def __init__(self, address, options, seed):
        self.address = address
        self.options = options
        self.rng = random.Random(seed)
        self.sent = self.cuts = self.again = 0
        self.acknowledged = {}
        self.connection = None

    def cast_all(self, ballots):
        for choice in ballots:
            one = ballot(choice, self.rng)
            body, ballot_id = json.dumps(one).encode(), one["ballot_id"]
            self.until_acknowledged(body, ballot_id)
            self.acknowledged[choice] = self.acknowledged.get(choice, 0) + 1
            if self.rng.random() < self.options.duplicates:
                self.again += 1
                self.until_acknowledged(body, ballot_id)
        self.hang_up()

    def until_acknowledged(self, body, ballot_id):
        for _ in range(ATTEMPTS_MAX):
            self.send(body)
            if self.rng.random() < self.options.cut:
                # Before, at and after the moment of the commit.
                time.sleep(self.rng.uniform(0, 0.004))
                self.cuts += 1
                self.hang_up()
                continue
            status, reply = self.reply()
            if status != 201 or reply.get("ballot_id") != ballot_id:
                raise Red(f"a good ballot got {status} {reply}")
            return
        raise CouldNotCheck(f"a ballot without a reply after {ATTEMPTS_MAX} attempts")

    def send(self, body):
        if self.connection is None:
            self.connection = socket.create_connection(self.address, timeout=30)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.replies = self.connection.makefile("rb")
        head = (
            f"POST /v1/contests/{SLUG}/ballots HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.sent += 1
        self.connection.sendall(head.encode() + body)

    def reply(self):
        status = int(self.replies.readline().split()[1])
        headers = {}
        while line := self.replies.readline().strip():
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        return status, json.loads(self.replies.read(int(headers["content-length"])))

    def hang_up(self):
        if self.connection is not None:
            # Both, or the descriptor stays open.
            self.replies.close()
            self.connection.close()
            self.connection = None


def table(name):
    with open(DATA / name, newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def cast(options, node, ballots):
    host, _, port = node.address.partition(":")
    clients = [Client((host, int(port)), options, options.seed + n) for n in range(options.clients)]
    shares = [
        [row["choice"] for row in ballots[n :: options.clients]] for n in range(options.clients)
    ]
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.clients) as pool:
        for done in [
            pool.submit(c.cast_all, share) for c, share in zip(clients, shares, strict=True)
        ]:
            done.result()
    seconds = time.monotonic() - started
    total = {
        name: sum(getattr(client, name) for client in clients) for name in ("sent", "cuts", "again")
    }
    say(
        f"{len(ballots):,} ballots in {seconds:.1f} s: {total['sent']:,} requests, "
        f"{total['cuts']:,} cut off, {total['again']:,} ballots sent twice"
    )
    return total


def check(options):
    ballots, expected = table("burlington-2009.csv"), table("burlington-2009-expected.csv")
    published = {row["choice"]: int(row["votes"]) for row in expected}
    say(f"{len(ballots):,} ballots of Burlington 2009, seed {options.seed}")
    variables = bug(options)
    with folder(keep_if_red=not options.planted) as home:
        data = home / "data"
        with Node(options.binary, home, data=data, variables=variables) as node:
            node.until_ready()
            node.admin(
                "PUT",
                SLUG,
                {
                    "title": "Mayor of Burlington, 2009",
                    "policy": "one",
                    "results": "after_close",
                    "choices": [
                        {"choice": row["choice"], "title": row["name"]} for row in expected
                    ],
                },
            )
            node.admin("POST", f"{SLUG}/open")
            total = cast(options, node, ballots)
            node.admin("POST", f"{SLUG}/close")
            closed = time.monotonic()
            final = node.counts_when(SLUG, lambda row: row["status"] == "final", "final")
            seconds = time.monotonic() - closed
            status, reply = node.call("POST", f"/v1/admin/contests/{SLUG}/certify")
            certified = node.counts_when(
                SLUG, lambda row: row["status"] == "certified", f"certify ({status} {reply})", 30
            )
            _, results = node.call("GET", f"/v1/contests/{SLUG}/results")
            say(f"counts row: {certified['ballots']}")
            compare(published, final, certified, results, total)
            node.must_stop()
        again = counts.recount(options.binary, data, SLUG)
    return (
        f"the published counts exactly: "
        f"{', '.join(f'{choice} {votes:,}' for choice, votes in published.items())}; "
        f"{certified['ballots']['duplicate']:,} duplicates not counted; final {seconds:.0f} s "
        f"after the close, certified; {again}"
    )


def compare(published, final, certified, results, total):
    for name, row in ("final", final), ("certified", certified), ("public", results):
        found = counts.differ(published, counts.votes_of(row))
        if found or row["total"] != sum(published.values()):
            raise Red(f"the {name} row: {'; '.join(found)}, total {row['total']:,}")
    ballots = certified["ballots"]
    parts = ballots["counted"] + ballots["duplicate"] + ballots["late"] + ballots["void"]
    if ballots["recorded"] != parts or ballots["counted"] != certified["total"]:
        raise Red(f"the row does not add up: {ballots}")
    # Retries that meet in one batch may be merged, those cut off may not have arrived.
    if not ballots["counted"] < ballots["recorded"] <= total["sent"]:
        raise Red(f"{total['sent']:,} requests cannot have recorded {ballots}")


if __name__ == "__main__":
    chosen = parse()
    run(lambda: check(chosen))
