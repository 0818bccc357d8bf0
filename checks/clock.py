#!/usr/bin/env python3
"""Sets the wall clock of a node back, and compares what was acknowledged with what is counted: a
clock that is set back loses no vote.

    final      a contest is final, and the clock goes back into its hours: nothing is acknowledged
    open       a contest is open: a vote is refused, or counted; set right, the node takes votes
               again, and after a small step by itself
    restart    a node comes back with a clock that is slow: it refuses until that is set right

The clock is set for the node alone, by libfaketime (Debian's package faketime); without it the
check is skipped, says so and exits with 0.

    checks/clock.py
    checks/clock.py --part open"""

import datetime
import time

from rig import clock, counts
from rig.ballots import Voters
from rig.calls import get, problem
from rig.node import Node, instant, written
from rig.options import bug, parser
from rig.process import free_port
from rig.verdict import CouldNotCheck, Red, Skipped, folder, run, say

CHOICES = ["the-wire", "breaking-bad", "the-sopranos"]
STRAYS = "urn:landslide:problem:clock-strays"
# In seconds. A bucket of 10 s is left 5 s after its end: what is stamped so far back is not seen.
BACK = 20
BACK_AT_START = 60
STEP = 4
# Until a clock that is right again is believed, on a machine with other work.
PATIENCE = 60


class Findings:
    """What was found wrong in a part; all of it, and not the first alone."""

    def __init__(self):
        self.wrong = []

    def expect(self, holds, sentence):
        if not holds and sentence not in self.wrong:
            self.wrong.append(sentence)

    def compare(self, voters, row, what):
        for sentence in counts.differ(voters.acknowledged, counts.votes_of(row)):
            self.wrong.append(f"{what}: {sentence}")


class Part:
    """A node whose clock can be set, with a contest that has been open for an hour."""

    def __init__(self, options, variables, home):
        self.binary, self.data = options.binary, home / "data"
        self.node = Node(
            options.binary,
            home,
            data=self.data,
            address=f"127.0.0.1:{free_port()}",
            variables={"LANDSLIDE_TALLY_SCHEDULE": "* * * * * *", **variables},
        )
        self.clock = clock.NodeClock(self.node, at_once=True)
        self.contest = "set-back"
        self.voters = Voters(self.node, self.contest, CHOICES)
        self.findings = Findings()
        # What a published row says that it holds everything up to.
        self.counted_through = None

    def begin(self):
        self.node.until_ready()
        # So that a time that is seconds back lies within the hours, too.
        opens_at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        choices = [{"choice": choice, "title": choice} for choice in CHOICES]
        definition = {
            "title": "A clock that is set back",
            "opens_at": written(opens_at),
            "results": "live",
            "choices": choices,
        }
        self.node.admin("PUT", self.contest, definition)

    def all_take(self, ballots):
        """Ballots that must be acknowledged: nothing is wrong."""
        for _ in range(ballots):
            status, kind = self.voters.cast()
            if status != 201:
                raise CouldNotCheck(f"with a clock that is right a ballot got {status} {kind}")

    def cast(self, may):
        """One ballot; `may` says of a status and a problem whether they are in order."""
        status, kind = self.voters.cast()
        self.findings.expect(may(status, kind), f"a ballot got {status} {kind or ''}".strip())
        if status == 201 and self.counted_through:
            early = (self.counted_through - instant(self.voters.recorded_at)).total_seconds()
            self.findings.expect(
                early <= 0,
                f"a ballot was recorded {early:.1f} s before what had been counted through",
            )
        return status == 201

    def knock(self, seconds, may):
        """Ballots for some seconds; gives how many were acknowledged."""
        before, until = self.voters.total, time.monotonic() + seconds
        while time.monotonic() < until:
            answer = self.voters.cast()
            self.findings.expect(
                may(*answer), f"a ballot got {answer[0]} {answer[1] or ''}".strip()
            )
            time.sleep(0.3)
        return self.voters.total - before

    def says_that_it_strays(self, when):
        status, text = get(f"{self.node.url}/readyz")
        said = problem(text) or text.strip()
        self.findings.expect(
            status == 503 and said == STRAYS, f"{when} /readyz says {status} {said}"
        )

    def until_it_takes_votes(self, when):
        """Gives the seconds that took."""
        started = time.monotonic()
        while not self.cast(taken_or_strays):
            if time.monotonic() > started + PATIENCE:
                raise Red(f"{when} the node takes no vote for {PATIENCE} s")
            time.sleep(0.2)
        return time.monotonic() - started

    def counted_now(self, when):
        row = self.node.counts_now(self.contest)
        self.counted_through = instant(row["counted_through"])
        self.findings.compare(self.voters, row, when)

    def end(self):
        """Closes the contest; what is final, and what a recount finds, must be what was
        acknowledged."""
        self.node.admin("POST", f"{self.contest}/close")
        row = self.node.counts_when(self.contest, lambda row: row["status"] == "final", "final")
        self.findings.compare(self.voters, row, "final")
        self.recount()

    def recount(self):
        self.node.must_stop()
        counts.recount(self.binary, self.data, self.contest)


