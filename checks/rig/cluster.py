"""A cluster of a check's own: Cassandra nodes, intakes, tally workers and balancers, each a process
that can be started, killed, paused and cut off, and all gone afterwards."""

import csv
import json
import pathlib
import signal
import subprocess
import time

from rig import cql
from rig.balancer import Balancer
from rig.calls import call, get
from rig.cassandra import CQL_PORT, Cassandra
from rig.network import NODE_PORT, Network
from rig.node import Node
from rig.process import environment_without_ours, start_together
from rig.verdict import ROOT, CouldNotCheck, ProcessFailed, say

KEYSPACE = "landslide"
CASSANDRAS, INTAKES, TALLIES, BALANCERS = 3, 2, 2, 2


class ClusterNode(Node):
    """A node on the cluster's store. It is ready when a balancer may send voters there."""

    start_seconds_max = 90
    look_seconds = 0.1

    def __init__(self, name, binary, folder, address, roles, store, more, prefix=()):
        variables = {
            "LANDSLIDE_STORE": store,
            "LANDSLIDE_NODE": name,
            "LANDSLIDE_LOG": "info",
            "LANDSLIDE_DRAIN": "3s",
            **more,
        }
        super().__init__(
            binary,
            folder,
            name=name,
            address=address,
            roles=roles,
            variables=variables,
            prefix=prefix,
        )

    def ready(self):
        return super().ready() and get(f"{self.url}/readyz")[0] == 200

    def until_ready(self, seconds=None):
        """A node that does not reach its store when it starts ends, and a supervisor starts it
        again."""
        deadline = time.monotonic() + (seconds or self.start_seconds_max)
        while True:
            try:
                return super().until_ready(max(1, deadline - time.monotonic()))
            except ProcessFailed:
                if (
                    self.alive()
                    or time.monotonic() > deadline
                    or "store is unavailable" not in self.tail(1)
                ):
                    raise
                say(f"  {self.name} did not reach its store; it is started again")
                self.start()


