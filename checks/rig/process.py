"""A process of a check: started, waited for until it is ready, paused, ended. Always by the id of
the process that was started, never by a name."""

import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from rig.verdict import ProcessFailed, Red


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def environment_without_ours():
    """What a node or a load is told, it is told by the check alone."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LANDSLIDE_")}


def die_with_parent():
    """Run in the child before its program: it is killed when whoever started it is gone."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Process:
    """A program that may be started, killed, paused and started again. What it says on standard
    error is appended to one log, and what it prints, unless that goes to `output`. As a block it is
    started, and killed in the end.

    It has a session of its own, so that a Ctrl-C is ours to pass on. Start it from the main thread:
    Linux ends it with the thread that started it."""

    before_exec = staticmethod(die_with_parent)
    # For its start, on a machine with much other work; and between two looks whether it is ready.
    start_seconds_max = 60
    look_seconds = 0.1

    def __init__(self, name, folder, command, environment=None, prefix=(), output=None, **more):
        self.name, self.output = name, output
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.command = [str(word) for word in (*prefix, *command)]
        self.environment = environment
        # Such as the folder that it runs in.
        self.more = more
        self.child = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        with open(self.log, "ab") as log, open(self.output or self.log, "ab") as output:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self.environment,
                start_new_session=True,
                # Nothing here starts a process while another thread holds a lock.
                preexec_fn=self.before_exec,  # noqa: PLW1509
                **self.more,
            )

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def send(self, number):
        if self.alive():
            self.child.send_signal(number)

    def kill(self):
        """`kill -9`, and the end of it."""
        self.send(signal.SIGKILL)
        if self.child:
            self.child.wait()

    def pause(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def stop(self, seconds=60, number=signal.SIGTERM):
        """SIGTERM; gives the exit code, or None if it had to be killed."""
        self.send(number)
        code = self.ended(seconds)
        if code is None:
            self.kill()
        return code

    def ended(self, seconds):
        """Its exit code, or None if it goes on."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def tail(self, lines=30):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def must_live(self):
        if not self.alive():
            code = self.child.returncode if self.child else None
            raise ProcessFailed(
                f"{self.name} ended with {code}; its log {self.log} ends:\n{self.tail()}"
            )

    def ready(self):
        """Whether it does what it is for."""
        raise NotImplementedError

    def until_ready(self, seconds=None):
        """Waits for it; says how many seconds that took."""
        seconds = seconds or self.start_seconds_max
        started = time.monotonic()
        while not self.ready():
            self.must_live()
            if time.monotonic() > started + seconds:
                raise ProcessFailed(
                    f"{self.name} is not ready after {seconds} s; its log {self.log} ends:\n"
                    f"{self.tail()}"
                )
            time.sleep(self.look_seconds)
        return time.monotonic() - started


class Service(Process):
    """A program that prints one line, `ready http://ADDRESS`, when it serves. `url` and `address`
    are what that line says; before it, where the program was told to listen."""

    look_seconds = 0.002

    def __init__(self, name, folder, command, environment=None, prefix=(), address=None, **more):
        output = pathlib.Path(folder) / f"{name}.out"
        super().__init__(name, folder, command, environment, prefix, output, **more)
        self.address = address
        self.url = f"http://{address}"
        self.said_before = 0

    def start(self):
        # What it printed when it was started before is no sign of life.
        self.said_before = self.output.stat().st_size if self.output.exists() else 0
        super().start()

    def ready(self):
        with open(self.output, "rb") as output:
            output.seek(self.said_before)
            line = output.readline().decode(errors="replace")
        if not line.endswith("\n"):
            return False
        found = re.fullmatch(r"ready (https?://(\S+))\n", line)
        if not found:
            raise Red(f"{self.name} prints no ready line, but {line!r}")
        self.url, self.address = found.groups()
        return True


def start_together(processes):
    """Starts all, waits for all; says how many seconds that took."""
    started = time.monotonic()
    for process in processes:
        process.start()
    for process in processes:
        process.until_ready()
    return time.monotonic() - started


@contextlib.contextmanager
def stopped_in_order(process, seconds=40, number=signal.SIGTERM):
    """Starts it; in the end it may finish what it does before it is killed."""
    process.start()
    try:
        yield process
    finally:
        process.stop(seconds, number)
