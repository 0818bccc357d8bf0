"""Ballots as a client makes them, and voters who cast one at a time."""

import json
import random
import time

from rig.calls import call, problem
from rig.verdict import CouldNotCheck


def uuid(rng, version, milliseconds=None):
    """RFC 9562: version 4, or 7 with its time."""
    bits = rng.getrandbits(128)
    if milliseconds is not None:
        bits = milliseconds << 80 | bits & (1 << 80) - 1
    bits = bits & ~(0xF << 76) | version << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def ballot(choice, rng=random):
    """A new voter's. Fixed before the first send: a retry repeats all three."""
    return {
        "ballot_id": uuid(rng, 7, int(time.time() * 1000)),
        "choice": choice,
        "device": uuid(rng, 4),
    }


class Voters:
    """Cast ballots straight at a node, each once, and know what was acknowledged, by choice."""

    def __init__(self, node, contest, choices):
        self.node, self.contest, self.choices = node, contest, choices
        self.acknowledged = dict.fromkeys(choices, 0)
        self.begun = 0
        # Of the last one that was acknowledged.
        self.recorded_at = None

    @property
    def total(self):
        return sum(self.acknowledged.values())

    def cast(self):
        """One ballot; gives the status of the answer and, with a refusal, the problem's type."""
        choice = self.choices[self.begun % len(self.choices)]
        self.begun += 1
        url = f"{self.node.url}/v1/contests/{self.contest}/ballots"
        status, text = call("POST", url, ballot(choice))
        if not status:
            self.node.must_live()
            # It may be recorded or not: nothing that could be compared.
            raise CouldNotCheck(f"{self.node.name} does not answer a ballot")
        if status == 201:
            self.acknowledged[choice] += 1
            self.recorded_at = json.loads(text)["recorded_at"]
            return status, None
        return status, problem(text)
