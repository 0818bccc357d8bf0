#!/usr/bin/env python3
"""Asks a node everything that its OpenAPI document says it answers, well formed and not, and holds
the replies against the document: with schemathesis, all of its checks on.

Contests in every state lie there: a draft, an open one, one that is over, one with hidden results.
The stream of results is left out, for it has no end.

schemathesis comes from PyPI, in a fixed version, into a cache folder of its own
($XDG_CACHE_HOME/landslide or ~/.cache/landslide): that takes Python with venv.

    checks/contract.py --binary target/debug/landslide
    checks/contract.py --binary target/debug/landslide --examples 200 --seed 7"""

import datetime
import os
import pathlib
import subprocess
import time

from rig import installed
from rig.calls import TOKEN
from rig.node import Node, written
from rig.options import parser
from rig.verdict import Red, folder, run

PACKAGES = ["schemathesis==4.32.5"]
CHOICES = [{"choice": "a", "title": "The first"}, {"choice": "b", "title": "The second"}]
# What a name in a path is taken from, half of the time: else all that is asked for is unknown.
RIG = pathlib.Path(__file__).with_name("rig")


def parse():
    options = parser(__doc__)
    options.add_argument(
        "--examples", type=int, default=25, metavar="N", help="a call and kind of input [25]"
    )
    options.add_argument("--seed", type=int, default=1, metavar="N", help="of what is sent [1]")
    options.add_argument("--only", metavar="PATH", help="one path of the document alone")
    return options.parse_args()


def contests(node):
    now = datetime.datetime.now(datetime.UTC)
    since, soon = (
        written(now - datetime.timedelta(hours=1)),
        written(now + datetime.timedelta(hours=9)),
    )
    hours = {"opens_at": since, "closes_at": soon}
    for slug, more in (
        ("draft", {}),
        ("open", {**hours, "results": "live"}),
        ("hidden", {**hours, "results": "hidden"}),
        (
            "over",
            {
                "opens_at": since,
                "closes_at": written(now + datetime.timedelta(seconds=2)),
                "results": "live",
            },
        ),
    ):
        node.admin("PUT", slug, {"title": f"It is {slug}", "choices": CHOICES, **more})
    deadline = time.monotonic() + 60
    while node.call("GET", "/v1/admin/contests/over/counts")[1].get("status") != "final":
        if time.monotonic() > deadline:
            raise Red("a contest that is over is not final within 60 s")
        time.sleep(0.2)


def check(options):
    tool = installed.once(PACKAGES, lambda at: installed.python_packages(at, PACKAGES))
    with folder() as home:
        # So many wrong tokens are sent on purpose that an address would soon be limited.
        with Node(options.binary, home, data=home / "data") as node:
            node.until_ready()
            contests(node)
            command = [
                tool / "python/bin/schemathesis",
                f"--config-file={RIG / 'schemathesis.toml'}",
                "run",
                f"{node.url}/openapi.json",
                "--checks=all",
                "--mode=all",
                f"--max-examples={options.examples}",
                f"--seed={options.seed}",
                "--workers=2",
                "--exclude-path=/v1/contests/{contest}/results/stream",
                f"--header=Authorization: Bearer {TOKEN}",
                "--request-timeout=10",
                "--suppress-health-check=all",
                "--no-color",
                "--continue-on-failure",
                *([f"--include-path={options.only}"] if options.only else []),
            ]
            done = subprocess.run(
                [str(word) for word in command],
                cwd=home,
                env={**os.environ, "SCHEMATHESIS_HOOKS": str(RIG / "contract_hooks.py")},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            (home / "schemathesis.log").write_text(done.stdout)
            node.must_live()
            node.must_stop()
        lines = done.stdout.strip().splitlines()
        if done.returncode:
            raise Red("\n".join(lines[-200:]))
    return f"every reply is as the document says: {lines[-1].strip(' =')}"


if __name__ == "__main__":
    arguments = parse()
    run(lambda: check(arguments))
