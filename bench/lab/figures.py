"""From reports to figures. Nothing here measures anything."""

import collections
import statistics


class Disagreement(Exception):
    """Two ways to the same figure gave two."""


def compare(report):
    """Lost and counted twice in one run of the load, by choice and then summed up.

    A vote of a choice that is lost and another that is counted twice cancel out, where the design
    keeps sums: both figures are the least that went wrong."""
    check = report["check"]
    if check["verdict"] not in ("equal", "different"):
        raise Disagreement(f"the load could not check: {check}")
    if report["ballots"]["refused"]:
        raise Disagreement(f"good ballots were refused: {report['ballots']['refused']}")
    lost = twice = 0
    for line in check["choices"]:
        counted, acknowledged = line["counted"], line["acknowledged"]
        lost += max(0, acknowledged - counted)
        # Ballots that were given up may be counted, too.
        twice += max(0, counted - acknowledged - line["unknown"])
    if (lost, twice) != (check["lost"], check["extra"]):
        raise Disagreement(f"{lost} lost and {twice} twice, but the load says {check}")
    acknowledged = sum(line["acknowledged"] for line in check["choices"])
    if acknowledged != report["ballots"]["acknowledged"]:
        raise Disagreement("the choices do not sum up to the acknowledged ballots")
    return {"acknowledged": acknowledged, "lost": lost, "twice": twice}


def total(comparisons):
    """Several runs as one."""
    return {
        name: sum(one[name] for one in comparisons) for name in ("acknowledged", "lost", "twice")
    }


def hottest(writes):
    """The hottest partition's share of the writes in the busiest 10 s, or None without writes.

    `writes` are those of all servers: the same partition may be there several times."""
    stretches = collections.defaultdict(collections.Counter)
    for one in writes:
        stretches[one["stretch"]][one["partition"]] += one["writes"]
    if not stretches:
        return None
    busiest = max(stretches.values(), key=collections.Counter.total)
    return max(busiest.values()) / busiest.total()


def per_vote(amount, votes):
    return None if amount is None or not votes else amount / votes


def other_work(busy, own, elapsed, processors):
    """The share of the processors that programs took which are no part of the lab."""
    return round(max(0.0, busy - own) / (elapsed * processors), 3)


def spread(values):
    """Median, lowest and highest; None where nothing was measured."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def summary(rounds, base):
    """One design's rounds as figures; ratios are of the same round as the base's."""
    faults = [fault for one in rounds for fault in one["faults"].values()]
    # Without the base there is nothing to compare with.
    ratios = [
        one["votes_per_second"] / other["votes_per_second"]
        for one, other in zip(rounds, base, strict=False)
    ]
    figures = {
        name: spread([one[name] for one in rounds])
        for name in (
            "votes_per_second",
            "p50_ms",
            "p99_ms",
            "steady_p50_ms",
            "steady_p99_ms",
            "hottest_share",
            "writes_per_vote",
            "bytes_per_vote",
        )
    }
    figures["ratio"] = spread(ratios)
    figures["without_faults"] = total([one["without_faults"] for one in rounds])
    figures["faults"] = total(faults)
    figures["by_fault"] = {
        name: total([one["faults"][name] for one in rounds])
        for name in (rounds[0]["faults"] if rounds else ())
    }
    return figures
