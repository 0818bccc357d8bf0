"""The servers under test. Each starts on a free loopback port with a folder of its own on one and
the same file system, and is ended by its process id."""

import contextlib
import datetime
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from rig.calls import call
from rig.load import CONTEST
from rig.node import Node, written
from rig.process import Process, Service, free_port, stopped_in_order
from rig.verdict import ROOT

PEERS = ROOT / "bench/target/release/peers"


@contextlib.contextmanager
def folder():
    """On disk: /var/tmp is not kept in memory."""
    path = tempfile.mkdtemp(prefix="landslide-bench-", dir="/var/tmp")
    os.chmod(path, 0o755)
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def ready(process, number=signal.SIGTERM):
    """A process that works; in the end it may finish what it does."""
    with stopped_in_order(process, number=number):
        process.until_ready()
        yield process


class Peer(Service):
    """One of `peers`. `counted` gives None where nothing is stored."""

    def __init__(self, home, *words, counts=True):
        super().__init__("peer", home, [PEERS, *words])
        self.counts = counts

    def counted(self):
        return int(call("GET", f"{self.url}/counted", seconds=60)[1]) if self.counts else None


@contextlib.contextmanager
def null():
    with folder() as home, ready(Peer(home, "null", counts=False)) as peer:
        yield peer


class Redis(Process):
    """Redis, with an fsync a write."""

    def __init__(self, home, port):
        self.port = port
        command = [
            "redis-server",
            "--port",
            port,
            "--bind",
            "127.0.0.1",
            "--dir",
            home,
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]
        super().__init__("redis", home, command)

    def ready(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False


@contextlib.contextmanager
def redis():
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    with folder() as home, ready(Redis(home, port)), ready(Peer(home, "redis", url)) as peer:
        yield peer


class Postgres(Process):
    """PostgreSQL, with an fsync a commit."""

    PROGRAMS = "/usr/lib/postgresql/*/bin"

    def __init__(self, home, port):
        self.port = port
        self.programs = pathlib.Path(max(glob.glob(self.PROGRAMS)))
        # PostgreSQL refuses to run as root.
        user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if user:
            shutil.chown(home, "postgres", "postgres")
        command = [
            self.programs / "initdb",
            "--pgdata",
            home / "db",
            "--username",
            "bench",
            "--auth",
            "trust",
            "--no-sync",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=home, **user)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "shared_buffers": "512MB",
            "max_wal_size": "4GB",
            "logging_collector": "off",
        }
        command = [self.programs / "postgres", "-D", home / "db"]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        super().__init__("postgres", home, command, cwd=home, **user)

    def ready(self):
        ping = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ping, check=False).returncode == 0


@contextlib.contextmanager
def postgres():
    port = free_port()
    config = f"host=127.0.0.1 port={port} user=bench dbname=postgres"
    with (
        folder() as home,
        ready(Postgres(home, port), signal.SIGINT),
        ready(Peer(home, "postgres", config)) as peer,
    ):
        yield peer


class Landslide(Node):
    """A node on a folder, with the contest that all sides are sent votes for."""

    def __init__(self, home, tally):
        self.tally = tally
        super().__init__(
            landslide_binary(), home, data=home / "data", roles=None if tally else "intake,admin"
        )

    def make_contest(self):
        now = datetime.datetime.now(datetime.UTC)
        hours = [now - datetime.timedelta(minutes=1), now + datetime.timedelta(hours=10)]
        opens_at, closes_at = map(written, hours)
        choices = [{"choice": f"series-{n:02}", "title": f"Series {n}"} for n in range(10)]
        self.admin(
            "PUT",
            CONTEST,
            {
                "title": "Your favourite TV series",
                "opens_at": opens_at,
                "closes_at": closes_at,
                "results": "live",
                "choices": choices,
            },
        )
        deadline = time.monotonic() + 60
        while not self.knows_open(CONTEST):
            if time.monotonic() > deadline:
                raise SystemExit("the contest is not there within 60 s")
            time.sleep(0.05)

    def channel_key(self):
        return self.admin("POST", f"{CONTEST}/channels", {"channel": "sms"})["key"]

    def row(self):
        """The counts row once everything acknowledged up to now is in it."""
        return self.counts_now(CONTEST, 300)

    def counted(self):
        return self.row()["total"] if self.tally else None


def landslide_binary():
    return pathlib.Path(os.environ.get("BENCH_LANDSLIDE", ROOT / "target/release/landslide"))


@contextlib.contextmanager
def another_build(program):
    """Meanwhile nodes are of this build."""
    before = os.environ.get("BENCH_LANDSLIDE")
    os.environ["BENCH_LANDSLIDE"] = str(program)
    try:
        yield
    finally:
        if before is None:
            del os.environ["BENCH_LANDSLIDE"]
        else:
            os.environ["BENCH_LANDSLIDE"] = before


@contextlib.contextmanager
def landslide(tally=True, home=None, new=True):
    """A node; with `home` in that folder, which then stays, else in one of its own."""
    with contextlib.ExitStack() as stack:
        node = Landslide(home or stack.enter_context(folder()), tally)
        stack.enter_context(ready(node))
        if new:
            node.make_contest()
        yield node


def bytes_on_disk(path):
    """What the folder occupies, as `du` counts it."""
    return sum(one.lstat().st_blocks * 512 for one in pathlib.Path(path).rglob("*"))
