"""`landslide bench` as a process of a check: voters who ask again until they are answered."""

import json
import re
import signal
import time

from rig.calls import TOKEN
from rig.process import Process, environment_without_ours
from rig.verdict import CouldNotCheck, Red

CONTEST = "tv-series"
# Its end is the check's to say, long before its own; no vote is ever given up.
ENDLESS = ("--duration", "2h", "--give-up-after", "1h")
# The longest pause before a retry is 5 s: all that wait shall have been tried once more.
LAST_RETRY_SECONDS = 5.5


class Load(Process):
    """The load on a contest. A ballot is sent again, under the same id and to any of the addresses,
    until it is acknowledged, so that the load knows what was."""

    def __init__(self, binary, folder, urls, contest, *words, name="bench"):
        self.contest = contest
        self.path = folder / f"{name}.json"
        command = [binary, "bench", *(word for url in urls for word in ("--url", url))]
        command += ["--contest", contest, "--json", *words]
        environment = {**environment_without_ours(), "LANDSLIDE_ADMIN_TOKEN": TOKEN}
        super().__init__(name, folder, command, environment, output=self.path)

    def start(self):
        # One report a run.
        self.path.unlink(missing_ok=True)
        super().start()

    def acknowledged(self):
        """How many it says there are, at most a second ago."""
        found = re.findall(r"([\d,]+) acknowledged", self.tail(3))
        return int(found[-1].replace(",", "")) if found else 0

    def until_it_votes(self, seconds=60, more_than=0):
        deadline = time.monotonic() + seconds
        while self.acknowledged() <= more_than:
            self.must_live()
            if time.monotonic() > deadline:
                raise Red(f"no vote is acknowledged within {seconds} s: {self.tail(3)}")
            time.sleep(0.1)

    def until_taken_by(self, node, ballots=100, seconds=30):
        """Waits until a node, since its start, has acknowledged so many of the votes."""
        deadline = time.monotonic() + seconds
        while node.acknowledged() < ballots:
            self.must_live()
            if time.monotonic() > deadline:
                raise CouldNotCheck("the load does not get its first ballots acknowledged")
            time.sleep(0.02)

    def stop_sending(self, seconds=LAST_RETRY_SECONDS):
        """Lets every ballot under way come to its end."""
        self.must_live()
        time.sleep(seconds)
        self.must_live()
        self.send(signal.SIGINT)

    def report(self, seconds=120):
        """What it has to say in the end."""
        if self.ended(seconds) is None:
            raise CouldNotCheck("the load does not end")
        text = self.path.read_text()
        if not text:
            raise CouldNotCheck(f"the load ended without a report: {self.tail(10)}")
        return json.loads(text)

    def finish(self):
        self.stop_sending()
        return self.report()


def voters(binary, folder, url, seed, connections=64, duplicates="5%", cut="2%"):
    """The load of a check of one node that may come and go: ten TV series, policy one."""
    return Load(
        binary,
        folder,
        [url],
        CONTEST,
        *ENDLESS,
        *("--connections", connections, "--duplicates", duplicates, "--cut", cut, "--seed", seed),
    )
