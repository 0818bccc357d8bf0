"""Addresses for the processes of a cluster, and a network that can be cut."""

import os
import pathlib
import re
import shutil
import subprocess

from rig.cassandra import free_network
from rig.installed import need
from rig.process import free_port
from rig.verdict import CouldNotCheck

NODE_PORT = 8080
# A unicast address that nobody has: what is sent there vanishes.
NOBODY = "02:00:00:00:00:ff"


class Network:
    """Addresses for the processes: on the loopback, or each in a network namespace of its own on a
    bridge, where it can be cut off from others."""

    def __init__(self, with_namespaces):
        self.with_namespaces = with_namespaces
        self.namespaces, self.cuts = {}, set()
        if not with_namespaces:
            self.loopback = free_network(9)[0].rpartition(".")[0]
            self.nets = ["127.0.0.0/8"]
            return
        need("ip")
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
                ip(
                    "-n",
                    self.namespaces[here],
                    "neigh",
                    "replace",
                    there,
                    "lladdr",
                    NOBODY,
                    "nud",
                    "permanent",
                    "dev",
                    "eth0",
                )
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
    done = subprocess.run(
        ["ip", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
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
