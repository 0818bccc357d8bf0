#!/usr/bin/env python3
"""Breaks a real cluster under load, one fault after the other, and compares what was acknowledged
with what is counted, choice by choice.

Three Cassandra nodes (replication 3, fsync before acknowledgement), two intakes and two tally
workers behind two HAProxies, all on this machine. The load (`landslide bench`) goes through the
balancers and retries like a client; every row has a contest of its own, is closed and waits for
its final count. Green means: in every row counted is what was acknowledged, and no vote failed for
good.

    checks/faults.py                                    every row (about 23 minutes)
    checks/faults.py --short                            the rows that ./test runs, in a short form
    checks/faults.py --rows node-kill,lease-kill        some of them
    checks/faults.py --list                             which there are

The cut rows need root (network namespaces) and are skipped without. Needs Java 17, Maven the first
time, HAProxy, faketime, and a program built with --features cql,planted-bugs."""

import dataclasses
import os
import pathlib
import sys

from fault_rows import LOADS, REFUSALS, ROWS
from fault_rows.row import Row
from rig import clock
from rig.cluster import Cluster
from rig.load import ENDLESS, Load
from rig.network import may_cut
from rig.options import bug, parser
from rig.verdict import CouldNotCheck, Red, Skipped, folder, run, say

SHORT = ["node-kill", "node-pause", "node-cut", "intake-kill", "lease-kill", "close-by-hand"]
# The tally leaves nothing out that this patience could miss: a contest is final within 60 s.
VERDICT_SECONDS = 240


@dataclasses.dataclass
class Pace:
    """Seconds before, during and after a fault, and how often it is done."""

    before: float
    down: float
    pause: float
    after: float
    kills: int


FULL_PACE, SHORT_PACE = Pace(8, 20, 15, 10, 10), Pace(2, 4, 8, 2, 2)


def voting(options, cluster, name):
    """The load of a row."""
    pace = ["--rate", options.rate] if options.rate else []
    words = [
        *ENDLESS,
        "--connections",
        options.connections,
        *pace,
        "--seed",
        options.seed,
        "--close",
        "--wait-final",
        *LOADS.get(name, ()),
    ]
    return Load(
        options.binary, cluster.folder, cluster.urls, f"row-{name}", *words, name=f"bench-{name}"
    )


def verdict(load, refusals):
    """The report of a row's load, if all is well."""
    if load.ended(VERDICT_SECONDS) is None:
        raise Red(f"no final count within {VERDICT_SECONDS} s")
    report = load.report()
    ballots, check = report["ballots"], report["check"]
    if ballots["unknown"] or ballots["not_recorded"] or set(ballots["refused"]) - refusals:
        raise Red(f"votes failed for good: {ballots}")
    if check["verdict"] == "not_checked":
        raise Red(f"not counted in time: {check}")
    if check["verdict"] != "equal":
        raise Red(
            f"{check['lost']:,} LOST, {check['extra']:,} TOO MANY of "
            f"{ballots['acknowledged']:,} acknowledged"
        )
    # What was refused after a request without a reply may be recorded. A late ballot beyond those
    # was acknowledged.
    late, unknown = check["ballots"]["late"], sum(line["unknown"] for line in check["choices"])
    if late > unknown:
        raise Red(f"{late:,} ballots are late, and only {unknown:,} had no reply")
    return report


class Table:
    """What was found, as a table in Markdown."""

    HEAD = (
        "fault",
        "acknowledged",
        "counted",
        "votes/s",
        "failed for good",
        "requests tried again",
        "longest without an acknowledgement",
        "duplicates, not counted",
        "also",
    )

    def __init__(self):
        self.lines, self.red, self.skipped = [], [], []

    def green(self, name, report, note):
        ballots, check = report["ballots"], report["check"]
        refused = ", ".join(f"{count:,} {problem}" for problem, count in ballots["refused"].items())
        failed = f"0; {refused}; {check['ballots']['late']:,} late" if refused else "0"
        self.line(
            name,
            [
                f"{ballots['acknowledged']:,}",
                f"{check['ballots']['counted']:,}, equal",
                f"{report['votes_per_second']:,.0f}",
                failed,
                f"{report['requests']['retries']:,}",
                f"{report['silence_ms_max'] / 1000:.1f} s",
                f"{check['ballots']['duplicate']:,}",
                note,
            ],
        )
        say(f"  {name}: {self.lines[-1]}")

    def failed(self, name, why):
        self.red.append(f"{name}: {why}")
        self.line(name, ["", "**RED**", "", "", "", "", "", str(why).splitlines()[0]])
        say(f"  {name}: RED: {why}")

    def skip(self, name, why):
        self.skipped.append(name)
        self.line(name, ["", "SKIPPED", "", "", "", "", "", why])
        say(f"  {name}: SKIPPED: {why}")

    def line(self, name, cells):
        self.lines.append(f"| {' | '.join([ROWS[name].__doc__.strip(), *cells])} |")

    def text(self):
        head = f"| {' | '.join(self.HEAD)} |"
        return "\n".join([head, "|" + " --- |" * len(self.HEAD), *self.lines])


