"""What runs: the cluster, two servers of a design, and the load; ended by their process ids."""

import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.request

from rig import load
from rig.cassandra import CQL_PORT, GOSSIP_PORT, Cassandra, free_network
from rig.process import Process, free_port, start_together
from rig.verdict import ROOT, ProcessFailed

LAB = ROOT / "bench/target/release/lab"
CONTEST = "tv-series"
CHOICES = 10
# The product's own budget for a ballot is as long as a voter's patience; the lab waits until each
# one's end is known, so that no ballot is in doubt.
GIVE_UP_AFTER = "5m"


class Cluster:
    """Three nodes of Cassandra, three replicas, acknowledged after fsync."""

    def __init__(self, folder, heap, network=None):
        self.addresses = [f"{network}.{last}" for last in (1, 2, 3)] if network else free_network(3)
        self.nodes = [Cassandra(n, self.addresses, folder, heap=heap) for n in range(3)]

    def __enter__(self):
        try:
            start_together(self.nodes)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()

    def url(self, keyspace):
        hosts = ",".join(f"{address}:{CQL_PORT}" for address in self.addresses)
        return f"cql://{hosts}/{keyspace}"

    def until_whole(self):
        for node in self.nodes:
            if not node.alive():
                node.start()
            node.until_ready()

    def bytes_sent(self):
        """Bytes that open connections have carried to the nodes, of clients and of one another.

        None without `ss`."""
        ss = shutil.which("ss")
        if not ss:
            return None
        said = subprocess.run(
            [ss, "-tinOH", "state", "established"], capture_output=True, text=True, check=False
        ).stdout
        return bytes_to(said, self.addresses, (CQL_PORT, GOSSIP_PORT))


def bytes_to(said, addresses, ports):
    """Sums up `bytes_sent` of the connections whose far end is one of these."""
    total = 0
    for line in said.splitlines():
        words = line.split()
        far = words[3] if len(words) > 3 else ""
        sent = re.search(r"\bbytes_sent:(\d+)", line)
        address, _, port = far.rpartition(":")
        # An address that serves both protocols may be written as one of IPv6.
        address = address.removeprefix("[::ffff:").removesuffix("]")
        if sent and address in addresses and port in map(str, ports):
            total += int(sent.group(1))
    return total


class LabServer(Process):
    """One server of a design. Killed and started again it keeps its port."""

    def __init__(self, number, design, store, folder):
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        super().__init__(f"{design}-{number}", folder, [LAB, "serve", design, store, self.address])

    def ready(self):
        try:
            self.get(f"/v1/admin/contests/{CONTEST}")
            return True
        except OSError:
            return False

    def until_back(self):
        """Waits for it as a supervisor does: one that gave up at its start is started again."""
        end = time.monotonic() + self.start_seconds_max
        while not self.ready():
            if not self.alive():
                self.start()
            if time.monotonic() > end:
                raise ProcessFailed(
                    f"{self.name} is not back in time; its log ends:\n{self.tail()}"
                )
            time.sleep(0.2)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return json.loads(reply.read())


@contextlib.contextmanager
def serving(design, cluster, folder, keyspace):
    """Two servers of a design on a keyspace of its own, which is gone afterwards."""
    store = cluster.url(keyspace)
    if not lab("schema", design, store):
        raise SystemExit(f"no schema for {design}")
    servers = [LabServer(number, design, store, folder) for number in (1, 2)]
    try:
        start_together(servers)
        yield servers
    finally:
        for server in servers:
            if server.child:
                server.stop(20)
        # The next has a keyspace of its own: this one that stays is no more than wasted space.
        if not lab("drop", design, store):
            print(f"  note: {keyspace} could not be dropped", flush=True)


def lab(command, design, store):
    """Whether it could."""
    return subprocess.run([LAB, command, design, store], timeout=180, check=False).returncode == 0


class Load(load.Load):
    """`landslide bench` on both servers, each ballot to the other one when it is sent again."""

    def __init__(self, binary, servers, folder, connections, seconds, rate=None, cut=None):
        words = [
            "--weights",
            weights(folder),
            "--connections",
            connections,
            "--duration",
            f"{seconds}s",
            "--give-up-after",
            GIVE_UP_AFTER,
        ]
        words += ["--rate", rate] if rate else []
        words += ["--cut", cut] if cut else []
        super().__init__(binary, folder, [server.url for server in servers], CONTEST, *words)

    def finish(self):
        """The report, once every ballot's end is known."""
        try:
            report = self.report(600)
        except BaseException:
            self.kill()
            raise
        # 1 is what the lab is looking for: counted is not what was acknowledged.
        if self.child.returncode not in (0, 1):
            raise SystemExit(f"the load ended with {self.child.returncode}: {self.tail(10)}")
        return report


def weights(folder):
    """Half of all votes are for one series."""
    path = folder / "weights.csv"
    rows = [f"series-{n:02},Series {n},{CHOICES - 1 if n == 0 else 1}" for n in range(CHOICES)]
    path.write_text("\n".join(["choice,title,weight", *rows]) + "\n")
    return path


def while_it_runs(load, happenings):
    """Lets things happen under load: pairs of seconds since now and what to do."""
    started = time.monotonic()
    for after, happen in happenings:
        time.sleep(max(0.0, started + after - time.monotonic()))
        happen()
    return load.finish()