def taken_or_strays(status, kind):
    return status == 201 or (status, kind) == (503, STRAYS)


def final(part):
    """a contest that is final"""
    part.all_take(3)
    part.node.admin("POST", f"{part.contest}/close")
    part.node.counts_when(
        part.contest, lambda row: row["status"] == "final" and row["total"] == 3, "final"
    )
    part.clock.set(-BACK)
    taken = part.knock(3, lambda status, _: status in (409, 503))
    part.findings.expect(not taken, f"{taken} votes were acknowledged for a contest that is final")
    part.clock.set_right()
    part.knock(1, lambda status, _: status == 409)
    # As an administrator sees it when all is over.
    row = part.node.counts(part.contest)
    part.findings.compare(part.voters, row, "final")
    part.recount()
    return "set back into the hours of a final contest it acknowledged nothing"


def open_contest(part):
    """a contest that is open"""
    part.all_take(5)
    part.counted_now("before")
    part.clock.set(-BACK)
    taken = part.knock(4, taken_or_strays)
    part.says_that_it_strays(f"set back {BACK} s")
    part.clock.set_right()
    right = part.until_it_takes_votes("set right")
    part.all_take(5)
    part.counted_now(f"open, after {taken} votes with the clock {BACK} s back")
    # Just before: the count may lie some seconds behind, for it doubts a clock that was set ahead.
    part.all_take(1)
    part.clock.set(-STEP)
    alone = part.until_it_takes_votes(f"set back {STEP} s")
    part.all_take(5)
    part.counted_now(f"open, after the clock was set back {STEP} s")
    part.clock.set_right()
    part.until_it_takes_votes("set right")
    part.end()
    return (
        f"set back {BACK} s while open it acknowledged {taken}, all counted; set right it took "
        f"votes after {right:.1f} s, set back {STEP} s by itself after {alone:.1f} s"
    )


def restart(part):
    """a node that comes back with a slow clock"""
    part.all_take(5)
    part.counted_now("before")
    part.clock.kill()
    part.clock.set(-BACK_AT_START)
    part.node.start()
    until_it_answers(part.node)
    taken = part.knock(5, lambda status, _: status == 503)
    part.findings.expect(
        not taken, f"started with a clock {BACK_AT_START} s slow it acknowledged {taken} votes"
    )
    part.says_that_it_strays(f"started {BACK_AT_START} s slow")
    part.clock.set_right()
    right = part.until_it_takes_votes("set right")
    part.all_take(5)
    part.counted_now("open, after the start with a slow clock")
    part.end()
    return f"started {BACK_AT_START} s slow it refused, set right it took votes after {right:.1f} s"


def until_it_answers(node):
    """A node that refuses may say that it is ready, or not."""
    deadline = time.monotonic() + node.start_seconds_max
    while not get(f"{node.url}/readyz")[0]:
        node.must_live()
        if time.monotonic() > deadline:
            raise Red(f"it answers nothing for {node.start_seconds_max} s")
        time.sleep(0.1)


PARTS = {"final": final, "open": open_contest, "restart": restart}


def check(options):
    if not clock.library():
        raise Skipped("libfaketime is not installed (Debian's package faketime)")
    variables = bug(options)
    found, wrong = [], []
    with folder(keep_if_red=not options.planted) as home:
        for name in options.parts:
            say(f"{name}: {PARTS[name].__doc__}")
            try:
                found.append(play(options, variables, home / name, PARTS[name]))
            except Red as red:
                say(f"  RED: {red}")
                wrong.append(f"{name}: {red}")
        if wrong:
            raise Red("; ".join(wrong))
    return "; ".join(found)


def play(options, variables, home, function):
    home.mkdir()
    part = Part(options, variables, home)
    with part.node:
        try:
            part.begin()
            found = function(part)
        finally:
            # What the library leaves behind.
            part.clock.kill()
    if part.findings.wrong:
        raise Red("; ".join(part.findings.wrong))
    return found


def parse():
    options = parser(__doc__)
    options.add_argument(
        "--part", choices=PARTS, action="append", dest="parts", help="only this one"
    )
    chosen = options.parse_args()
    chosen.parts = chosen.parts or list(PARTS)
    return chosen


if __name__ == "__main__":
    arguments = parse()
    run(lambda: check(arguments))
