"""What can befall the time of a vote: a clock that strays, and a contest that is closed by hand."""

import datetime
import json
import time

from fault_rows.row import PUBLISH_SECONDS_MAX
from rig.calls import call
from rig.clock import NodeClock
from rig.node import ACKNOWLEDGED
from rig.verdict import Red

FINAL_SECONDS_MAX = 60
NOT_OPEN, CLOCK_STRAYS = "urn:landslide:problem:not-open", "urn:landslide:problem:clock-strays"
# What a strayed clock is off by, in seconds: DESIGN allows two.
STRAY = 5
# A peer's clock is believed for 10 s, and a balancer asks every second.
STRAY_SECONDS_MAX = 30


def clock(row):
    """an intake whose clock strays by 5 s: started so, then set so under load, ahead and behind"""
    server, node = "intake-2", row.cluster.intakes[1]
    stray = NodeClock(node)
    try:
        stray.set(STRAY)
        stray.restart()
        row.until_balancers_say(server, "DOWN")
        # It joins, watches its peers and listens; then nothing may come of it.
        row.until_refuses(node, CLOCK_STRAYS)
        must_stay_out(row, node, 0)
        stray.set_right()
        stray.restart()
        node.until_ready()
        row.until_balancers_say(server, "UP")
        found = []
        for seconds in (STRAY, -STRAY):
            row.until_takes_votes(node)
            stray.set(seconds)
            left = row.until_balancers_say(server, "DOWN", STRAY_SECONDS_MAX)
            must_stay_out(row, node, node.metric(ACKNOWLEDGED))
            stray.set_right()
            back = row.until_balancers_say(server, "UP", STRAY_SECONDS_MAX)
            found.append(
                f"set {seconds:+d} s it left the balancers after {left:.1f} s, set right it "
                f"was back after {back:.1f} s"
            )
    finally:
        stray.remove()
        stray.restart()
    node.until_ready()
    row.until_balancers_say(server, "UP")
    return f"started ahead it never took a vote; {'; '.join(found)}"


def must_stay_out(row, node, acknowledged):
    """For some seconds: a node that is not ready and acknowledges nothing, while the others take
    votes and count them."""
    before, counted = row.voting.acknowledged(), row.counted()
    row.wait(max(5, row.pace.down / 2))
    if row.voting.acknowledged() <= before:
        raise Red("no vote is acknowledged although one intake's clock is right")
    if node.ready():
        raise Red(f"{node.name} is ready although its clock strays")
    row.until_refuses(node, CLOCK_STRAYS, seconds=0)
    if more := (node.metric(ACKNOWLEDGED) or 0) - acknowledged:
        raise Red(f"{node.name} acknowledged {more:,.0f} ballots while its clock strayed")
    deadline = time.monotonic() + PUBLISH_SECONDS_MAX
    while row.counted() <= counted:
        if time.monotonic() > deadline:
            raise Red(f"nothing is counted while the clock of {node.name} strays")
        row.wait(0.1)


def close_by_hand(row):
    """a contest closed by hand under full load, and voters who go on knocking"""
    contest, [witness, other] = row.voting.contest, row.cluster.tallies
    for node in row.cluster.intakes:
        row.until_takes_votes(node)
    called = time.monotonic()
    status, text = call("POST", f"{other.url}/v1/admin/contests/{contest}/close")
    took = time.monotonic() - called
    if status != 200:
        raise Red(f"the close got {status}: {text}")
    closes_at = datetime.datetime.fromisoformat(json.loads(text)["closes_at"])
    ahead = -seconds_since(closes_at)
    # Both take votes to the end.
    row.wait(max(0, ahead - 8))
    for node in row.cluster.intakes:
        row.until_takes_votes(node, seconds=7)
    row.wait(max(0, -seconds_since(closes_at)))
    for node in row.cluster.intakes:
        row.until_refuses(node, NOT_OPEN)
    status = None
    while status != "final":
        if seconds_since(closes_at) > FINAL_SECONDS_MAX:
            raise Red(f"{FINAL_SECONDS_MAX} s after its end the contest is {status}")
        row.wait(0.2)
        status = (witness.counts(contest) or {}).get("status")
    return (
        f"answered in {took:.1f} s, closed {ahead:.1f} s later, final "
        f"{seconds_since(closes_at):.1f} s after that"
    )


def seconds_since(moment):
    return (datetime.datetime.now(datetime.UTC) - moment).total_seconds()
