"""Apache Cassandra as processes of a check, each node acknowledging after its fsync."""

import ctypes
import hashlib
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile

from rig import cql
from rig.engines import SERVERS, jars
from rig.installed import need
from rig.process import Process, die_with_parent, free_port
from rig.verdict import CouldNotCheck

CQL_PORT, CQL_TLS_PORT, GOSSIP_PORT = 9042, 9142, 7000

# What Cassandra 5 reaches into on Java 17; without these the daemon fails at its start.
EXPORTS = [
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
]
OPENS = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.rmi/sun.rmi.transport.tcp",
    "jdk.management/com.sun.management.internal",
]
# A few nodes that start together and know their tokens wait for nobody.
QUICK_START = ["-Dcassandra.ring_delay_ms=2000", "-Dcassandra.skip_wait_for_gossip_to_settle=0"]

# Acknowledged means fsynced: what arrives within 1 ms shares an fsync.
DURABLE = "commitlog_sync: group\ncommitlog_sync_group_window: 1ms"
# Cassandra's own default: acknowledged up to 10 s before the fsync.
PERIODIC = "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms"

YAML = """\
cluster_name: {cluster}
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
num_tokens: 1
initial_token: {token}
# Nothing is there to be streamed when a cluster is new.
auto_bootstrap: false
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "{seeds}"
listen_address: {address}
storage_port: {gossip_port}
rpc_address: {address}
native_transport_port: {cql_port}
endpoint_snitch: SimpleSnitch
{commitlog}
commitlog_segment_size: 32MiB
commitlog_total_space: 1GiB
memtable_heap_space: 128MiB
memtable_offheap_space: 128MiB
memtable_allocation_type: heap_buffers
file_cache_size: 32MiB
key_cache_size: 8MiB
counter_cache_size: 4MiB
auto_snapshot: false
"""

# A second port, encrypted, for clients that show a certificate of our authority.
TLS_YAML = """native_transport_port_ssl: {port}
client_encryption_options:
  enabled: true
  optional: false
  require_client_auth: true
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: {certificates.node}
  truststore: {certificates.authority}
"""


def class_archive(library):
    """The classes of a started node as the JVM has them in memory, so that the next start does not
    read and check them again: it takes two thirds of the time. Made once for each Java; None where
    that does not work, for it is no more than a convenience."""
    java = subprocess.run([need("java"), "-version"], capture_output=True, timeout=60, check=False)
    place = library / f"classes-{hashlib.sha256(java.stderr).hexdigest()[:12]}.jsa"
    if place.exists():
        return place
    folder = pathlib.Path(tempfile.mkdtemp(prefix="landslide-classes-"))
    try:
        partial = folder / "classes.jsa"
        node = Cassandra(0, free_network(1), folder, archive=f"-XX:ArchiveClassesAtExit={partial}")
        with node:
            node.until_ready()
            node.stop(120)
        # Into the library's folder in one step: other runs look for it there.
        beside = library / f".{folder.name}"
        shutil.move(partial, beside)
        beside.rename(place)
        return place
    except (CouldNotCheck, OSError):
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sleep_in_peace():
    """Run in the child before its program, where that is Cassandra. Its threads that have nothing
    to do look for work again after tens of microseconds: three nodes that do nothing so take one of
    two cores. Woken a millisecond late at most, they take a tenth of one, and what a request waits
    more is less than it waited for a core."""
    die_with_parent()
    pr_set_timerslack = 29
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_timerslack, ctypes.c_ulong(1_000_000))


class Cassandra(Process):
    """One node of a cluster of `addresses`; it knows its token beforehand.

    `quick`: for a node that lives a minute; its code is compiled once, and not for speed.
    `certificates`: it also listens for encrypted connections, with these."""

    before_exec = staticmethod(sleep_in_peace)
    # Three at once on two cores with other work; alone it is a quarter of this.
    start_seconds_max = 240

    def __init__(
        self,
        index,
        addresses,
        folder,
        heap="1G",
        periodic=False,
        prefix=(),
        quick=False,
        archive=None,
        certificates=None,
    ):
        self.address, self.peers = addresses[index], len(addresses) - 1
        home = pathlib.Path(folder) / f"cassandra-{index + 1}"
        home.mkdir(parents=True, exist_ok=True)
        library = jars("cassandra")
        if not archive and (classes := class_archive(library)):
            archive = f"-XX:SharedArchiveFile={classes}"
        config = home / "cassandra.yaml"
        tls = TLS_YAML.format(port=CQL_TLS_PORT, certificates=certificates) if certificates else ""
        config.write_text(
            tls
            + YAML.format(
                cluster=pathlib.Path(folder).name,
                address=self.address,
                seeds=",".join(addresses),
                token=-(2**63) + index * 2**64 // len(addresses),
                gossip_port=GOSSIP_PORT,
                cql_port=CQL_PORT,
                commitlog=PERIODIC if periodic else DURABLE,
            )
        )
        command = [
            need("java"),
            f"-Xms{heap}",
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",
            "-Xss512k",
            "-XX:-UsePerfData",
            *([archive] if archive else []),
            *(["-XX:TieredStopAtLevel=1"] if quick else []),
            "-XX:MaxDirectMemorySize=256m",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djdk.attach.allowAttachSelf=true",
            "-Djava.net.preferIPv4Stack=true",
            "-Dio.netty.tryReflectionSetAccessible=true",
            *(f"--add-exports={name}=ALL-UNNAMED" for name in EXPORTS),
            *(f"--add-opens={name}=ALL-UNNAMED" for name in OPENS),
            f"-Dcassandra.config={config.resolve().as_uri()}",
            f"-Dcassandra.storagedir={home}",
            "-Dcassandra-foreground=yes",
            f"-Dcassandra.jmx.local.port={free_port()}",
            f"-Dlogback.configurationFile={SERVERS / 'cassandra/logback.xml'}",
            *QUICK_START,
            "-cp",
            f"{library}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ]
        super().__init__(home.name, folder, command, prefix=prefix)

    def ready(self):
        """It takes queries and knows its peers."""
        try:
            peers = cql.query(self.address, "SELECT peer FROM system.peers_v2", CQL_PORT)
            return len(peers) >= self.peers
        except (OSError, cql.Refused):
            return False


def free_network(nodes):
    """A 127.0.X that nobody else's servers use."""
    candidates = list(range(64, 250))
    random.shuffle(candidates)
    for third in candidates:
        addresses = [f"127.0.{third}.{last}" for last in range(1, nodes + 1)]
        if all(is_free(address, port) for address in addresses for port in (CQL_PORT, GOSSIP_PORT)):
            return addresses
    raise CouldNotCheck("no free loopback addresses for Cassandra")


def is_free(address, port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((address, port))
        except OSError:
            return False
    return True
