"""A cluster of a check's own: Cassandra nodes, intakes, tally workers and balancers, each a process
that can be started, killed, paused and cut off, and all gone afterwards."""

import csv
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import cql
import engines
from node import ROOT, TOKEN, CouldNotCheck, NotStarted, free_port, say

HAPROXY_CONFIG = ROOT / "deploy/haproxy.cfg"
KEYSPACE = "landslide"
NODE_PORT = 8080
NODE_SECONDS = 90
CASSANDRAS, INTAKES, TALLIES, BALANCERS = 3, 2, 2, 2
# A unicast address that nobody has: what is sent there vanishes.
NOBODY = "02:00:00:00:00:ff"


class Network:
    """Addresses for the processes: on the loopback, or each in a network namespace of its own on a
    bridge, where it can be cut off from others."""

    def __init__(self, with_namespaces):
        self.with_namespaces = with_namespaces
        self.namespaces, self.cuts = {}, set()
        if not with_namespaces:
            self.loopback = engines.free_network(9)[0].rpartition(".")[0]
            self.nets = ["127.0.0.0/8"]
            return
        engines.need("ip")
        remove_leftovers()
        self.bridge = f"ls{os.getpid()}"
        self.prefix = free_prefix()
        self.nets = ["127.0.0.0/8", f"{self.prefix}.0/24"]
        try:
            ip("link", "add", self.bridge, "type", "bridge")
            ip("addr", "add", f"{self.prefix}.254/24", "dev", self.bridge)
            ip("link", "set", self.bridge, "up")
        except BaseException:
            self.remove()
            raise

    def address(self, number):
        """The address of a number from 1 to 99; with namespaces, the namespace is made for it."""
        if not self.with_namespaces:
            return f"{self.loopback}.{number}"
        address = f"{self.prefix}.{number}"
        space, link = f"landslide-{os.getpid()}-{number}", f"{self.bridge}v{number}"
        ip("netns", "add", space)
        self.namespaces[address] = space
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("link", "set", link, "master", self.bridge, "up")
        ip("-n", space, "link", "set", "lo", "up")
        ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        return address

    def outside(self, number):
        """The address of a process that is never cut off."""
        if self.with_namespaces:
            return f"127.0.0.1:{free_port()}"
        return f"{self.loopback}.{number}:{NODE_PORT}"

    def prefix_of(self, address):
        """What a command starts with to run at that address."""
        space = self.namespaces.get(address)
        return ("ip", "netns", "exec", space) if space else ()

    def cut(self, one, others):
        """From now on nothing gets from one to the others, or back; nobody is told."""
        for other in others:
            for here, there in ((one, other), (other, one)):
                ip("-n", self.namespaces[here], "neigh", "replace", there, "lladdr", NOBODY,
                   "nud", "permanent", "dev", "eth0")
                self.cuts.add((here, there))

    def heal(self, one, others):
        for other in others:
            for here, there in ((one, other), (other, one)):
                ip("-n", self.namespaces[here], "neigh", "del", there, "dev", "eth0")
                self.cuts.discard((here, there))

    def heal_all(self):
        while self.cuts:
            here, there = self.cuts.pop()
            ip("-n", self.namespaces[here], "neigh", "del", there, "dev", "eth0")

    def remove(self):
        if self.with_namespaces:
            remove_network(os.getpid())


