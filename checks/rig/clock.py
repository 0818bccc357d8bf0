"""The wall clock of a node, set by a check (libfaketime, Debian's package `faketime`). The wall
clock alone: a clock that is set does not move what a process measures waits with."""

import pathlib

# Where the package has it; `faketime` itself loads the same.
LIBRARY = "faketime/libfaketimeMT.so.1"


def library():
    """Where the library is that gives a process another time; None where it is not installed."""
    return next(pathlib.Path("/usr/lib").glob(f"*/{LIBRARY}"), None)


class NodeClock:
    """The clock of a node from its next start on; right until it is set.

    `at_once`: a process that runs sees a change with its next look, and pays for that with reading
    the file at each; else after a second, which a node under load needs."""

    def __init__(self, node, at_once=False):
        self.node, self.plain = node, node.environment
        self.file = node.log.with_suffix(".clock")
        self.set(0)
        looks = {"FAKETIME_NO_CACHE": "1"} if at_once else {"FAKETIME_CACHE_DURATION": "1"}
        node.environment = {
            **self.plain,
            "LD_PRELOAD": str(library()),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            **looks,
        }

    def set(self, seconds):
        """So much ahead of the time that it is, or behind it."""
        # Renamed, for it may be read at any moment.
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.rename(self.file)

    def set_right(self):
        self.set(0)

    def remove(self):
        """The node's own clock again, from its next start on."""
        self.node.environment = self.plain

    def restart(self):
        """Kills the node and starts it."""
        self.kill()
        self.node.start()

    def kill(self):
        """Kills the node; what the library leaves behind of a killed process goes."""
        pid = self.node.child.pid
        self.node.kill()
        for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
            (pathlib.Path("/dev/shm") / name).unlink(missing_ok=True)
