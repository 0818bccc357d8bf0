"""What the checks share: a node and a load as processes of their own, ended by their process ids,
and the way a check says what it found."""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOKEN = "a token for checks"
CONTEST = "tv-series"
GREEN, RED, COULD_NOT_CHECK = 0, 1, 2
# The bugs that a program built for it can have, and what else they need.
PLANTED = {
    "ack-before-commit": {},
    # Every n-th commit of the store fails.
    "ignore-write-error": {"LANDSLIDE_FAIL_COMMIT_EVERY": "50"},
    "count-retries-twice": {},
}
# A node that has to read back its journal first, on a machine with other work.
START_SECONDS = 60


class Red(Exception):
    """What was promised is not so."""


class CouldNotCheck(Exception):
    """The check itself did not come to an end."""


class Skipped(Exception):
    """What the check needs is not here."""


class NotStarted(Exception):
    """A node ended before it took votes."""


def run(check):
    """Runs a check and exits. A check returns what it found as a sentence, or raises."""
    # A check that is told to end ends what it started, as on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # A shell's background job would ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    name = pathlib.Path(sys.argv[0]).name
    try:
        found, code, colour = check(), GREEN, "GREEN"
    except Red as red:
        found, code, colour = red, RED, "RED"
    except Skipped as skipped:
        found, code, colour = skipped, GREEN, "SKIPPED"
    except (CouldNotCheck, NotStarted, OSError, ValueError, KeyError) as error:
        found, code, colour = f"{type(error).__name__}: {error}", COULD_NOT_CHECK, "COULD NOT CHECK"
    except KeyboardInterrupt:
        found, code, colour = "interrupted", 128 + signal.SIGINT, "COULD NOT CHECK"
    print(f"{colour} {name} ({time.monotonic() - started:.0f} s): {found}", flush=True)
    sys.exit(code)


def parser(doc):
    """Options that all checks have."""
    options = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit code: 0 as promised (green), 1 not (red), 2 could not check.")
    options.add_argument(
        "--planted", choices=PLANTED, metavar="BUG",
        help=f"switch a bug on, one of {', '.join(PLANTED)}: red is then the right answer. Takes "
             f"a program built with --features planted-bugs, see checks/planted")
    options.add_argument(
        "--binary", type=lambda path: pathlib.Path(path).resolve(), metavar="PATH",
        default=ROOT / "target/release/landslide",
        help="the program to check [target/release/landslide]")
    return options


def bug(options):
    """The environment that switches the planted bug on, if one is wanted."""
    if not options.planted:
        return {}
    say(f"with the planted bug {options.planted}")
    return {"LANDSLIDE_PLANTED_BUG": options.planted, **PLANTED[options.planted]}


