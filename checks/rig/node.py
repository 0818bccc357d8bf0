"""`landslide serve` as a process of a check, and what an administrator asks of it."""

import datetime
import json
import time

from rig.calls import TOKEN, call, get
from rig.process import Service, environment_without_ours
from rig.verdict import CouldNotCheck, Red

# Told to end, it answers what it took in: by the HTTP contract within this time.
END_SECONDS = 30
ACKNOWLEDGED = "landslide_ballots_acknowledged_total"


class Node(Service):
    """A node: on a folder of its own (`data`), or on the store that its variables name."""

    def __init__(
        self,
        binary,
        folder,
        *,
        name="node",
        data=None,
        address="127.0.0.1:0",
        roles=None,
        variables=None,
        words=(),
        prefix=(),
    ):
        command = [binary, "serve", "--listen", address]
        command += ["--data", data] if data else []
        command += ["--roles", roles] if roles else []
        environment = {
            **environment_without_ours(),
            "LANDSLIDE_ADMIN_TOKEN": TOKEN,
            "LANDSLIDE_LOG": "warn",
            "LANDSLIDE_DRAIN": "0s",
            **(variables or {}),
        }
        super().__init__(name, folder, [*command, *words], environment, prefix, address)

    def must_stop(self):
        """SIGTERM; it must end in order."""
        code = self.stop(END_SECONDS)
        if code != 0:
            raise Red(f"told to end, it exited with {code} and not with 0 within {END_SECONDS} s")

    def call(self, method, path, body=None):
        """An administrator's call; gives status and document."""
        status, text = call(method, self.url + path, body, seconds=30)
        if not status:
            self.must_live()
            raise CouldNotCheck(f"{self.name} does not answer {method} {path}")
        return status, json.loads(text or "null")

    def admin(self, method, path, body=None):
        status, document = self.call(method, f"/v1/admin/contests/{path}", body)
        if status not in (200, 201):
            raise CouldNotCheck(f"{method} {path}: {status} {document}")
        return document

    def counts(self, contest):
        """The counts row as this node has it, or None."""
        status, text = get(f"{self.url}/v1/admin/contests/{contest}/counts")
        return json.loads(text) if status == 200 else None

    def counts_when(self, contest, wanted, what, seconds=120):
        """The counts row once it is as wanted."""
        deadline = time.monotonic() + seconds
        row = None
        while time.monotonic() < deadline:
            status, document = self.call("GET", f"/v1/admin/contests/{contest}/counts")
            if status == 200:
                row = document
                if wanted(row):
                    return row
            time.sleep(0.1)
        raise Red(f"{what}: not within {seconds} s; the last row was {row}")

    def counts_now(self, contest, seconds=120):
        """Counts that hold everything acknowledged until now."""
        now = datetime.datetime.now(datetime.UTC)
        return self.counts_when(
            contest, lambda row: instant(row["counted_through"]) > now, "counts of now", seconds
        )

    def knows_open(self, contest):
        status, text = get(f"{self.url}/v1/contests/{contest}")
        return status == 200 and json.loads(text).get("opens_at") is not None

    def metric(self, name, labels=""):
        """The sum of a counter over its series whose labels contain `labels`; None where the node
        does not answer."""
        values = self.series(name, labels)
        return None if values is None else sum(values)

    def series(self, name, labels=""):
        status, text = get(f"{self.url}/metrics")
        if status != 200:
            return None
        return [
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith(name) and labels in line
        ]

    def acknowledged(self):
        """Ballots that this process has acknowledged, from its metrics."""
        values = self.series(ACKNOWLEDGED)
        if values is None:
            self.must_live()
            raise CouldNotCheck(f"{self.name} does not show its metrics")
        if not values:
            raise Red("/metrics does not say how many ballots were acknowledged")
        return int(sum(values))


def instant(text):
    """RFC 3339 in UTC, with any number of digits after the second."""
    seconds, _, digits = text.removesuffix("Z").partition(".")
    moment = datetime.datetime.fromisoformat(f"{seconds}+00:00")
    return moment + datetime.timedelta(microseconds=int(digits.ljust(6, "0")[:6]))


def written(moment):
    """A moment in UTC as RFC 3339, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
