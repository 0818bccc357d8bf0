"""The options that all checks have, and the bugs that they can switch on."""

import argparse
import pathlib

from rig.verdict import ROOT, say

EPILOG = "Exit code: 0 as promised (green), 1 not (red), 2 could not check."
# The bugs that a program built for it can have, and what else they need.
PLANTED = {
    "ack-before-commit": {},
    # Every n-th put of a batch fails.
    "ignore-write-error": {"LANDSLIDE_FAIL_COMMIT_EVERY": "50"},
    "count-retries-twice": {},
}


def bare(doc, epilog=EPILOG):
    """No options yet: the text of a script, shown as it is written."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=epilog
    )


def parser(doc):
    """Those of a check of the program."""
    options = bare(doc)
    options.add_argument(
        "--planted",
        choices=PLANTED,
        metavar="BUG",
        help=f"switch a bug on, one of {', '.join(PLANTED)}: red is then the right answer. Takes "
        f"a program built with --features planted-bugs, see checks/planted.py",
    )
    options.add_argument(
        "--binary",
        type=absolute,
        metavar="PATH",
        default=ROOT / "target/release/landslide",
        help="the program to check [target/release/landslide]",
    )
    return options


def absolute(path):
    return pathlib.Path(path).resolve()


def bug(options):
    """The environment that switches the planted bug on, if one is wanted."""
    if not options.planted:
        return {}
    say(f"with the planted bug {options.planted}")
    return {"LANDSLIDE_PLANTED_BUG": options.planted, **PLANTED[options.planted]}