class Cluster:
    """Three Cassandra nodes, two intakes, two tally workers, two balancers. Use it as a block."""

    def __init__(self, binary, folder, with_namespaces, heap="1G", more=None, quick=False):
        self.binary, self.folder = pathlib.Path(binary), pathlib.Path(folder)
        if not self.binary.exists():
            raise CouldNotCheck(f"{self.binary} is not built")
        self.network = Network(with_namespaces)
        try:
            self.describe(heap, more, quick)
        except BaseException:
            self.network.remove()
            raise

    def describe(self, heap, more, quick):
        """Says what each process is; starts none."""
        at = self.network.address
        self.cassandra_addresses = [at(number) for number in range(1, CASSANDRAS + 1)]
        hosts = ",".join(f"{host}:{CQL_PORT}" for host in self.cassandra_addresses)
        self.store = f"cql://{hosts}/{KEYSPACE}?replication={CASSANDRAS}"
        self.more = {
            "LANDSLIDE_TRUSTED_PROXIES": ",".join(self.network.nets),
            # All votes of a check come from one address.
            "LANDSLIDE_BALLOTS_PER_SECOND": "1000000",
            "LANDSLIDE_BALLOTS_BURST": "1000000",
            **(more or {}),
        }
        self.cassandras = [
            Cassandra(
                index,
                self.cassandra_addresses,
                self.folder,
                heap,
                prefix=self.network.prefix_of(address),
                quick=quick,
            )
            for index, address in enumerate(self.cassandra_addresses)
        ]
        self.intakes = [self.intake(n, at(10 + n)) for n in range(1, INTAKES + 1)]
        self.tallies = [
            ClusterNode(
                f"tally-{n}",
                self.binary,
                self.folder,
                self.network.outside(20 + n),
                "tally,admin",
                self.store,
                self.more,
            )
            for n in range(1, TALLIES + 1)
        ]
        self.balancers = [
            Balancer(
                f"haproxy-{n}",
                self.folder,
                self.network.outside(30 + n),
                [node.address for node in self.intakes],
                [node.address for node in self.tallies],
                self.network.nets,
            )
            for n in range(1, BALANCERS + 1)
        ]

    def intake(self, number, host):
        return ClusterNode(
            f"intake-{number}",
            self.binary,
            self.folder,
            f"{host}:{NODE_PORT}",
            "intake",
            self.store,
            self.more,
            self.network.prefix_of(host),
        )

    @property
    def processes(self):
        return [*self.balancers, *self.intakes, *self.tallies, *self.cassandras]

    @property
    def urls(self):
        return [balancer.url for balancer in self.balancers]

    def __enter__(self):
        try:
            seconds = start_together(self.cassandras)
            say(f"{CASSANDRAS} Cassandra nodes: {seconds:.0f} s")
            self.apply_schema()
            nodes = [*self.intakes, *self.tallies]
            seconds = start_together(nodes)
            seconds += start_together(self.balancers)
            say(
                f"{INTAKES} intakes, {TALLIES} tally workers, {BALANCERS} balancers: "
                f"{seconds:.0f} s"
            )
            return self
        except BaseException:
            self.end()
            raise

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Ends all by their process ids and takes the network away."""
        # A second signal must not leave half of it behind.
        before = {
            number: signal.signal(number, signal.SIG_IGN)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            for process in self.processes:
                process.kill()
            self.network.remove()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def apply_schema(self):
        """`landslide schema --apply`, as an operator does."""
        environment = {**environment_without_ours(), "LANDSLIDE_STORE": self.store}
        command = [self.binary, "schema", "--apply"]
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise CouldNotCheck(
                f"landslide schema --apply: {done.stdout[-1000:]}{done.stderr[-2000:]}"
            )

    def admin(self, method, path, body=None):
        """An administrator's call through whichever balancer answers; status and document."""
        status, text = 0, ""
        for url in self.urls:
            status, text = call(method, f"{url}/v1/admin/{path}", body)
            if status not in (0, 502, 503, 504):
                break
        try:
            return status, json.loads(text or "null")
        except ValueError:
            return status, text

    def open_contest(self, contest, seconds=60, choices=None):
        """Makes a contest, of ten TV series unless said otherwise, and opens it; returns when every
        node knows."""
        choices = choices or tv_series()
        definition = {"title": "Your favourite TV series", "results": "live", "choices": choices}
        deadline = time.monotonic() + seconds
        steps = [
            lambda: self.admin("PUT", f"contests/{contest}", definition)[0] in (200, 201),
            lambda: self.admin("POST", f"contests/{contest}/open")[0] == 200,
            *(
                lambda node=node: node.knows_open(contest)
                for node in [*self.intakes, *self.tallies]
            ),
        ]
        for step in steps:
            while not step():
                if time.monotonic() > deadline:
                    raise CouldNotCheck(f"the contest {contest} is not open within {seconds} s")
                time.sleep(0.2)

    def holder(self, contest, seconds=30):
        """The tally worker that holds a contest's lease."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            name = holder_of_lease(
                self.cassandra_addresses, contest, [node.name for node in self.tallies]
            )
            for node in self.tallies:
                if node.name == name:
                    return node
            time.sleep(0.2)
        raise CouldNotCheck(f"nobody holds the lease of {contest}")

    def whole_again(self, seconds=120):
        """Waits until every Cassandra node sees every replica; gives the seconds it took."""
        started = time.monotonic()
        for address in self.cassandra_addresses:
            while not sees_all(address):
                if time.monotonic() > started + seconds:
                    raise CouldNotCheck(
                        f"Cassandra at {address} still misses a replica after {seconds} s"
                    )
                time.sleep(0.2)
        return time.monotonic() - started


def tv_series():
    with open(ROOT / "load/data/tv-series.csv", encoding="utf-8") as table:
        return [
            {"choice": line["choice"], "title": line["title"]} for line in csv.DictReader(table)
        ]


def sees_all(address):
    try:
        cql.query(address, f"SELECT key FROM {KEYSPACE}.documents LIMIT 1", consistency=cql.ALL)
        return True
    except (OSError, cql.Refused):
        return False


def holder_of_lease(addresses, contest, names):
    """Looks into the control documents."""
    for address in addresses:
        try:
            rows = cql.query(
                address, f"SELECT body FROM {KEYSPACE}.documents WHERE key = 'lease/{contest}'"
            )
        except (OSError, cql.Refused):
            continue
        for cell in (row[0] for row in rows if row[0]):
            return next((name for name in names if name.encode() in cell), None)
    return None
