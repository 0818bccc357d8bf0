"""One design's turn: a warm-up, its peak, a quiet load, then the three faults."""

import dataclasses

from lab import figures, servers


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long and how much; the same for every design."""

    binary: object
    connections: int
    warm_seconds: int
    peak_seconds: int
    steady_seconds: int
    # So few that every design keeps up.
    steady_rate: int
    fault_seconds: int
    # Share of requests whose connection is cut before the reply.
    cut: str = "2%"


FAULTS = {
    "lost replies": "2% of all requests lose their reply",
    "server killed": "one of two servers killed twice",
    "node killed": "one of three Cassandra nodes killed, and back",
}


def take(design, plan, cluster, folder, keyspace):
    """Runs it; gives its figures."""
    with servers.serving(design, cluster, folder, keyspace) as two:
        runs = Runs(plan, two, folder)
        warm = runs.load(plan.warm_seconds).finish()
        before = cluster.bytes_sent()
        peak = runs.load(plan.peak_seconds).finish()
        after = cluster.bytes_sent()
        writes = [one for server in two for one in server.get("/lab/writes") or []]
        steady = runs.load(plan.steady_seconds, rate=plan.steady_rate).finish()
        calm = [figures.compare(report) for report in (warm, peak, steady)]
        votes = peak["ballots"]["acknowledged"]
        written = sum(one["writes"] for one in writes)
        return {
            "votes_per_second": peak["votes_per_second"],
            "p50_ms": peak["latency_ms"]["p50"],
            "p99_ms": peak["latency_ms"]["p99"],
            "steady_p50_ms": steady["latency_ms"]["p50"],
            "steady_p99_ms": steady["latency_ms"]["p99"],
            "hottest_share": figures.hottest(writes),
            "writes_per_vote": figures.per_vote(
                written or None, warm["ballots"]["acknowledged"] + votes
            ),
            "bytes_per_vote": figures.per_vote(None if before is None else after - before, votes),
            "without_faults": figures.total(calm),
            "faults": {
                "lost replies": figures.compare(runs.lost_replies()),
                "server killed": figures.compare(runs.server_killed(two[1])),
                "node killed": figures.compare(runs.node_killed(cluster)),
            },
        }


class Runs:
    """Loads on the two servers of a design."""

    def __init__(self, plan, two, folder):
        self.plan, self.two, self.folder = plan, two, folder

    def load(self, seconds, **more):
        plan = self.plan
        load = servers.Load(plan.binary, self.two, self.folder, plan.connections, seconds, **more)
        load.start()
        return load

    def lost_replies(self):
        return self.load(self.plan.fault_seconds, cut=self.plan.cut).finish()

    def server_killed(self, server):
        seconds = self.plan.fault_seconds

        def again():
            server.kill()
            server.start()

        report = servers.while_it_runs(
            self.load(seconds), [(seconds * 0.3, again), (seconds * 0.7, again)]
        )
        server.until_back()
        return report

    def node_killed(self, cluster):
        seconds, node = self.plan.fault_seconds, cluster.nodes[2]
        report = servers.while_it_runs(
            self.load(seconds), [(seconds * 0.3, node.kill), (seconds * 0.7, node.start)]
        )
        # Whole again for the next, which shall not pay for this one's faults.
        cluster.until_whole()
        return report
