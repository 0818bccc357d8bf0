"""Programs that a check needs: the system's, named with their packages, and those that are
installed once into the user's cache ($XDG_CACHE_HOME/landslide or ~/.cache/landslide)."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from rig.verdict import CouldNotCheck, say

# Debian's names.
PACKAGES = {
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "openssl": "openssl",
}


def need(command):
    """The path of a program, or which package has it."""
    path = shutil.which(command)
    if not path:
        package = PACKAGES.get(command, command)
        raise CouldNotCheck(f"{command} is not installed (Debian's package {package})")
    return path


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "landslide"


def once(names, install):
    """The folder that has all of these, with their versions; `install` fills it the first time."""
    folder = cache() / re.sub(r"[^\w.-]+", "-", "-".join(names))
    # A folder that was left half full is not taken for good.
    if not (folder / "complete").exists():
        say(f"installing {', '.join(names)}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        (folder / "complete").touch()
    return folder


def python_packages(folder, packages):
    """Packages of PyPI, in an environment of their own within a folder of the cache."""
    must_do([sys.executable, "-m", "venv", folder / "python"])
    must_do([folder / "python/bin/pip", "install", "--quiet", *packages])


def must_do(command, **more):
    """A step of an installation."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, **more)
    if done.returncode:
        raise CouldNotCheck(f"{' '.join(words[:2])}: {done.stderr.strip()[-500:]}")
