"""The faults of checks/faults, one a function: what is broken, what must go on meanwhile, and what
is said of it in the table."""

import datetime
import json
import pathlib
import signal
import time

import cluster as clusters
import engines
import node as of

PUBLISH_SECONDS_MAX = 10
FINAL_SECONDS_MAX = 60
BALLOT = {"choice": "breaking-bad"}
NOT_OPEN, CLOCK_STRAYS = "urn:landslide:problem:not-open", "urn:landslide:problem:clock-strays"
# Where Debian's package libfaketime has it; `faketime` itself loads the same.
FAKETIME = "faketime/libfaketimeMT.so.1"
ACKNOWLEDGED = "landslide_ballots_acknowledged_total"
# What a strayed clock is off by, in seconds: DESIGN allows two.
STRAY = 5
# A peer's clock is believed for 10 s, and a balancer asks every second.
STRAY_SECONDS_MAX = 30


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
        while not all(balancer.servers().get(server, "").startswith(status)
                      for balancer in self.cluster.balancers if balancer.alive()):
            if time.monotonic() > started + seconds:
                raise of.Red(f"{server} is not {status} for the balancers after {seconds} s")
            time.sleep(0.1)
        return time.monotonic() - started

    def counted(self):
        return (self.cluster.tallies[0].counts(self.voting.contest) or {}).get("total", 0)

    def until_takes_votes(self, node, seconds=20):
        """Waits until a node acknowledges some more of the load's votes."""
        before, deadline = node.metric(ACKNOWLEDGED), time.monotonic() + seconds
        while (node.metric(ACKNOWLEDGED) or 0) <= (before or 0):
            if time.monotonic() > deadline:
                raise of.Red(f"{node.name} acknowledged nothing for {seconds} s")
            self.wait(0.1)

    def until_refuses(self, node, problem, seconds=20):
        """Waits until a ballot that is sent to a node itself is refused so."""
        deadline = time.monotonic() + seconds
        while True:
            url = f"{node.url}/v1/contests/{self.voting.contest}/ballots"
            status, text = clusters.call("POST", url, BALLOT)
            if status == 201:
                raise of.Red(f"{node.name} acknowledged a ballot that it had to refuse: {text}")
            if status and json.loads(text)["type"] == problem:
                return
            if time.monotonic() > deadline:
                raise of.Red(f"a ballot for {node.name} got {status} {text}, not {problem}")
            self.wait(0.1)

    def until_published_steadily(self, patience=90):
        """Waits until counts come as often as they should, so that what comes later is the fault's."""
        deadline = time.monotonic() + patience
        witness = self.cluster.tallies[0]
        while (longest := self.longest_unpublished(witness, 7)) > PUBLISH_SECONDS_MAX / 2:
            if time.monotonic() > deadline:
                raise of.CouldNotCheck(f"nothing is broken, and still nothing is published for "
                                       f"{longest:.1f} s: this machine is too busy")

    def longest_unpublished(self, witness, seconds):
        """The longest time until the counts row was published again, from now on.

        Asks one node: each answers from what it read a moment ago, and two moments differ."""
        last_seen, longest, last = None, 0.0, time.monotonic()
        until = last + seconds
        while time.monotonic() < until:
            row = witness.counts(self.voting.contest)
            now = time.monotonic()
            if row and last_seen and row["total"] < last_seen["total"]:
                raise of.Red(f"counts went back from {last_seen['total']} to {row['total']}")
            if row and last_seen and row["counted_through"] < last_seen["counted_through"]:
                raise of.Red("counted_through went back")
            if row and (not last_seen or row["counted_through"] != last_seen["counted_through"]):
                if last_seen:
                    longest, last = max(longest, now - last), now
                last_seen = row
            time.sleep(0.1)
        return max(longest, time.monotonic() - last)


def node_kill(row):
    """`kill -9` of one Cassandra node, and its return"""
    victim = row.cluster.cassandras[2]
    victim.kill()
    row.wait(row.pace.down)
    victim.start()
    seconds = victim.until_ready(engines.CASSANDRA_SECONDS)
    whole = row.cluster.whole_again()
    return f"back after {seconds + whole:.0f} s"


def node_pause(row):
    """one Cassandra node paused"""
    victim = row.cluster.cassandras[1]
    victim.pause()
    row.wait(row.pace.pause)
    victim.resume()
    return f"paused for {row.pace.pause:.0f} s, whole after {row.cluster.whole_again():.0f} s"


def node_cut(row):
    """one Cassandra node cut off from its peers, then one intake cut off from all nodes"""
    network, addresses = row.cluster.network, row.cluster.cassandra_addresses
    network.cut(addresses[0], addresses[1:])
    row.wait(row.pace.pause)
    network.heal(addresses[0], addresses[1:])
    row.cluster.whole_again()
    intake = row.cluster.intakes[1]
    host = intake.address.partition(":")[0]
    network.cut(host, addresses)
    left = row.until_balancers_say("intake-2", "DOWN")
    acknowledged = row.voting.acknowledged()
    row.wait(row.pace.down)
    if row.voting.acknowledged() <= acknowledged:
        raise of.Red("no vote is acknowledged although one intake is well")
    network.heal(host, addresses)
    back = row.until_balancers_say("intake-2", "UP")
    return f"the cut-off intake left the balancers after {left:.1f} s, was back after {back:.1f} s"


