"""From turns to rows of the report: what was promised of a cluster, and whether it is so."""

import dataclasses
import statistics
from collections.abc import Callable

from harness import report


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table: `ours` over `other`, or `ours` alone."""

    name: str
    ours: str
    unit: str
    other: str = ""
    target: str = ""
    reached: Callable | None = None


def results(rounds, gateway, recounts):
    """The rows that the harness prints."""

    def speed(name):
        return [one[name]["votes_per_second"] for one in rounds]

    def pairs(ours, other):
        return list(zip(speed(ours), speed(other), strict=True))

    def alone(values):
        return [(value, None) for value in values]

    table = [
        (
            Row(
                "landslide",
                "votes through HAProxy",
                "votes/s",
                target=">= 15,000",
                reached=lambda ours, _: ours >= 15_000,
            ),
            alone(speed("landslide")),
        ),
        (
            Row(
                "tcp",
                "with TLS, passed on by HAProxy in TCP mode",
                "votes/s",
                "with TLS, ended by HAProxy",
            ),
            pairs("tcp", "tls"),
        ),
        (
            Row(
                "rows",
                "the same, against a row a ballot",
                "votes/s",
                "a row a ballot",
                ">= 10x",
                lambda _, ratio: ratio >= 10,
            ),
            pairs("landslide", "rows"),
        ),
        (
            Row("memory", "counting in memory, no store at all", "votes/s", "a row a ballot"),
            pairs("memory", "rows"),
        ),
        (
            Row(
                "one-choice",
                "one choice for all votes",
                "votes/s",
                "uniform",
                ">= 0.98x",
                lambda _, ratio: ratio >= 0.98,
            ),
            pairs("one-choice", "uniform"),
        ),
        (
            Row(
                "hottest-shard",
                "hottest shard",
                "x the mean",
                target="<= 1.25x",
                reached=lambda ours, _: ours <= 1.25,
            ),
            alone([one["landslide"]["hottest_shard"] for one in rounds]),
        ),
        (
            Row("batch", "ballots a batch", "ballots"),
            alone(
                [one["landslide"]["acknowledged"] / one["landslide"]["batches"] for one in rounds]
            ),
        ),
        (
            Row("p50", "p50 of a full system", "ms"),
            alone([one["landslide"]["p50_ms"] for one in rounds]),
        ),
        (
            Row("p99", "p99 of a full system", "ms"),
            alone([one["landslide"]["p99_ms"] for one in rounds]),
        ),
        (
            Row("gateway", "a gateway's batches of 1,000 through HAProxy", "ballots/s"),
            alone([gateway["votes_per_second"]]),
        ),
        (
            Row("recount", "recount from Cassandra, program start included", "ballots/s"),
            alone(
                [one["said"]["counts"]["ballots"]["recorded"] / one["seconds"] for one in recounts]
            ),
        ),
    ]
    return [report.summary(row, values) for row, values in table]


def processors(rounds):
    """Where the processors' time went, by side: medians in microseconds a vote."""
    kinds = ["load", "balancers", "intakes", "tallies", "cassandra"]
    lines = [["microseconds of processor a vote", *kinds]]
    for name in rounds[0]:
        used = [one[name]["processor_us"] for one in rounds]
        lines.append(
            [
                name,
                *(
                    f"{statistics.median(one[kind] for one in used):,.1f}"
                    if kind in used[0]
                    else ""
                    for kind in kinds
                ),
            ]
        )
    return report.aligned(lines)
