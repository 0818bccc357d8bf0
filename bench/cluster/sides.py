"""The sides, Landslide's cluster and designs of the lab, and one turn of one of them."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

from lab import servers as lab
from rig import cql
from rig.balancer import Balancer, SecureBalancer
from rig.cassandra import CQL_PORT
from rig.certificates import Certificates
from rig.cluster import KEYSPACE, ClusterNode
from rig.installed import need
from rig.load import Load
from rig.process import environment_without_ours, free_port, start_together

SHARDS = 16
TICKS = os.sysconf("SC_CLK_TCK")


class Wrong(Exception):
    """Acknowledged is not what is counted, or votes failed for good."""


class Side:
    """What votes are sent to."""

    name = ""
    # What the load does when it has sent its ballots.
    ending = ()

    def __init__(self, cluster):
        self.cluster = cluster

    def ready_for(self, contest):
        """Returns when votes of that contest are taken."""

    def processes(self):
        """Kind of process to those that work for this side; the load comes on top."""
        raise NotImplementedError

    def figures(self, contest):
        """What else is to be said of a turn."""
        return {}

    def turn(self, options, name, seconds, choices, connections=None, more=()):
        """Votes for so long; gives the figures, or raises if a vote is not counted, once."""
        contest = self.contest(f"{self.name}-{name}")
        self.ready_for(contest)
        folder = self.cluster.folder
        weights = ("--weights", lab.weights(folder)) if choices == "weighted" else ()
        load = Load(
            options.binary,
            folder,
            self.balancers,
            contest,
            "--connections",
            connections or options.connections,
            "--duration",
            f"{seconds}s",
            "--choices",
            choices,
            *weights,
            "--give-up-after",
            "5m",
            *self.ending,
            *more,
            name=f"bench-{contest}-{name}",
        )
        load.start()
        kinds = {"load": [load], **self.processes()}
        # The middle of it: neither the connecting nor the end.
        while "acknowledged" not in load.tail(1):
            load.must_live()
            time.sleep(0.1)
        before, began = spent(kinds), time.monotonic()
        time.sleep(max(1, seconds - 3))
        used = {kind: after - before[kind] for kind, after in spent(kinds).items()}
        elapsed = time.monotonic() - began
        said = load.report(600)
        check, ballots = said["check"], said["ballots"]
        failed = {what: ballots[what] for what in ("refused", "unknown", "not_recorded")}
        if check["verdict"] != "equal" or any(failed.values()):
            raise Wrong(f"{name}: {check}, {failed}")
        speed = said["votes_per_second"]
        return {
            "contest": contest,
            "votes_per_second": speed,
            "acknowledged": ballots["acknowledged"],
            "p50_ms": said["latency_ms"]["p50"],
            "p99_ms": said["latency_ms"]["p99"],
            "processor_us": {
                kind: round(seconds_used / elapsed / speed * 1e6, 1)
                for kind, seconds_used in used.items()
            },
            **self.figures(contest),
        }


class Landslide(Side):
    """The product as an operator runs it."""

    name = "landslide"
    ending = ("--close", "--wait-final")

    def __init__(self, cluster):
        super().__init__(cluster)
        self.balancers = cluster.urls

    def contest(self, name):
        return name

    def ready_for(self, contest):
        self.cluster.open_contest(contest, choices=lab_choices())

    def processes(self):
        cluster = self.cluster
        return {
            "balancers": cluster.balancers,
            "intakes": cluster.intakes,
            "tallies": cluster.tallies,
            "cassandra": cluster.cassandras,
        }

    def figures(self, contest):
        """The hottest shard, in batches written over the mean."""
        address = self.cluster.cassandra_addresses[0]
        written = [0] * SHARDS
        for shard in range(SHARDS):
            buckets = cql.query(
                address,
                f"SELECT bucket FROM {KEYSPACE}.buckets WHERE "
                f"contest = '{contest}' AND shard = {shard}",
                seconds=30,
            )
            for (bucket,) in buckets:
                number = int.from_bytes(bucket, "big", signed=True)
                [[count]] = cql.query(
                    address,
                    f"SELECT COUNT(*) FROM {KEYSPACE}.ballots WHERE contest = "
                    f"'{contest}' AND bucket = {number} AND shard = {shard}",
                    seconds=30,
                )
                written[shard] += int.from_bytes(count, "big")
        return {"batches": sum(written), "hottest_shard": max(written) * SHARDS / sum(written)}


class Secure(Landslide, contextlib.AbstractContextManager):
    """The same with TLS from the voters on: by two balancers that end it, in front of the cluster's
    intakes, or by intakes that do, behind balancers that pass it on. Use it as a block."""

    def __init__(self, cluster, name):
        super().__init__(cluster)
        self.name = name
        files = Certificates(need("openssl"), cluster.folder / name, ["127.0.0.1"])
        self.ending = ("--ca", files.authority, *Landslide.ending)
        self.intakes = cluster.intakes
        if passes_on := name == "tcp":
            more = {
                **cluster.more,
                "LANDSLIDE_TLS_CERTIFICATE": str(files.folder / "node.pem"),
                "LANDSLIDE_TLS_KEY": str(files.folder / "node-key.pem"),
                "LANDSLIDE_PROXY_PROTOCOL": "127.0.0.0/8",
            }
            self.intakes = [
                TlsNode(f"intake-tcp-{n}", cluster, f"127.0.0.1:{free_port()}", more)
                for n in (1, 2)
            ]
        self.secure = [
            SecureBalancer(
                f"haproxy-{name}-{n}",
                cluster.folder,
                f"127.0.0.1:{free_port()}",
                [node.address for node in self.intakes],
                cluster.network.nets,
                None if passes_on else files.node,
            )
            for n in (1, 2)
        ]
        self.balancers = [balancer.url for balancer in self.secure]

    def __enter__(self):
        try:
            if self.name == "tcp":
                start_together(self.intakes)
            start_together(self.secure)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in (*self.secure, *(self.intakes if self.name == "tcp" else ())):
            process.kill()

    def ready_for(self, contest):
        super().ready_for(contest)
        # Those that are not the cluster's read it within a second or two.
        time.sleep(3)

    def processes(self):
        return {**super().processes(), "balancers": self.secure, "intakes": self.intakes}


class TlsNode(ClusterNode):
    """An intake that is reached through a balancer in TCP mode alone: whether it is ready its log
    says. It answers administrators too, for the load asks it for the counts."""

    def __init__(self, name, cluster, address, more):
        super().__init__(
            name, cluster.binary, cluster.folder, address, "intake,admin", cluster.store, more
        )

    def ready(self):
        return "taking votes" in self.tail(20)


class Design(Side, contextlib.AbstractContextManager):
    """Two servers of one of the lab's designs, behind a balancer. Use it as a block."""

    def __init__(self, cluster, name):
        super().__init__(cluster)
        self.name = name
        hosts = ",".join(f"{host}:{CQL_PORT}" for host in cluster.cassandra_addresses)
        self.store = f"cql://{hosts}/{name.replace('-', '_')}"
        self.servers = [
            lab.LabServer(number, self.name, self.store, cluster.folder) for number in (1, 2)
        ]
        addresses = [server.address for server in self.servers]
        self.balancer = Balancer(
            f"haproxy-{name}",
            cluster.folder,
            f"127.0.0.1:{free_port()}",
            addresses,
            addresses,
            cluster.network.nets,
        )
        self.balancers = [self.balancer.url]

    def __enter__(self):
        if not lab.lab("schema", self.name, self.store):
            raise Wrong(f"no schema for {self.name}")
        try:
            start_together(self.servers)
            start_together([self.balancer])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in (self.balancer, *self.servers):
            process.kill()

    def contest(self, name):
        """It has one contest; a turn's count begins with what was there before."""
        return lab.CONTEST

    def processes(self):
        return {
            "balancers": [self.balancer],
            "intakes": self.servers,
            "cassandra": self.cluster.cassandras,
        }


