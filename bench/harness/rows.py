"""The rows of the table: what is measured, against what, and the target.

A row's function runs one round and gives two figures, ours and the other's; `Row.better` says which
way is good. Sides take turns within a round, in an order that alternates from round to round."""

import dataclasses
import http.client
import json
import pathlib
import subprocess
import sys
import time

from harness import load, servers
from rig.ballots import ballot
from rig.calls import TOKEN
from rig.load import CONTEST


@dataclasses.dataclass
class Plan:
    """How much of everything; `--quick` makes it less."""

    seconds: int
    gateway_ballots: int
    stored_ballots: int
    duckdb_python: pathlib.Path | None


@dataclasses.dataclass
class Row:
    name: str
    unit: str
    ours: str
    other: str | None
    target: str
    reached: object
    measure: object
    better: str = "more"
    rounds: int | None = None


def turns(round_number, *sides):
    """Runs the sides in an alternating order; the results in the order given."""
    order = list(enumerate(sides))
    if round_number % 2:
        order.reverse()
    results = {at: side() for at, side in order}
    return [results[at] for at in range(len(sides))]


def votes(server, plan, connections, **more):
    """Starts a server, warms it, loads it; then no acknowledged ballot may be missing."""
    with server() as one:
        warm = load.vote(one.address, connections, 1, **more)
        figures = load.vote(one.address, connections, plan.seconds, **more)
        counted = one.counted()
        acknowledged = warm["acknowledged"] + figures["acknowledged"]
        if counted is not None and counted < acknowledged:
            raise SystemExit(f"LOST: {acknowledged} acknowledged, {counted} counted")
        if figures["refused"] or figures["broken"]:
            print(f"  note: {figures['refused']} refused, {figures['broken']} broken", flush=True)
        return figures


def per_second(server, plan, connections, **more):
    return lambda: votes(server, plan, connections, **more)["per_second"]


def against(ours, other, connections):
    def measure(plan, n):
        return turns(n, per_second(ours, plan, connections), per_second(other, plan, connections))

    return measure


def one_choice(plan, n):
    sides = [
        per_second(servers.landslide, plan, 256, choice=choice) for choice in ("one", "uniform")
    ]
    return turns(n, *sides)


def tally(plan, n):
    def without():
        return servers.landslide(tally=False)

    return turns(n, per_second(servers.landslide, plan, 256), per_second(without, plan, 256))


STREAMS = 5_000


def streams(plan, n):
    """Votes while many watch, against votes while nobody does. Both by `landslide bench`, which
    fails unless every acknowledged ballot is counted."""

    def side(count):
        with servers.landslide() as node:
            report = load.watched(
                servers.landslide_binary(), node.address, CONTEST, TOKEN, 256, plan.seconds, count
            )
        if count:
            seen = report["streams"]
            # So many get counts every five seconds, and the first ones at once.
            if seen["ended"] or seen["events"] < 2 * seen["opened"]:
                raise SystemExit(f"the streams were not served: {seen}")
        return report["votes_per_second"]

    return turns(n, lambda: side(STREAMS), lambda: side(0))


def gateway(plan, _):
    with servers.landslide() as node:
        figures = load.gateway(node.address, node.channel_key(), plan.gateway_ballots)
        counted = node.counted()
        if figures["rejected"] or counted < figures["recorded"]:
            raise SystemExit(f"LOST: {figures}, {counted} counted")
        return figures["per_second"], None


