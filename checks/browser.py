#!/usr/bin/env python3
"""The pages in a real browser: Playwright on Chromium, against nodes that are killed, restarted and
cut off.

Each file browser/*.test.mjs has the cases of one theme, and a node and a browser of its own; two
run at the same time. playwright-core and axe-core come from npm, in the versions of
package-lock.json, into a cache folder of their own ($XDG_CACHE_HOME/landslide or
~/.cache/landslide). Chromium is the system's: `apt-get install chromium`, or where
$LANDSLIDE_CHROMIUM says.

    checks/browser.py --binary target/debug/landslide
    checks/browser.py --binary target/debug/landslide --only embed
    checks/browser.py --binary target/debug/landslide --pictures /tmp/pictures"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from rig import installed
from rig.options import parser
from rig.verdict import ROOT, CouldNotCheck, Red, folder, run, say

CASES = ROOT / "checks/browser"

# The names that Chromium goes by.
CHROMIUM = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
# What playwright-core asks for.
NODE_VERSION_MIN = 20
# The suite takes minutes; past this something hangs.
SECONDS_MAX = 900
SECONDS_TO_END = 15


def modules():
    """Installs the packages, once for each lock file; gives the folder that they are in."""

    def install(folder):
        if not shutil.which("npm"):
            raise CouldNotCheck("no npm here: install the package npm")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CASES / name, folder)
        installed.must_do(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder)

    lock = hashlib.sha256((CASES / "package-lock.json").read_bytes()).hexdigest()[:8]
    wanted = json.loads((CASES / "package.json").read_text())["dependencies"]
    return installed.once(
        [*(f"{name}-{version}" for name, version in wanted.items()), lock], install
    )


def must_have_node():
    command = ["node", "--version"]
    version = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    if int(re.match(r"v(\d+)", version)[1]) < NODE_VERSION_MIN:
        raise CouldNotCheck(f"Node {NODE_VERSION_MIN} or later is needed, here is {version}")


def chromium():
    given = os.environ.get("LANDSLIDE_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        raise CouldNotCheck(
            "no Chromium here: apt-get install chromium, or say where it is in $LANDSLIDE_CHROMIUM"
        )
    return found


def files(only, pictures):
    """The files of cases; those that `only` names, by their name or by that of a case."""
    if pictures:
        return [CASES / "pictures.mjs"], only
    everything = sorted(CASES.glob("*.test.mjs"))
    by_name = [path for path in everything if only and only in path.name]
    return (by_name, None) if by_name else (everything, only)


def run_cases(environment, options, log):
    """Runs them, shows each as it ends; gives what there was to say of each."""
    paths, pattern = files(options.only, options.pictures)
    command = [
        "node",
        "--test",
        "--test-concurrency=2",
        "--test-reporter=tap",
        *([f"--test-name-pattern={re.escape(pattern)}"] if pattern else []),
        *map(str, paths),
    ]
    # In a group of its own, so that nothing of it is left behind.
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS_MAX)
    cases, lines = [], []
    try:
        for line in child.stdout:
            lines.append(line)
            case = re.match(r"(?P<bad>not )?ok \d+ - (?P<name>.*?)(?P<skipped> # SKIP.*)?$", line)
            millis = re.match(r"\s+duration_ms: ([\d.]+)", line)
            if case:
                cases.append(dict(case.groupdict(), seconds=0.0, said=[], noted=[]))
            elif cases and millis and not cases[-1]["seconds"]:
                cases[-1]["seconds"] = float(millis[1]) / 1000
                show(cases[-1])
            elif cases and cases[-1]["bad"]:
                cases[-1]["said"].append(line.rstrip())
            elif cases and re.match(
                r"# (?!Subtest|tests |suites |pass |fail |cancelled |skipped |todo |"
                r"duration_ms )",
                line,
            ):
                # What a case found out beside its result, such as the table of bytes.
                cases[-1]["noted"].append(line[2:].rstrip())
                say(f"           {line[2:].rstrip()}")
        code = child.wait()
    finally:
        signal.alarm(0)
        end(child)
        log.write_text("".join(lines))
    return cases, code


def too_long(*_):
    raise Red(f"not through after {SECONDS_MAX} s")


def end(child):
    """Ends the whole group: the tests, their nodes and browsers."""
    for sign, seconds in ((signal.SIGTERM, SECONDS_TO_END), (signal.SIGKILL, SECONDS_TO_END)):
        if child.poll() is not None:
            return
        os.killpg(child.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(seconds)


def show(case):
    result = "RED" if case["bad"] else "left out" if case["skipped"] else "ok"
    say(f"  {result:<8} {case['seconds']:6.1f} s  {case['name']}")


def check(options):
    must_have_node()
    environment = {
        **os.environ,
        "LANDSLIDE_BINARY": str(options.binary),
        "LANDSLIDE_CHROMIUM": chromium(),
        "LANDSLIDE_BROWSER_MODULES": str(modules()),
    }
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        environment["LANDSLIDE_PICTURES"] = str(options.pictures.resolve())
    with folder() as home:
        log = home / "browser.tap"
        started = time.monotonic()
        cases, code = run_cases(environment, options, log)
        seconds = time.monotonic() - started
        if options.report:
            options.report.write_text(report(cases, seconds))
        bad = [case for case in cases if case["bad"]]
        for case in bad:
            say("\n".join([f"RED: {case['name']}", *case["said"][:40]]))
        if bad or code:
            raise Red(f"{len(bad)} of {len(cases)} cases, node exits with {code}")
    done = [case for case in cases if not case["skipped"]]
    if not done:
        raise CouldNotCheck(f"no case is called {options.only}")
    return f"{len(done)} cases in {seconds:.0f} s"


def report(cases, seconds):
    """The table of cases, as Markdown, and what they noted."""
    rows = [
        f"| {case['name']} | {'RED' if case['bad'] else 'left out' if case['skipped'] else 'ok'} "
        f"| {case['seconds']:.1f} |"
        for case in cases
    ]
    noted = ["", "```", *(line for case in cases for line in case["noted"]), "```"]
    return "\n".join(
        [
            "| case | result | seconds |",
            "| --- | --- | ---: |",
            *rows,
            "",
            f"{len(cases)} cases in {seconds:.0f} s",
            *noted,
            "",
        ]
    )


def parse():
    options = parser(__doc__)
    options.add_argument("--only", metavar="NAME", help="a file or cases with NAME in their name")
    options.add_argument(
        "--pictures",
        type=pathlib.Path,
        metavar="DIR",
        help="instead: makes pictures of the pages, in this folder",
    )
    options.add_argument(
        "--report", type=pathlib.Path, metavar="FILE", help="writes the table of cases, as Markdown"
    )
    return options.parse_args()


if __name__ == "__main__":
    arguments = parse()
    run(lambda: check(arguments))
