"""Store engines from their own jars, fetched once with Maven into the user's cache; and DynamoDB
Local as a process of a check."""

import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from rig.installed import cache, need
from rig.process import Process, free_port
from rig.verdict import CouldNotCheck

SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
# The name changes with the version in the pom file, so that an old download is not taken for it.
ENGINES = {"cassandra": "cassandra-5.0.6", "dynamodb": "dynamodb-3.3.1"}
# Pinned: what copies the jars is part of the recipe.
COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"


def place_of(engine):
    """The folder with an engine's jars, once they are there."""
    return cache() / "engines" / ENGINES[engine]


def jars(engine):
    """The folder with an engine's jars; fetches them the first time."""
    place = place_of(engine)
    if place.is_dir():
        return place
    maven = need("mvn")
    place.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when complete, so that a download that was cut short is not taken for good.
    partial = pathlib.Path(tempfile.mkdtemp(prefix=f"{place.name}.partial-", dir=place.parent))
    try:
        command = [
            maven,
            "--quiet",
            "--batch-mode",
            "-f",
            SERVERS / engine / "pom.xml",
            COPY,
            f"-DoutputDirectory={partial}",
            "-DincludeScope=runtime",
        ]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0 or not list(partial.glob("*.jar")):
            raise CouldNotCheck(
                f"Maven could not fetch {place.name}:\n{(done.stdout + done.stderr)[-2000:]}"
            )
        try:
            partial.rename(place)
        except OSError:
            # Another run was quicker.
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return place


class DynamoDb(Process):
    """DynamoDB Local, in memory."""

    def __init__(self, folder):
        library = jars("dynamodb")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            "dynamodb",
            folder,
            [
                need("java"),
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                f"-Djava.library.path={library}",
                "-cp",
                f"{library}/*",
                "software.amazon.dynamodb.services.local.main.ServerRunner",
                "-inMemory",
                "-disableTelemetry",
                "-port",
                port,
            ],
        )

    def ready(self):
        try:
            urllib.request.urlopen(self.url, timeout=5).close()
        except urllib.error.HTTPError:
            # A request without a signature is refused: by DynamoDB.
            return True
        except OSError:
            return False
        return True