def turns(landslide, tls, tcp, rows, memory):
    """Name, side, and how choices are drawn."""
    return [
        ("landslide", landslide, "weighted"),
        ("tls", tls, "weighted"),
        ("tcp", tcp, "weighted"),
        ("uniform", landslide, "uniform"),
        ("one-choice", landslide, "one:series-00"),
        ("rows", rows, "weighted"),
        ("memory", memory, "weighted"),
    ]


def lab_choices():
    """Those of the lab, so that both sides are sent the same."""
    return [{"choice": f"series-{n:02}", "title": f"Series {n}"} for n in range(lab.CHOICES)]


def spent(kinds):
    """Seconds of processor that the processes of each kind have used so far."""

    def of(process):
        fields = (
            pathlib.Path(f"/proc/{process.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        )
        return (int(fields[11]) + int(fields[12])) / TICKS

    return {kind: sum(map(of, processes)) for kind, processes in kinds.items()}


def recount(cluster, contest):
    """Ballots a second of `landslide recount` straight from Cassandra, its start included."""
    command = [cluster.binary, "recount", contest, "--json"]
    environment = {**environment_without_ours(), "LANDSLIDE_STORE": cluster.store}
    started = time.monotonic()
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )
    elapsed = time.monotonic() - started
    if done.returncode != 0:
        raise Wrong(f"recount: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    said = json.loads(done.stdout)
    return {"contest": contest, "seconds": elapsed, "said": said}