def quorum_lost(row):
    """two of three Cassandra nodes gone"""
    victims = row.cluster.cassandras[1:]
    for victim in victims:
        victim.kill()
    # What was on its way may still be answered.
    row.wait(7)
    acknowledged = row.voting.acknowledged()
    status, _ = clusters.call(
        "POST", f"{row.cluster.urls[0]}/v1/contests/{row.voting.contest}/ballots", BALLOT)
    if status != 503:
        raise of.Red(f"a ballot without a quorum got {status}, not 503")
    row.wait(row.pace.down)
    if row.voting.acknowledged() != acknowledged:
        raise of.Red("ballots were acknowledged without a quorum")
    for victim in victims:
        victim.start()
    for victim in victims:
        victim.until_ready(engines.CASSANDRA_SECONDS)
    started = time.monotonic()
    row.voting.until_it_votes(60, acknowledged)
    return (f"503 meanwhile; votes again {time.monotonic() - started:.1f} s after the nodes were "
            f"back, by itself")


def intake_kill(row):
    """`kill -9` of an intake, again and again"""
    for kill in range(row.pace.kills):
        number = kill % clusters.INTAKES
        intake = row.cluster.intakes[number]
        intake.kill()
        row.wait(1)
        intake.start()
        intake.until_ready(clusters.NODE_SECONDS)
        row.until_balancers_say(f"intake-{number + 1}", "UP")
        row.wait(1)
    return f"{row.pace.kills} kills"


def rolling(row):
    """rolling restart of every process"""
    started = time.monotonic()
    for process in row.cluster.processes:
        code = process.stop()
        # Cassandra and HAProxy say 143: ended by SIGTERM, in order.
        if code not in (0, 143, -signal.SIGTERM):
            raise of.Red(f"{process.name}, told to end, exited with {code}")
        process.start()
        process.until_ready(engines.CASSANDRA_SECONDS)
        if process in row.cluster.cassandras:
            row.cluster.whole_again()
        if process in row.cluster.intakes:
            row.until_balancers_say(process.name, "UP")
    return f"{len(row.cluster.processes)} processes in {time.monotonic() - started:.0f} s"


def lease_kill(row):
    """`kill -9` of the tally that holds the lease"""
    row.until_published_steadily()
    victim = row.cluster.holder(row.voting.contest)
    [witness] = [node for node in row.cluster.tallies if node is not victim]
    victim.kill()
    seconds = row.longest_unpublished(witness, PUBLISH_SECONDS_MAX + 5)
    victim.start()
    victim.until_ready(clusters.NODE_SECONDS)
    return published(row, victim, seconds)


def lease_pause(row):
    """pause of the tally that holds the lease"""
    row.until_published_steadily()
    victim = row.cluster.holder(row.voting.contest)
    [witness] = [node for node in row.cluster.tallies if node is not victim]
    victim.pause()
    seconds = row.longest_unpublished(witness, PUBLISH_SECONDS_MAX + 5)
    victim.resume()
    # Its late row must change nothing: totals and times must not go back.
    row.longest_unpublished(witness, 5)
    return published(row, victim, seconds)


def published(row, victim, seconds):
    if seconds > PUBLISH_SECONDS_MAX:
        raise of.Red(f"nothing was published for {seconds:.1f} s")
    heir = row.cluster.holder(row.voting.contest)
    if heir is victim:
        raise of.Red(f"{victim.name} holds the lease still: the fault was none")
    return f"published again after {seconds:.1f} s at the longest, by {heir.name}"


def balancer_kill(row):
    """HAProxy killed, the second one takes the clients"""
    for balancer in row.cluster.balancers:
        balancer.kill()
        acknowledged = row.voting.acknowledged()
        row.wait(max(3, row.pace.down / 2))
        if row.voting.acknowledged() <= acknowledged:
            raise of.Red("the other balancer does not take the clients")
        balancer.start()
        balancer.until_ready(clusters.NODE_SECONDS)
        row.wait(2)
    return "each in turn"


def reply_lost(row):
    """replies lost on purpose after the write (the fault wrapper), voters cut off and voting twice"""
    for intake in row.cluster.intakes:
        plain = intake.environment
        intake.environment = {**plain, "LANDSLIDE_INJECT_FAULTS": "seed=7,reply-lost=0.2"}
        intake.kill()
        intake.start()
        intake.until_ready(clusters.NODE_SECONDS)
        intake.environment = plain
    row.wait(row.pace.down)
    lost = sum(intake.metric("landslide_puts_failed_total") or 0 for intake in row.cluster.intakes)
    if not lost:
        raise of.Red("no reply was lost: the fault was none")
    for intake in row.cluster.intakes:
        intake.kill()
        intake.start()
        intake.until_ready(clusters.NODE_SECONDS)
    return f"{lost:,.0f} replies of the store"