def latency(plan, _):
    """wrk offers no fixed rate: 256 connections pause so long that they offer half of the peak."""
    with servers.landslide() as node:
        load.vote(node.address, 256, 1)
        peak = load.vote(node.address, 256, max(3, plan.seconds // 2))["per_second"]
        pause_ms = round(256 / (peak / 2) * 1_000)
        figures = load.vote(node.address, 256, plan.seconds, pause_ms=max(1, pause_ms))
        print(
            f"  {figures['per_second'] / peak:.0%} of {peak:,.0f}/s: p50 {figures['p50_ms']} ms, "
            f"p99 {figures['p99_ms']} ms, max {figures['max_ms']} ms",
            flush=True,
        )
        return figures["p99_ms"], None


def disk(plan, _):
    with servers.folder() as home:
        with servers.landslide(home=home) as node:
            load.vote(node.address, 256, plan.seconds)
            recorded = node.row()["ballots"]["recorded"]
        return servers.bytes_on_disk(home / "data") / recorded, None


def first_acknowledgement(address, started):
    """Seconds from the start of the process until a ballot is acknowledged."""
    connection = http.client.HTTPConnection(address, timeout=60)
    body = json.dumps(ballot("series-00"))
    path = f"/v1/contests/{CONTEST}/ballots"
    while True:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        if reply.status == 201:
            return time.monotonic() - started
        time.sleep(0.01)


class Stored:
    """Many stored ballots, filled in once for the rows that need them."""

    def __init__(self):
        self.folder = None
        self.context = None
        self.fill_seconds = None

    def fill(self, plan):
        if self.folder:
            return self.folder
        self.context = servers.folder()
        self.folder = self.context.__enter__()
        with servers.landslide(tally=False, home=self.folder) as node:
            key = node.channel_key()
            figures = load.gateway(node.address, key, plan.stored_ballots, ahead=0)
            print(f"  {figures['recorded']:,} ballots stored", flush=True)
        return self.folder

    def close(self):
        if self.context:
            self.context.__exit__(None, None, None)

    def disk(self, plan, _):
        home = self.fill(plan)
        return servers.bytes_on_disk(home / "data") / plan.stored_ballots, None

    def start(self, plan, _):
        home = self.fill(plan)
        started = time.monotonic()
        with servers.landslide(home=home, new=False) as node:
            return first_acknowledgement(node.address, started), None

    def recount(self, plan, n):
        home = self.fill(plan)

        def ours():
            return plan.stored_ballots / recount_seconds(home)

        return turns(n, ours, lambda: duckdb_per_second(plan))


def recount_seconds(home):
    command = [servers.landslide_binary(), "recount", CONTEST, "--data", home / "data"]
    started = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    # 1: the published row is of another moment, as nobody tallied after the fill. Not of interest.
    if done.returncode not in (0, 1):
        raise SystemExit(f"recount: {done.stdout}{done.stderr}")
    return seconds


def duckdb_per_second(plan):
    script = pathlib.Path(__file__).with_name("duckdb_recount.py")
    command = [plan.duckdb_python or sys.executable, script, plan.stored_ballots, 2]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"duckdb: {done.stderr}")
    return plan.stored_ballots / float(done.stdout)


def at_least(limit):
    return lambda ours, ratio: (ratio if ratio is not None else ours) >= limit


def at_most(limit):
    return lambda ours, ratio: ours <= limit


def durable(connections, floor):
    """Votes, against servers that do less and servers that promise as much."""
    null = against(servers.landslide, servers.null, connections)
    what = f"durable, {connections} connections"
    yield Row(
        f"null-{connections}",
        "votes/s",
        what,
        "axum storing nothing",
        f">= {floor}x",
        at_least(floor),
        null,
    )
    for name in ("redis", "postgres"):
        measure = against(servers.landslide, getattr(servers, name), connections)
        yield Row(f"{name}-{connections}", "votes/s", what, name, "", None, measure)


def table(stored):
    return [
        *durable(256, 1.0),
        *durable(64, 0.9),
        Row(
            "one-choice",
            "votes/s",
            "every vote for one choice",
            "uniform",
            ">= 0.98x",
            at_least(0.98),
            one_choice,
        ),
        Row("tally", "votes/s", "tally every 2 s", "tally off", ">= 0.95x", at_least(0.95), tally),
        Row(
            "streams",
            "votes/s",
            f"with {STREAMS:,} open streams of results",
            "without",
            ">= 0.95x",
            at_least(0.95),
            streams,
        ),
        Row(
            "gateway",
            "ballots/s",
            "gateway batches of 1,000",
            None,
            ">= 500,000",
            at_least(500_000),
            gateway,
        ),
        Row(
            "latency", "ms", "p99 at half of peak load", None, "<= 10", at_most(10), latency, "less"
        ),
        Row(
            "disk",
            "bytes",
            "a ballot on disk, one ballot a request",
            None,
            "<= 48",
            at_most(48),
            disk,
            "less",
            1,
        ),
        Row(
            "disk-stored",
            "bytes",
            "a ballot on disk, gateway batches",
            None,
            "<= 48",
            at_most(48),
            stored.disk,
            "less",
            1,
        ),
        Row(
            "start",
            "s",
            "start to first acknowledgement, ballots stored",
            None,
            "<= 2",
            at_most(2),
            stored.start,
            "less",
        ),
        Row(
            "recount",
            "ballots/s",
            "full recount",
            "duckdb",
            ">= 10,000,000",
            lambda ours, ratio: ours >= 10_000_000,
            stored.recount,
        ),
    ]


def former_table(stored, former):
    """What this build does against another build of ours, in the rows where a change would show."""

    def by_former(side):
        def measure():
            with servers.another_build(former):
                return side()

        return measure

    def compared(side):
        return lambda plan, n: turns(n, side(plan), by_former(side(plan)))

    def recounted(plan):
        home = stored.fill(plan)
        return lambda: plan.stored_ballots / recount_seconds(home)

    sides = {
        "null-256": ("votes/s", lambda plan: per_second(servers.landslide, plan, 256)),
        "null-64": ("votes/s", lambda plan: per_second(servers.landslide, plan, 64)),
        "gateway": ("ballots/s", lambda plan: lambda: gateway(plan, 0)[0]),
        "recount": ("ballots/s", recounted),
    }
    return [
        Row(name, unit, f"{name}, this build", "the former build", "", None, compared(side))
        for name, (unit, side) in sides.items()
    ]


def peers_table():
    """The peers among themselves."""
    return [
        Row(
            f"{name}-null-{connections}",
            "votes/s",
            f"{name}, {connections} connections",
            "axum storing nothing",
            "",
            None,
            against(getattr(servers, name), servers.null, connections),
        )
        for connections in (64, 256)
        for name in ("redis", "postgres")
    ]
