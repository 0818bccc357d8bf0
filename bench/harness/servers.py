"""The servers under test. Each starts on a free loopback port with a folder of its own on one and
the same file system, and is ended by its process id."""

import contextlib
import datetime
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "target" / "release" / "peers"
TOKEN = "bench-admin-token"
CONTEST = "tv-series"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


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
def process(command, stop=signal.SIGTERM, **more):
    child = subprocess.Popen([str(word) for word in command], **more)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(stop)
        try:
            child.wait(timeout=40)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def ready(command, **more):
    """Starts a server that says `ready http://ADDRESS`; gives its address."""
    with process(command, stdout=subprocess.PIPE, text=True, **more) as child:
        line = child.stdout.readline().strip()
        if not line.startswith("ready http://"):
            raise SystemExit(f"{command[0]} did not start: {line!r}")
        yield line.removeprefix("ready http://")


def until(check, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            if (found := check()) is not None:
                return found
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {seconds} s")


def call(address, path, method="GET", body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(f"http://{address}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read() or b"null")


class Peer:
    """One of `peers`. `counted` gives None where nothing is stored."""

    def __init__(self, address, counts):
        self.address = address
        self.counts = counts

    def counted(self):
        return call(self.address, "/counted") if self.counts else None


@contextlib.contextmanager
def null():
    with ready([PEERS, "null"]) as address:
        yield Peer(address, counts=False)


@contextlib.contextmanager
def redis():
    port = free_port()
    with folder() as data:
        command = [
            "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", data, "--save", "",
            "--appendonly", "yes", "--appendfsync", "always", "--logfile", data / "log",
        ]
        with process(command):
            until(lambda: socket.create_connection(("127.0.0.1", port)).close() or True, "redis")
            with ready([PEERS, "redis", f"redis://127.0.0.1:{port}"]) as address:
                yield Peer(address, counts=True)


@contextlib.contextmanager
def postgres():
    programs = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    # PostgreSQL refuses to run as root.
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    port = free_port()
    with folder() as data:
        if user:
            shutil.chown(data, "postgres", "postgres")
        command = [programs / "initdb", "--pgdata", data / "db", "--username", "bench",
                   "--auth", "trust", "--no-sync"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=data, **user)
        settings = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "",
            "fsync": "on", "synchronous_commit": "on", "shared_buffers": "512MB",
            "max_wal_size": "4GB", "logging_collector": "off",
        }
        command = [programs / "postgres", "-D", data / "db"]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(data / "log", "wb") as log, \
                process(command, stop=signal.SIGINT, stderr=log, cwd=data, **user):
            ping = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            until(lambda: subprocess.run(ping, check=True) and True, "postgres")
            config = f"host=127.0.0.1 port={port} user=bench dbname=postgres"
            with ready([PEERS, "postgres", config]) as address:
                yield Peer(address, counts=True)


class Landslide:
    def __init__(self, address, data, tally):
        self.address = address
        self.data = data
        self.tally = tally

    def admin(self, path, method="GET", body=None):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return call(self.address, f"/v1/admin/contests/{CONTEST}{path}", method, body, headers)

    def make_contest(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        hours = [now - datetime.timedelta(minutes=1), now + datetime.timedelta(hours=10)]
        opens_at, closes_at = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in hours]
        choices = [{"choice": f"series-{n:02}", "title": f"Series {n}"} for n in range(10)]
        self.admin("", "PUT", {
            "title": "Your favourite TV series", "opens_at": opens_at, "closes_at": closes_at,
            "results": "live", "choices": choices,
        })
        until(lambda: call(self.address, f"/v1/contests/{CONTEST}"), "the contest")

    def channel_key(self):
        return self.admin("/channels", "POST", {"channel": "sms"})["key"]

    def counts(self):
        """The counts row once everything acknowledged up to now is in it."""
        now = datetime.datetime.now(datetime.timezone.utc)

        def fresh():
            row = self.admin("/counts")
            through = datetime.datetime.fromisoformat(row["counted_through"].replace("Z", "+00:00"))
            return row if through >= now else None

        return until(fresh, "the counts", 300)

    def counted(self):
        return self.counts()["total"] if self.tally else None


def landslide_binary():
    return pathlib.Path(os.environ.get("BENCH_LANDSLIDE", ROOT / "target/release/landslide"))


@contextlib.contextmanager
def landslide(tally=True, data=None, new=True):
    """A node; with `data` on that folder, which then stays, else on one of its own."""
    with contextlib.ExitStack() as stack:
        data = data or stack.enter_context(folder())
        command = [landslide_binary(), "serve", "--listen", "127.0.0.1:0", "--data", data / "data"]
        if not tally:
            command += ["--roles", "intake,admin"]
        env = dict(os.environ, LANDSLIDE_ADMIN_TOKEN=TOKEN, LANDSLIDE_LOG="warn")
        log = stack.enter_context(open(data / "log", "ab"))
        node = Landslide(stack.enter_context(ready(command, env=env, stderr=log)), data, tally)
        if new:
            node.make_contest()
        yield node


def bytes_on_disk(path):
    """What the folder occupies, as `du` counts it."""
    return sum(one.lstat().st_blocks * 512 for one in pathlib.Path(path).rglob("*"))
