#!/usr/bin/env python3
"""Shows that the other checks can fail: builds a program with planted bugs, switches them on, and
expects red.

    checks/planted.py                       builds, then tries all (2 minutes after the build)
    checks/planted.py --bug ack-before-commit --binary target/planted/landslide"""

import shutil
import subprocess
import sys

from rig.options import PLANTED, absolute, bare
from rig.process import Process, stopped_in_order
from rig.verdict import GREEN, RED, ROOT, CouldNotCheck, Red, folder, run, say

# Bug, the check that must catch it, and the word of its finding.
CASES = [
    ("ack-before-commit", ["kill_cycles.py", "--cycles", "4"], "LOST"),
    ("ignore-write-error", ["kill_cycles.py", "--cycles", "2"], "LOST"),
    ("ignore-write-error", ["full_disk.py", "--megabytes", "10"], "LOST"),
    ("count-retries-twice", ["kill_cycles.py", "--cycles", "2"], "TOO MANY"),
    ("count-retries-twice", ["burlington.py"], "TOO MANY"),
]
PROGRAM = ROOT / "target/planted/landslide"
SECONDS_MAX = 300


def parse():
    options = bare(__doc__, "Exit code: 0 all were caught, 1 one was not, 2 could not check.")
    options.add_argument(
        "--binary",
        type=absolute,
        metavar="PATH",
        help="a program with planted bugs, instead of building it",
    )
    options.add_argument(
        "--bug", choices=PLANTED, action="append", metavar="BUG", help="only this one"
    )
    options.add_argument(
        "--features",
        default="",
        metavar="A,B",
        help="what else to build, so that libraries are not built twice",
    )
    options.add_argument("--profile", default="dev", help="cargo's profile to build with [dev]")
    return options.parse_args()


def build(profile, features):
    """Builds in the usual target folder, for its libraries, and takes the program elsewhere."""
    cargo = [
        "cargo",
        "build",
        "--quiet",
        "--locked",
        "--package",
        "landslide",
        "--profile",
        profile,
    ]
    wanted = [feature for feature in features.split(",") if feature]
    say(f"building with planted bugs, profile {profile}")
    try:
        subprocess.run(
            [*cargo, "--features", ",".join([*wanted, "planted-bugs"])], cwd=ROOT, check=True
        )
        built = ROOT / "target" / ("debug" if profile == "dev" else profile) / "landslide"
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(built, PROGRAM)
    finally:
        # No program with bugs may stay under the usual name.
        usual = ["--features", ",".join(wanted)] if wanted else []
        subprocess.run([*cargo, *usual], cwd=ROOT, check=True)
    return PROGRAM


def catches(bug, check, expected, binary):
    """`caught` if the check turns red, and for the right reason; `skipped`; or `NOT CAUGHT`."""
    script, *arguments = check
    command = [
        sys.executable,
        ROOT / "checks" / script,
        *arguments,
        "--planted",
        bug,
        "--binary",
        binary,
    ]
    with folder(keep_if_red=False) as home:
        output = home / "found"
        # Told to end, it ends what it started.
        with stopped_in_order(Process("check", home, command, output=output), 30) as process:
            code = process.ended(SECONDS_MAX)
        lines = output.read_text().splitlines() or process.tail().splitlines() or [""]
    if code is None:
        raise CouldNotCheck(f"{script} is not through after {SECONDS_MAX} s")
    is_skipped = code == GREEN and lines[-1].startswith("SKIPPED")
    is_caught = code == RED and expected in lines[-1]
    verdict = "skipped" if is_skipped else "caught" if is_caught else "NOT CAUGHT"
    say(f"{verdict}: {bug} by {script}")
    for line in lines[-1:] if is_caught or is_skipped else lines:
        say(f"    {line}")
    return verdict


def check(options):
    binary = options.binary or build(options.profile, options.features)
    cases = [case for case in CASES if not options.bug or case[0] in options.bug]
    verdicts = [catches(*case, binary) for case in cases]
    counts = {verdict: verdicts.count(verdict) for verdict in ("caught", "skipped", "NOT CAUGHT")}
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    if counts["NOT CAUGHT"]:
        raise Red(found)
    return found


if __name__ == "__main__":
    chosen = parse()
    run(lambda: check(chosen))