def say(text):
    print(text, flush=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def folder(keep_if_red=True):
    """A folder of its own, gone afterwards; unless the check is red: then it is evidence."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="landslide-check-"))
    try:
        yield path
    except BaseException as error:
        if keep_if_red and isinstance(error, Red):
            say(f"kept as evidence: {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)
        raise
    shutil.rmtree(path, ignore_errors=True)


class Process:
    """A process of its own session, so that a Ctrl-C is ours to pass on. Ended with its block."""

    def __init__(self, command, **more):
        words = [str(word) for word in command]
        self.child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()

    def ended(self, seconds):
        """Its exit code, or None if it goes on."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Node(Process):
    """A node on a folder. `log` is a path; what the node says on standard error goes there."""

    def __init__(self, binary, data, port, log, variables=None):
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("LANDSLIDE_")}
        environment |= {"LANDSLIDE_ADMIN_TOKEN": TOKEN, "LANDSLIDE_LOG": "warn",
                        "LANDSLIDE_DRAIN": "0s", **(variables or {})}
        with open(log, "ab") as errors:
            super().__init__([binary, "serve", "--listen", self.address, "--data", data],
                             env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)

    def until_ready(self):
        """Waits until it takes votes; says how many seconds that took."""
        started = time.monotonic()
        # The line comes or the process ends; a process that does neither is killed.
        os.set_blocking(self.child.stdout.fileno(), False)
        line = ""
        while not line.endswith("\n"):
            line += self.child.stdout.readline() or ""
            if self.child.poll() is not None:
                raise NotStarted(f"it ended with {self.child.returncode} before it took votes")
            if time.monotonic() > started + START_SECONDS:
                raise NotStarted(f"it takes no votes after {START_SECONDS} s")
            time.sleep(0.002)
        if not line.startswith("ready http://"):
            raise Red(f"no ready line, but {line!r}")
        return time.monotonic() - started

    def kill(self):
        """`kill -9`, and the end of it."""
        self.child.kill()
        self.child.wait()

    def stop(self):
        """SIGTERM; it must end in order."""
        self.child.terminate()
        code = self.ended(30)
        if code != 0:
            raise Red(f"told to end, it exited with {code} and not with 0 within 30 s")

    def call(self, method, path, body=None):
        """An administrator's call; gives status and document."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        payload = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, payload, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or b"null")

    def admin(self, method, path, body=None):
        status, document = self.call(method, f"/v1/admin/contests/{path}", body)
        if status not in (200, 201):
            raise CouldNotCheck(f"{method} {path}: {status} {document}")
        return document

    def counts_when(self, contest, wanted, what, seconds=120):
        """The counts row once it is as wanted."""
        deadline = time.monotonic() + seconds
        row = None
        while time.monotonic() < deadline:
            status, document = self.call("GET", f"/v1/admin/contests/{contest}/counts")
            if status == 200:
                row = document
                if wanted(row):
                    return row
            time.sleep(0.1)
        raise Red(f"{what}: not within {seconds} s; the last row was {row}")

    def counts_now(self, contest):
        """Counts that hold everything acknowledged until now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        return self.counts_when(contest, lambda row: instant(row["counted_through"]) > now,
                                "counts of now")

    def acknowledged(self):
        """Ballots that this process has acknowledged, from its metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as reply:
            lines = reply.read().decode().splitlines()
        values = [line.split()[-1] for line in lines
                  if line.startswith("landslide_ballots_acknowledged_total")]
        if not values:
            raise Red("/metrics does not say how many ballots were acknowledged")
        return int(float(values[0]))


def instant(text):
    """RFC 3339 in UTC, with any number of digits after the second."""
    seconds, _, digits = text.removesuffix("Z").partition(".")
    moment = datetime.datetime.fromisoformat(f"{seconds}+00:00")
    return moment + datetime.timedelta(microseconds=int(digits.ljust(6, "0")[:6]))


class Load(Process):
    """`landslide bench` against a node that may come and go: ten TV series, policy one, ballots
    that are sent again with the same id until they are acknowledged."""

    def __init__(self, binary, url, folder, seed, connections=64, duplicates="5%", cut="2%"):
        self.report = folder / "bench.json"
        self.log = folder / "bench.log"
        # Its end is the check's to say; long before its own.
        command = [
            binary, "bench", "--url", url, "--contest", CONTEST, "--connections", connections,
            "--duration", "2h", "--give-up-after", "1h", "--duplicates", duplicates, "--cut", cut,
            "--seed", seed, "--json",
        ]
        environment = dict(os.environ, LANDSLIDE_ADMIN_TOKEN=TOKEN)
        with open(self.report, "wb") as report, open(self.log, "wb") as log:
            super().__init__(command, env=environment, stdout=report, stderr=log)

    def until_it_votes(self, node, ballots=100):
        deadline = time.monotonic() + 30
        while node.acknowledged() < ballots:
            self.must_run()
            if time.monotonic() > deadline:
                raise CouldNotCheck("the load does not get its first ballots acknowledged")
            time.sleep(0.02)

    def must_run(self):
        if self.child.poll() is not None:
            raise CouldNotCheck(f"the load ended with {self.child.returncode}: "
                                f"{self.log.read_text(errors='replace')[-500:]}")

    def finish(self):
        """Lets every ballot under way come to its end, and gives the report."""
        self.must_run()
        # The longest pause before a retry is 5 s; all that wait shall have been tried once more.
        time.sleep(5.5)
        self.child.send_signal(signal.SIGINT)
        if self.ended(120) is None:
            raise CouldNotCheck("the load does not end")
        text = self.report.read_text()
        if not text:
            raise CouldNotCheck(self.log.read_text(errors="replace")[-500:])
        return json.loads(text)


def compare(report, row):
    """Acknowledged against counted, choice by choice; the load's own verdict must be the same.

    Gives a sentence, or is red."""
    ballots, check = report["ballots"], report["check"]
    if check["verdict"] not in ("equal", "different"):
        raise CouldNotCheck(f"the load has not checked: {check}")
    if ballots["unknown"] or ballots["not_recorded"]:
        raise CouldNotCheck(f"ballots without an end: {ballots}")
    acknowledged = {line["choice"]: line["acknowledged"] for line in check["choices"]}
    counted = {line["choice"]: line["votes"] for line in row["choices"]}
    differences = differ(acknowledged, counted)
    if ballots["refused"]:
        differences.append(f"good ballots were refused: {ballots['refused']}")
    if differences:
        raise Red("; ".join(differences))
    if check["verdict"] != "equal":
        raise Red(f"landslide bench says: {check}")
    return f"{ballots['acknowledged']:,} acknowledged = {row['total']:,} counted, choice by choice"


def differ(acknowledged, counted):
    """What is wrong with the counts, as sentences."""
    pairs = [(choice, acknowledged.get(choice, 0), counted.get(choice, 0))
             for choice in sorted(acknowledged.keys() | counted.keys())]
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
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300, check=False)
    if done.returncode != 0:
        raise Red(f"recount exits with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return "recount agrees"