def faketime():
    """Where the library is that gives a process another time; None where it is not installed."""
    return next(pathlib.Path("/usr/lib").glob(f"*/{FAKETIME}"), None)


class StrayingClock:
    """The clock of a node from its next start on. Its wall clock alone: a clock that is set does not
    move what a process measures waits with."""

    def __init__(self, node):
        self.node, self.plain = node, node.environment
        self.file = node.log.with_suffix(".clock")
        self.right()
        node.environment = {
            **self.plain, "LD_PRELOAD": str(faketime()), "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Read again after a second, so that a change is seen by a process that runs.
            "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_CACHE_DURATION": "1"}

    def right(self):
        self.set(0)

    def set(self, seconds):
        # Renamed, for it may be read at any moment.
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.rename(self.file)

    def remove(self):
        """The node's own clock again, from its next start on."""
        self.node.environment = self.plain

    def restart(self):
        """Kills the node and starts it; what the library leaves behind of a killed one goes."""
        pid = self.node.child.pid
        self.node.kill()
        for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
            (pathlib.Path("/dev/shm") / name).unlink(missing_ok=True)
        self.node.start()


def clock(row):
    """an intake whose clock strays by 5 s: started so, then set so under load, ahead and behind"""
    server, node = "intake-2", row.cluster.intakes[1]
    stray = StrayingClock(node)
    try:
        stray.set(STRAY)
        stray.restart()
        row.until_balancers_say(server, "DOWN")
        # It joins, watches its peers and listens; then nothing may come of it.
        row.until_refuses(node, CLOCK_STRAYS)
        must_stay_out(row, node, 0)
        stray.right()
        stray.restart()
        node.until_ready(clusters.NODE_SECONDS)
        row.until_balancers_say(server, "UP")
        found = []
        for seconds in (STRAY, -STRAY):
            row.until_takes_votes(node)
            stray.set(seconds)
            left = row.until_balancers_say(server, "DOWN", STRAY_SECONDS_MAX)
            must_stay_out(row, node, node.metric(ACKNOWLEDGED))
            stray.right()
            back = row.until_balancers_say(server, "UP", STRAY_SECONDS_MAX)
            found.append(f"set {seconds:+d} s it left the balancers after {left:.1f} s, set right it "
                         f"was back after {back:.1f} s")
    finally:
        stray.remove()
        stray.restart()
    node.until_ready(clusters.NODE_SECONDS)
    row.until_balancers_say(server, "UP")
    return f"started ahead it never took a vote; {'; '.join(found)}"


def must_stay_out(row, node, acknowledged):
    """For some seconds: a node that is not ready and acknowledges nothing, while the others take
    votes and count them."""
    before, counted = row.voting.acknowledged(), row.counted()
    row.wait(max(5, row.pace.down / 2))
    if row.voting.acknowledged() <= before:
        raise of.Red("no vote is acknowledged although one intake's clock is right")
    if node.ready():
        raise of.Red(f"{node.name} is ready although its clock strays")
    row.until_refuses(node, CLOCK_STRAYS, seconds=0)
    if more := (node.metric(ACKNOWLEDGED) or 0) - acknowledged:
        raise of.Red(f"{node.name} acknowledged {more:,.0f} ballots while its clock strayed")
    deadline = time.monotonic() + PUBLISH_SECONDS_MAX
    while row.counted() <= counted:
        if time.monotonic() > deadline:
            raise of.Red(f"nothing is counted while the clock of {node.name} strays")
        row.wait(0.1)


def close_by_hand(row):
    """a contest closed by hand under full load, and voters who go on knocking"""
    contest, [witness, other] = row.voting.contest, row.cluster.tallies
    for node in row.cluster.intakes:
        row.until_takes_votes(node)
    called = time.monotonic()
    status, text = clusters.call("POST", f"{other.url}/v1/admin/contests/{contest}/close")
    took = time.monotonic() - called
    if status != 200:
        raise of.Red(f"the close got {status}: {text}")
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
            raise of.Red(f"{FINAL_SECONDS_MAX} s after its end the contest is {status}")
        row.wait(0.2)
        status = (witness.counts(contest) or {}).get("status")
    return (f"answered in {took:.1f} s, closed {ahead:.1f} s later, final "
            f"{seconds_since(closes_at):.1f} s after that")


def seconds_since(moment):
    return (datetime.datetime.now(datetime.timezone.utc) - moment).total_seconds()


ROWS = {
    "node-kill": node_kill,
    "node-pause": node_pause,
    "node-cut": node_cut,
    "quorum-lost": quorum_lost,
    "intake-kill": intake_kill,
    "rolling": rolling,
    "lease-kill": lease_kill,
    "lease-pause": lease_pause,
    "balancer-kill": balancer_kill,
    "reply-lost": reply_lost,
    "clock": clock,
    "close-by-hand": close_by_hand,
}
# What the load does on purpose besides.
LOADS = {"reply-lost": ["--cut", "5%", "--duplicates", "5%"]}
# What the load may be refused for good, by row; in all others nothing.
REFUSALS = {"close-by-hand": {f"409 {NOT_OPEN}"}}
