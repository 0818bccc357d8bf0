#!/usr/bin/env python3
"""Holds every crate in the lock file against deny.toml: licence, bans, source; and against the
advisories that are known, where their database can be had or lies in the cache. Without a network
it may be old, and how old is said. LANDSLIDE_ADVISORY_DB names a clone of it that lies elsewhere.

Where cargo-deny is installed, this runs it too."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

from rig import advisories
from rig.verdict import ROOT, say


def allowed(expression, allow):
    """Whether an SPDX expression can be met by the allowed licences."""
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)
    words = []
    while tokens:
        token = tokens.pop(0)
        if tokens[:1] == ["WITH"]:
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        if token in ("(", ")"):
            words.append(token)
        elif token in ("AND", "OR"):
            words.append(token.lower())
        else:
            words.append(str(token in allow))
    return eval(" ".join(words), {"__builtins__": {}})  # only True, False, and, or, ( )


def main():
    deny = tomllib.loads((ROOT / "deny.toml").read_text())
    allow = set(deny["licenses"]["allow"])
    banned = {ban["crate"]: ban["reason"] for ban in deny["bans"]["deny"]}
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    faults = []
    for package in metadata["packages"]:
        name = f"{package['name']} {package['version']}"
        if package["source"] is None:
            faults += [
                f"{name}: {dependency['name']} has no version"
                for dependency in package["dependencies"]
                if dependency["req"] == "*" and dependency.get("path") is None
            ]
        elif not package["source"].startswith("registry+"):
            faults.append(f"{name}: not from the registry but {package['source']}")
        if not package["license"] or not allowed(package["license"], allow):
            faults.append(f"{name}: licence {package['license']}")
        if package["name"] in banned:
            faults.append(f"{name}: banned, {banned[package['name']]}")
    from_registry = [(p["name"], p["version"]) for p in metadata["packages"] if p["source"]]
    ignored = set(deny["advisories"].get("ignore", ()))
    known, remarks = advisories.findings(from_registry, ignored)
    faults += known
    for remark in remarks:
        say(f"remark: {remark}")
    if shutil.which("cargo-deny"):
        done = subprocess.run(["cargo", "deny", "check"], cwd=ROOT, check=False)
        faults += ["cargo deny is not content"] if done.returncode else []
    for fault in faults:
        print(fault)
    print(f"{len(metadata['packages'])} crates, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
