#!/usr/bin/env python3
"""Votes on a small disk until it is full, makes space, and goes on.

The disk is a tmpfs, which takes root to mount; without, the check is skipped, says so and exits
with 0. When the disk is full the node must stop acknowledging, say why on standard error and exit
with 3. With space again it must start, count all that was acknowledged, and take votes. The load
(`landslide bench`) retries all the while.

    checks/full_disk.py
    checks/full_disk.py --megabytes 64"""

import contextlib
import random
import shutil
import subprocess
import time

from rig import counts
from rig.load import CONTEST, voters
from rig.node import Node
from rig.options import bug, parser
from rig.process import free_port
from rig.verdict import CouldNotCheck, ProcessFailed, Red, Skipped, folder, run, say

STORE_FAILED = 3
MEGABYTES_LATER = 1024


def parse():
    options = parser(__doc__)
    options.add_argument(
        "--megabytes", type=int, default=20, metavar="N", help="size of the disk [20]"
    )
    options.add_argument(
        "--seed",
        type=int,
        default=random.randrange(2**32),
        metavar="N",
        help="of the votes [drawn, and printed]",
    )
    return options.parse_args()


@contextlib.contextmanager
def disk(path, megabytes):
    path.mkdir()
    try:
        mount(path, f"size={megabytes}m", "-t", "tmpfs", "landslide-check")
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skipped("nothing can be mounted here, which takes root") from error
    try:
        yield path
    finally:
        # Lazily: a file that is still open must not keep it there.
        subprocess.run(["umount", "--lazy", path], check=False)


def mount(path, how, *what):
    subprocess.run(["mount", *what, "-o", how, path], check=True, stderr=subprocess.DEVNULL)


def check(options):
    say(f"a disk of {options.megabytes} MB, seed {options.seed}")
    # Without other planted errors: the disk makes its own.
    variables = bug(options)
    variables.pop("LANDSLIDE_FAIL_COMMIT_EVERY", None)
    with (
        folder(keep_if_red=not options.planted) as home,
        disk(home / "disk", options.megabytes) as path,
    ):
        return fill(options, variables, home, path)


def fill(options, variables, home, disk_path):
    data, address = disk_path / "data", f"127.0.0.1:{free_port()}"

    def start():
        return Node(options.binary, home, data=data, address=address, variables=variables)

    with start() as node:
        node.until_ready()
        with voters(options.binary, home, node.url, options.seed, 256) as load:
            started = time.monotonic()
            code = until_it_ends(node, disk_path)
            load.must_live()
            say(f"full after {time.monotonic() - started:.0f} s")
            said = node.log.read_text(errors="replace")
            if code != STORE_FAILED:
                raise Red(f"it exited with {code} and not with {STORE_FAILED}: {said[-500:]}")
            reason = [
                line
                for line in said.splitlines()
                if "no space left" in line.lower() and "ERROR" in line
            ]
            if not reason:
                raise Red(f"it does not say why: {said[-500:]}")
            say(f"exit code {code}; it says:\n  {reason[-1]}")
            still_full(start)
            mount(disk_path, f"remount,size={MEGABYTES_LATER}m")
            say("space again")
            with start() as again:
                seconds = again.until_ready()
                load.until_taken_by(again, 10_000)
                report = load.finish()
                row = again.counts_now(CONTEST)
                say(f"requests: {report['requests']}")
                say(f"counts row: {row['ballots']}")
                found = counts.compare(report, row)
                later = again.acknowledged()
                again.must_stop()
    agrees = counts.recount(options.binary, data, CONTEST)
    return (
        f"full: exit code {code} and the reason; with space: started in {seconds:.1f} s, "
        f"{later:,} acknowledged since; {found}; {agrees}"
    )


def until_it_ends(node, disk_path):
    """Waits for the node's end, which the disk must bring; gives its exit code."""
    free, since = None, time.monotonic()
    deadline = since + 180
    while (code := node.ended(0.5)) is None:
        now = time.monotonic()
        total, _, free_now = shutil.disk_usage(disk_path)
        if free_now != free:
            free, since, at_first = free_now, now, node.acknowledged()
        elif free < total / 20 and now > since + 10 and node.acknowledged() > at_first + 1_000:
            raise Red(
                f"LOST: it goes on acknowledging, and the disk has been full for 10 s "
                f"({free:,} bytes free)"
            )
        elif now > deadline:
            raise CouldNotCheck("the disk is not full after 3 minutes")
    return code


def still_full(start):
    """A start without space may fail, with a sentence, or not; it must not do harm, which the
    counts show in the end."""
    with start() as node:
        try:
            node.until_ready()
            code = node.ended(2)
            then = "and goes on" if code is None else f"and ended with {code}"
            say(f"started while full: ready, {then}")
            if code not in (None, STORE_FAILED):
                raise Red(f"started while full it exited with {code}")
        except ProcessFailed as error:
            say(f"started while full: {error}")


if __name__ == "__main__":
    chosen = parse()
    run(lambda: check(chosen))
