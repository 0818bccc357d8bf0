"""How a check says what it found: a last line, an exit code, and the evidence of a red one."""

import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GREEN, RED, COULD_NOT_CHECK = 0, 1, 2


class Red(Exception):
    """What was promised is not so."""


class CouldNotCheck(Exception):
    """The check itself did not come to an end."""


class ProcessFailed(CouldNotCheck):
    """A process ended although nobody told it to, or is not ready in time."""


class Skipped(Exception):
    """What the check needs is not here."""


def run(check):
    """Runs a check and exits. A check returns what it found as a sentence, or raises."""
    exit_when_told()
    started = time.monotonic()
    # As a reader says it: the file is kill_cycles.py.
    name = pathlib.Path(sys.argv[0]).stem.replace("_", "-")
    try:
        found, code, colour = check(), GREEN, "GREEN"
    except Red as red:
        found, code, colour = red, RED, "RED"
    except Skipped as skipped:
        found, code, colour = skipped, GREEN, "SKIPPED"
    except (CouldNotCheck, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        found, code, colour = f"{type(error).__name__}: {error}", COULD_NOT_CHECK, "COULD NOT CHECK"
    except KeyboardInterrupt:
        found, code, colour = "interrupted", 128 + signal.SIGINT, "COULD NOT CHECK"
    print(f"{colour} {name} ({time.monotonic() - started:.0f} s): {found}", flush=True)
    sys.exit(code)


def exit_when_told():
    """A program that is told to end ends what it started, as on Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # A shell's background job would ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def say(text):
    print(text, flush=True)


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