def check(options):
    table = Table()
    why_not = may_cut()
    missing = {}
    if why_not:
        missing["node-cut"] = why_not
    if not clock.library():
        missing["clock"] = "libfaketime is not installed (Debian's package faketime)"
    if not can_inject(options.binary):
        missing["reply-lost"] = "the program is not built with --features planted-bugs"
    for name in missing:
        if name in options.rows:
            table.skip(name, missing[name])
    rows = [name for name in options.rows if name not in missing]
    if not rows:
        raise Skipped("; ".join(missing.values()))
    more = bug(options)
    pending = []
    with folder() as home:
        try:
            with Cluster(
                options.binary, home, not why_not, options.heap, more, quick=options.short
            ) as cluster:
                for name in rows:
                    break_one(options, cluster, table, name, pending)
                    if not options.short:
                        settle(table, pending)
                settle(table, pending)
        finally:
            if table.lines:
                say(f"\n{table.text()}\n")
                if options.report:
                    options.report.write_text(f"{table.text()}\n")
        if table.red:
            raise Red("; ".join(table.red))
        done = len(options.rows) - len(table.skipped)
        skipped = f"; skipped: {', '.join(table.skipped)}" if table.skipped else ""
        return f"{done} rows, acknowledged = counted in each, no vote failed for good{skipped}"


def can_inject(binary):
    """Whether the program has the fault wrapper's setting; one without ignores it."""
    return binary.exists() and b"LANDSLIDE_INJECT_FAULTS" in binary.read_bytes()


def break_one(options, cluster, table, name, pending):
    """Does one fault; its verdict comes later. In a short run a row is counted while the next is
    broken."""
    say(f"{name}: {ROWS[name].__doc__.strip()}")
    load = voting(options, cluster, name)
    row = Row(cluster, load, options.pace)
    try:
        cluster.open_contest(load.contest)
        load.start()
        load.until_it_votes()
        row.wait(options.pace.before)
        note = ROWS[name](row)
        row.wait(options.pace.after)
        # Every pause before a retry, and what a server asks for on top.
        load.stop_sending(7)
    except (Red, CouldNotCheck) as red:
        table.failed(name, red)
        load.kill()
        mend(cluster)
    else:
        pending.append((name, load, note))


def settle(table, pending):
    """Takes the verdicts that are due."""
    for name, load, note in pending:
        try:
            table.green(name, verdict(load, REFUSALS.get(name, set())), note)
        except Red as red:
            table.failed(name, red)
            load.kill()
    pending.clear()


def mend(cluster):
    """After a row that went wrong: the next one begins with everything there."""
    cluster.network.heal_all()
    for process in cluster.processes:
        process.resume()
        if not process.alive():
            process.start()
    for process in cluster.processes:
        process.until_ready()


def parse():
    options = parser(__doc__)
    options.add_argument("--rows", default=None, metavar="A,B", help="only these rows")
    options.add_argument("--list", action="store_true", help="say which rows there are")
    options.add_argument(
        "--short",
        action="store_true",
        help=f"seconds a row; {', '.join(SHORT)} unless --rows says which",
    )
    options.add_argument(
        "--connections", type=int, default=128, metavar="N", help="voters at once [128]"
    )
    options.add_argument(
        "--rate", type=float, metavar="N", help="votes a second [as many as the cluster takes]"
    )
    options.add_argument("--heap", default="1G", metavar="SIZE", help="of each Cassandra node [1G]")
    options.add_argument(
        "--seed",
        type=int,
        default=int.from_bytes(os.urandom(4)),
        metavar="N",
        help="of the votes [drawn, and printed]",
    )
    options.add_argument(
        "--report", type=pathlib.Path, metavar="FILE", help="write the table there, too"
    )
    chosen = options.parse_args()
    names = chosen.rows.split(",") if chosen.rows else SHORT if chosen.short else list(ROWS)
    if unknown := set(names) - set(ROWS):
        options.error(f"no such row: {', '.join(unknown)}; see --list")
    chosen.rows, chosen.pace = names, SHORT_PACE if chosen.short else FULL_PACE
    return chosen


if __name__ == "__main__":
    chosen = parse()
    if chosen.list:
        for row, function in ROWS.items():
            print(f"{row:<14} {function.__doc__.strip()}")
        sys.exit(0)
    say(f"seed {chosen.seed}")
    run(lambda: check(chosen))