def ip(*words):
    done = subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=False)
    if done.returncode != 0:
        raise CouldNotCheck(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def may_cut():
    """Whether network namespaces can be made here; else why not, as a sentence."""
    if not shutil.which("ip"):
        return "ip is not installed (Debian's package iproute2)"
    probe = f"landslide-{os.getpid()}-probe"
    try:
        ip("netns", "add", probe)
        ip("netns", "del", probe)
    except CouldNotCheck as error:
        return f"network namespaces need root: {error}"
    return None


def free_prefix():
    taken = ip("-4", "addr")
    for third in range(256):
        if f" 10.87.{third}." not in taken:
            return f"10.87.{third}"
    raise CouldNotCheck("no free 10.87.X.0/24")


def remove_network(pid):
    """Takes away what the process of that id had; says nothing of what is gone already."""
    for space in re.findall(rf"^(landslide-{pid}-\w+)", ip("netns", "list"), re.MULTILINE):
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
    # A namespace's end takes its links away, but some time later.
    for link in re.findall(rf"^\d+: (ls{pid}(?:v\d+)?)[:@]", ip("link"), re.MULTILINE):
        subprocess.run(["ip", "link", "del", link], capture_output=True, check=False)


def remove_leftovers():
    """A check that was killed with SIGKILL could not take its network away."""
    found = re.findall(r"^landslide-(\d+)-", ip("netns", "list"), re.MULTILINE)
    found += re.findall(r"^\d+: ls(\d+):", ip("link"), re.MULTILINE)
    for pid in {int(pid) for pid in found}:
        if not pathlib.Path(f"/proc/{pid}").exists():
            remove_network(pid)


class LandslideNode(engines.Server):
    """`landslide serve` on the cluster's store."""

    def __init__(self, name, binary, folder, address, roles, store, more, prefix=()):
        self.address = address
        self.url = f"http://{address}"
        environment = {
            **environment_without_ours(), "LANDSLIDE_ADMIN_TOKEN": TOKEN,
            "LANDSLIDE_STORE": store, "LANDSLIDE_NODE": name,
            "LANDSLIDE_LOG": "info", "LANDSLIDE_DRAIN": "3s", **more}
        super().__init__(name, folder, [binary, "serve", "--listen", address, "--roles", roles],
                         environment, prefix)

    def ready(self):
        return get(f"{self.url}/readyz")[0] == 200

    def until_ready(self, seconds):
        """A node that does not reach its store when it starts ends; a supervisor starts it again."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return super().until_ready(max(1, deadline - time.monotonic()))
            except NotStarted:
                if self.alive() or time.monotonic() > deadline \
                        or "store is unavailable" not in self.tail(1):
                    raise
                say(f"  {self.name} did not reach its store; it is started again")
                self.start()

    def knows_open(self, contest):
        status, text = get(f"{self.url}/v1/contests/{contest}")
        return status == 200 and json.loads(text).get("opens_at") is not None

    def counts(self, contest):
        """The counts row as this node has it, or None."""
        status, text = get(f"{self.url}/v1/admin/contests/{contest}/counts")
        return json.loads(text) if status == 200 else None

    def metric(self, name, labels=""):
        """The sum of a counter over its series whose labels contain `labels`; None if it does not
        answer."""
        status, text = get(f"{self.url}/metrics")
        if status != 200:
            return None
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith(name) and labels in line)


class Balancer(engines.Server):
    """HAProxy with the configuration that is delivered."""

    def __init__(self, name, folder, address, intakes, admins, inside):
        self.address = address
        self.url = f"http://{address}"
        self.stats = f"127.0.0.1:{free_port()}"
        variables = {
            "LANDSLIDE_HTTP": address, "LANDSLIDE_INSIDE": " ".join(inside),
            "LANDSLIDE_STATS": self.stats, "LANDSLIDE_SOCKET": f"{folder}/{name}.sock",
            **{f"LANDSLIDE_INTAKE_{n}": at for n, at in enumerate(intakes, 1)},
            **{f"LANDSLIDE_ADMIN_{n}": at for n, at in enumerate(admins, 1)}}
        super().__init__(name, folder, [engines.need("haproxy"), "-db", "-f", HAPROXY_CONFIG],
                         {**environment_without_ours(), **variables})

    def ready(self):
        return get(f"{self.url}/readyz")[0] == 200

    def servers(self, backend="intakes"):
        """What it thinks of its servers: name to status, such as UP or DOWN."""
        _, text = get(f"http://{self.stats}/;csv")
        rows = [line.split(",") for line in text.splitlines()]
        return {row[1]: row[17] for row in rows
                if row[0] == backend and row[1] not in ("FRONTEND", "BACKEND")}


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
        hosts = ",".join(f"{host}:{engines.CQL_PORT}" for host in self.cassandra_addresses)
        self.store = f"cql://{hosts}/{KEYSPACE}?replication={CASSANDRAS}"
        self.more = {"LANDSLIDE_TRUSTED_PROXIES": ",".join(self.network.nets),
                     # All votes of a check come from one address.
                     "LANDSLIDE_BALLOTS_PER_SECOND": "1000000",
                     "LANDSLIDE_BALLOTS_BURST": "1000000", **(more or {})}
        self.cassandras = [
            engines.Cassandra(index, self.cassandra_addresses, self.folder, heap,
                              prefix=self.network.prefix_of(address), quick=quick)
            for index, address in enumerate(self.cassandra_addresses)]
        self.intakes = [self.intake(n, at(10 + n)) for n in range(1, INTAKES + 1)]
        self.tallies = [
            LandslideNode(f"tally-{n}", self.binary, self.folder, self.network.outside(20 + n),
                          "tally,admin", self.store, self.more)
            for n in range(1, TALLIES + 1)]
        self.balancers = [
            Balancer(f"haproxy-{n}", self.folder, self.network.outside(30 + n),
                     [node.address for node in self.intakes],
                     [node.address for node in self.tallies], self.network.nets)
            for n in range(1, BALANCERS + 1)]

    def intake(self, number, host):
        return LandslideNode(f"intake-{number}", self.binary, self.folder, f"{host}:{NODE_PORT}",
                             "intake", self.store, self.more, self.network.prefix_of(host))

    @property
    def processes(self):
        return [*self.balancers, *self.intakes, *self.tallies, *self.cassandras]

    @property
    def urls(self):
        return [balancer.url for balancer in self.balancers]

    def __enter__(self):
        try:
            seconds = engines.start_together(self.cassandras, engines.CASSANDRA_SECONDS)
            say(f"{CASSANDRAS} Cassandra nodes: {seconds:.0f} s")
            self.apply_schema()
            nodes = [*self.intakes, *self.tallies]
            seconds = engines.start_together(nodes, NODE_SECONDS)
            seconds += engines.start_together(self.balancers, NODE_SECONDS)
            say(f"{INTAKES} intakes, {TALLIES} tally workers, {BALANCERS} balancers: "
                f"{seconds:.0f} s")
            return self
        except BaseException:
            self.end()
            raise

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Ends all by their process ids and takes the network away."""
        # A second signal must not leave half of it behind.
        before = {number: signal.signal(number, signal.SIG_IGN)
                  for number in (signal.SIGINT, signal.SIGTERM)}
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
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=120, check=False)
        if done.returncode != 0:
            raise CouldNotCheck(f"landslide schema --apply: {done.stdout[-1000:]}"
                                f"{done.stderr[-2000:]}")

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
            *(lambda node=node: node.knows_open(contest)
              for node in [*self.intakes, *self.tallies])]
        for step in steps:
            while not step():
                if time.monotonic() > deadline:
                    raise CouldNotCheck(f"the contest {contest} is not open within {seconds} s")
                time.sleep(0.2)

    def holder(self, contest, seconds=30):
        """The tally worker that holds a contest's lease."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            name = holder_of_lease(self.cassandra_addresses, contest,
                                   [node.name for node in self.tallies])
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
                    raise CouldNotCheck(f"Cassandra at {address} still misses a replica after "
                                        f"{seconds} s")
                time.sleep(0.2)
        return time.monotonic() - started


def tv_series():
    with open(ROOT / "load/data/tv-series.csv", encoding="utf-8") as table:
        return [{"choice": line["choice"], "title": line["title"]}
                for line in csv.DictReader(table)]


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
            rows = cql.query(address, f"SELECT body FROM {KEYSPACE}.documents "
                                      f"WHERE key = 'lease/{contest}'")
        except (OSError, cql.Refused):
            continue
        for cell in (row[0] for row in rows if row[0]):
            return next((name for name in names if name.encode() in cell), None)
    return None


def environment_without_ours():
    return {name: value for name, value in os.environ.items() if not name.startswith("LANDSLIDE_")}


def get(url):
    return call("GET", url)


def call(method, url, body=None, seconds=10):
    """Status and text; status 0 where there was no reply."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    payload = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, payload, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return reply.status, reply.read().decode(errors="replace")
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode(errors="replace")
    except (OSError, ValueError):
        return 0, ""
