"""Acknowledged against counted, choice by choice; and the count again, from the ballots alone."""

import subprocess

from rig.process import environment_without_ours
from rig.verdict import CouldNotCheck, Red, say


def compare(report, row):
    """What a load says was acknowledged against a counts row; the load's own verdict must be the
    same. Gives a sentence, or is red."""
    ballots, check = report["ballots"], report["check"]
    if check["verdict"] not in ("equal", "different"):
        raise CouldNotCheck(f"the load has not checked: {check}")
    if ballots["unknown"] or ballots["not_recorded"]:
        raise CouldNotCheck(f"ballots without an end: {ballots}")
    acknowledged = {line["choice"]: line["acknowledged"] for line in check["choices"]}
    differences = differ(acknowledged, votes_of(row))
    if ballots["refused"]:
        differences.append(f"good ballots were refused: {ballots['refused']}")
    if differences:
        raise Red("; ".join(differences))
    if check["verdict"] != "equal":
        raise Red(f"landslide bench says: {check}")
    return f"{ballots['acknowledged']:,} acknowledged = {row['total']:,} counted, choice by choice"


def votes_of(row):
    return {line["choice"]: line["votes"] for line in row["choices"]}


def differ(acknowledged, counted):
    """What is wrong with the counts, as sentences."""
    pairs = [
        (choice, acknowledged.get(choice, 0), counted.get(choice, 0))
        for choice in sorted(acknowledged.keys() | counted.keys())
    ]
    lost = sum(max(0, a - c) for _, a, c in pairs)
    extra = sum(max(0, c - a) for _, a, c in pairs)
    found = []
    if lost:
        found.append(f"{lost:,} votes LOST of {sum(acknowledged.values()):,} acknowledged")
    if extra:
        found.append(f"{extra:,} votes TOO MANY, counted more than once")
    for choice, a, c in pairs:
        if a != c:
            say(f"  {choice:<24} {a:>10,} acknowledged {c:>10,} counted {c - a:>+8,}")
    return found


def recount(binary, data, contest):
    """Counts again from the ballots alone; no node may be running."""
    command = [str(binary), "recount", contest, "--data", str(data)]
    done = subprocess.run(
        command,
        env=environment_without_ours(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise Red(f"recount exits with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return "recount agrees"
