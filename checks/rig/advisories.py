"""Known faults of libraries: RustSec's database, kept in the user's cache and brought up to date
where that can be done. Without a network it is as old as it is, and that is said."""

import datetime
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tomllib

from rig import installed
from rig.verdict import say

DATABASE = "https://github.com/RustSec/advisory-db"
PACKAGES = ["semantic-version==2.10.0"]
# A network that is there answers sooner; one that isn't must not hold up everything else.
FETCH_SECONDS = 60


def database():
    """The git directory of the database; None where there is none yet and none can be had."""
    named = os.environ.get("LANDSLIDE_ADVISORY_DB")
    if named:
        return pathlib.Path(named)
    folder = installed.cache() / "advisory-db"
    if (folder / "HEAD").exists():
        done = git(folder, "fetch", "--quiet", "--depth=1", "origin", "+HEAD:refs/heads/main")
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        clone = ["clone", "--quiet", "--bare", "--depth=1", "--branch=main", DATABASE, str(folder)]
        done = git(None, *clone)
    if done.returncode:
        say("the database of advisories cannot be brought up to date")
    return folder if (folder / "HEAD").exists() else None


def git(folder, *words):
    command = ["git", *(["-C", str(folder)] if folder else []), *words]
    # Nobody is there to type a password.
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, b"", b"")


def age(folder):
    """When the database was last changed."""
    return datetime.date.fromisoformat(
        git(folder, "log", "-1", "--format=%cs").stdout.decode().strip()
    )


def advisories(folder):
    """Package to what is known of it; withdrawn ones left out."""
    files = git(folder, "archive", "--format=tar", "HEAD", "crates").stdout
    known = {}
    with tarfile.open(fileobj=io.BytesIO(files)) as tar:
        for member in tar:
            if not member.isfile() or not member.name.endswith(".md"):
                continue
            text = tar.extractfile(member).read().decode()
            one = tomllib.loads(text.split("```toml", 1)[1].split("```", 1)[0])
            title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), "")
            if "withdrawn" not in one["advisory"]:
                one["title"] = title
                known.setdefault(one["advisory"]["package"], []).append(one)
    return known


def findings(packages, ignored):
    """What is known of these (name, version): faults, and what is merely said of others."""
    folder = database()
    if folder is None:
        say("NOT CHECKED: advisories, for there is no database of them here and no network")
        return [], []
    days = (datetime.datetime.now(datetime.UTC).date() - age(folder)).days
    known = advisories(folder)
    say(f"{sum(map(len, known.values()))} advisories, the newest {days} days old")
    version, spec = semantic_version()
    faults, remarks = [], []
    for name, text in packages:
        for one in known.get(name, ()):
            head, versions = one["advisory"], one.get("versions", {})
            fine = [*versions.get("patched", ()), *versions.get("unaffected", ())]
            if head["id"] in ignored or any(
                version(text) in spec(ranges.replace(" ", "")) for ranges in fine
            ):
                continue
            said = f"{name} {text}: {head['id']}, {one['title']}"
            (remarks if "informational" in head else faults).append(said)
    return faults, remarks


def semantic_version():
    """Versions and ranges of them, as cargo has them."""
    folder = installed.once(PACKAGES, lambda at: installed.python_packages(at, PACKAGES))
    [site] = folder.glob("python/lib/python3*/site-packages")
    sys.path.insert(0, str(site))
    import semantic_version as library

    return library.Version, library.SimpleSpec
