#!/usr/bin/env python3
"""Runs a command with real store engines beside it, and ends them afterwards.

    checks/engines.py --cassandra 1 --dynamodb -- cargo test -p store --features cql,dynamodb
    checks/engines.py --cassandra 3 -- target/debug/landslide serve ...
    checks/engines.py --cassandra 3 -- sleep infinity      engines to play with; Ctrl-C ends them
    checks/engines.py --fetch                              only fetches the jars

The command finds them in its environment:

    LANDSLIDE_TEST_CQL               host:port[,host:port..] of Cassandra
    LANDSLIDE_TEST_CQL_REPLICATION   how many nodes there are
    LANDSLIDE_TEST_CQL_TLS           host:port[,host:port..] of the same, encrypted; they ask
                                     clients for a certificate
    LANDSLIDE_TEST_CQL_CERTIFICATES  a folder with ca.pem, client.pem and client-key.pem
    LANDSLIDE_TEST_DYNAMODB          http://127.0.0.1:PORT
    LANDSLIDE_TEST_ENGINES=required  a test that finds no engine fails instead of passing over it

Needs Java 17, openssl and, the first time, Maven."""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from rig.cassandra import CQL_PORT, CQL_TLS_PORT, Cassandra, free_network
from rig.certificates import Certificates
from rig.engines import ENGINES, DynamoDb, jars
from rig.installed import need
from rig.options import bare
from rig.process import die_with_parent, start_together
from rig.verdict import COULD_NOT_CHECK, CouldNotCheck, exit_when_told, say


def parse():
    options = bare(__doc__, "Exit code: the command's; 2 if an engine does not start.")
    options.add_argument(
        "--cassandra", type=int, default=0, metavar="N", help="Apache Cassandra with N nodes"
    )
    options.add_argument("--dynamodb", action="store_true", help="DynamoDB Local, in memory")
    options.add_argument("--heap", default="1G", metavar="SIZE", help="of each Cassandra node [1G]")
    options.add_argument(
        "--quick",
        action="store_true",
        help="start Cassandra quicker; its code is not compiled for speed",
    )
    options.add_argument(
        "--periodic",
        action="store_true",
        help="Cassandra acknowledges before its fsync, as is its default",
    )
    options.add_argument(
        "--network",
        metavar="127.0.X",
        help="loopback addresses of the Cassandra nodes, .1 upwards [free ones]",
    )
    options.add_argument(
        "--folder",
        type=pathlib.Path,
        metavar="DIR",
        help="where the engines live; kept [a temporary one]",
    )
    options.add_argument("--fetch", action="store_true", help="only fetch the jars")
    options.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    chosen = options.parse_args()
    if chosen.command[:1] == ["--"]:
        del chosen.command[0]
    if not chosen.command and not chosen.fetch:
        options.error("what shall run beside the engines? Write -- and a command")
    return chosen


def main(options):
    if options.fetch:
        for engine in ENGINES:
            say(jars(engine))
        return 0
    given = options.folder
    if given:
        given.mkdir(parents=True, exist_ok=True)
    folder = (given or pathlib.Path(tempfile.mkdtemp(prefix="landslide-engines-"))).resolve()
    servers, code = [], None
    try:
        environment = start(options, folder, servers)
        code = command(options.command, environment)
        return code
    finally:
        for server in servers:
            server.kill()
        if not given and (code == 0 or not servers):
            shutil.rmtree(folder, ignore_errors=True)
        elif not given:
            # The logs are evidence; the data is not, and it is large.
            for data in folder.iterdir():
                if data.is_dir():
                    shutil.rmtree(data, ignore_errors=True)
            print(f"engines' logs: {folder}", file=sys.stderr)


def start(options, folder, servers):
    """Starts what is wanted, all at once; gives the command's environment."""
    environment = dict(os.environ, LANDSLIDE_TEST_ENGINES="required")
    if options.cassandra:
        jars("cassandra")
        numbers = range(1, options.cassandra + 1)
        addresses = (
            [f"{options.network}.{last}" for last in numbers]
            if options.network
            else free_network(options.cassandra)
        )
        issued = Certificates(need("openssl"), folder / "certificates", addresses)
        servers.extend(
            Cassandra(
                index,
                addresses,
                folder,
                options.heap,
                options.periodic,
                quick=options.quick,
                certificates=issued,
            )
            for index in range(options.cassandra)
        )
        environment["LANDSLIDE_TEST_CQL"] = ",".join(
            f"{address}:{CQL_PORT}" for address in addresses
        )
        environment["LANDSLIDE_TEST_CQL_REPLICATION"] = str(options.cassandra)
        environment["LANDSLIDE_TEST_CQL_TLS"] = ",".join(
            f"{address}:{CQL_TLS_PORT}" for address in addresses
        )
        environment["LANDSLIDE_TEST_CQL_CERTIFICATES"] = str(issued.folder)
    if options.dynamodb:
        dynamodb = DynamoDb(folder)
        servers.append(dynamodb)
        environment["LANDSLIDE_TEST_DYNAMODB"] = dynamodb.url
    if servers:
        seconds = start_together(servers)
        names = ", ".join(server.name for server in servers)
        print(f"{names}: ready in {seconds:.1f} s", file=sys.stderr, flush=True)
    return environment


def command(words, environment):
    """Runs it in our own process group: a Ctrl-C reaches it by itself, a SIGTERM through us."""
    # There is one thread.
    child = subprocess.Popen(words, env=environment, preexec_fn=die_with_parent)  # noqa: PLW1509
    try:
        code = child.wait()
    except BaseException:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    exit_when_told()
    try:
        sys.exit(main(parse()))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (CouldNotCheck, OSError, subprocess.TimeoutExpired) as error:
        print(f"checks/engines.py: {error}", file=sys.stderr)
        sys.exit(COULD_NOT_CHECK)
