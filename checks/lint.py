#!/usr/bin/env python3
"""Lints all Python with ruff, and compares its layout with `ruff format`, as ruff.toml says.

ruff comes from PyPI, in a fixed version, into a cache folder of its own ($XDG_CACHE_HOME/landslide
or ~/.cache/landslide): that takes Python with venv.

    checks/lint.py
    checks/lint.py --fix          mends what ruff can mend, and lays the files out"""

import subprocess

from rig import installed
from rig.options import bare
from rig.verdict import ROOT, Red, run

PACKAGES = ["ruff==0.17.6"]


def parse():
    options = bare(__doc__)
    options.add_argument("--fix", action="store_true", help="mend what can be mended")
    return options.parse_args()


def check(options):
    folder = installed.once(PACKAGES, lambda folder: installed.python_packages(folder, PACKAGES))
    ruff = folder / "python/bin/ruff"
    steps = (
        ["check", "--quiet", *(["--fix"] if options.fix else [])],
        ["format", "--quiet", *([] if options.fix else ["--diff"])],
    )
    # Both, so that one run says all.
    bad = [
        step[0]
        for step in steps
        if subprocess.run([ruff, *step, "."], cwd=ROOT, check=False).returncode
    ]
    if bad:
        raise Red(f"ruff {' and ruff '.join(bad)}; checks/lint.py --fix mends some of it")
    return "ruff has nothing to say"


if __name__ == "__main__":
    chosen = parse()
    run(lambda: check(chosen))
