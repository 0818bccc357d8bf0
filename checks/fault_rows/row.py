"""A row of the fault table while it is under way."""

import json
import time

from rig.calls import call
from rig.node import ACKNOWLEDGED
from rig.verdict import CouldNotCheck, Red

PUBLISH_SECONDS_MAX = 10
BALLOT = {"choice": "breaking-bad"}


class Row:
    """A row under way: the cluster, its votes, and the pace."""

    def __init__(self, cluster, voting, pace):
        self.cluster, self.voting, self.pace = cluster, voting, pace

    def wait(self, seconds):
        """Time passes, and nothing may end that was not ended on purpose."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.voting.must_live()
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))

    def until_balancers_say(self, server, status, seconds=40):
        """Waits until both balancers think so of a node; gives the seconds it took."""
        started = time.monotonic()
        while not all(
            balancer.servers().get(server, "").startswith(status)
            for balancer in self.cluster.balancers
            if balancer.alive()
        ):
            if time.monotonic() > started + seconds:
                raise Red(f"{server} is not {status} for the balancers after {seconds} s")
            time.sleep(0.1)
        return time.monotonic() - started

    def counted(self):
        return (self.cluster.tallies[0].counts(self.voting.contest) or {}).get("total", 0)

    def until_takes_votes(self, node, seconds=20):
        """Waits until a node acknowledges some more of the load's votes."""
        before, deadline = node.metric(ACKNOWLEDGED), time.monotonic() + seconds
        while (node.metric(ACKNOWLEDGED) or 0) <= (before or 0):
            if time.monotonic() > deadline:
                raise Red(f"{node.name} acknowledged nothing for {seconds} s")
            self.wait(0.1)

    def until_refuses(self, node, problem, seconds=20):
        """Waits until a ballot that is sent to a node itself is refused so."""
        deadline = time.monotonic() + seconds
        while True:
            url = f"{node.url}/v1/contests/{self.voting.contest}/ballots"
            status, text = call("POST", url, BALLOT)
            if status == 201:
                raise Red(f"{node.name} acknowledged a ballot that it had to refuse: {text}")
            if status and json.loads(text)["type"] == problem:
                return
            if time.monotonic() > deadline:
                raise Red(f"a ballot for {node.name} got {status} {text}, not {problem}")
            self.wait(0.1)

    def until_published_steadily(self, patience=90):
        """Waits until counts come as often as they should: what comes later is the fault's."""
        deadline = time.monotonic() + patience
        witness = self.cluster.tallies[0]
        while (longest := self.longest_unpublished(witness, 7)) > PUBLISH_SECONDS_MAX / 2:
            if time.monotonic() > deadline:
                raise CouldNotCheck(
                    f"nothing is broken, and still nothing is published for "
                    f"{longest:.1f} s: this machine is too busy"
                )

    def longest_unpublished(self, witness, seconds):
        """The longest time until the counts row was published again, from now on.

        Asks one node: each answers from what it read a moment ago, and two moments differ."""
        last_seen, longest, last = None, 0.0, time.monotonic()
        until = last + seconds
        while time.monotonic() < until:
            row = witness.counts(self.voting.contest)
            now = time.monotonic()
            if row and last_seen and row["total"] < last_seen["total"]:
                raise Red(f"counts went back from {last_seen['total']} to {row['total']}")
            if row and last_seen and row["counted_through"] < last_seen["counted_through"]:
                raise Red("counted_through went back")
            if row and (not last_seen or row["counted_through"] != last_seen["counted_through"]):
                if last_seen:
                    longest, last = max(longest, now - last), now
                last_seen = row
            time.sleep(0.1)
        return max(longest, time.monotonic() - last)
