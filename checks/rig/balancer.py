"""HAProxy as a process of a check."""

from rig.calls import get
from rig.installed import need
from rig.process import Process, environment_without_ours, free_port
from rig.verdict import ROOT

CONFIG = ROOT / "deploy/haproxy.cfg"
TCP_CONFIG = ROOT / "deploy/haproxy-tcp.cfg"


class Balancer(Process):
    """HAProxy, with the configuration that is delivered unless another is to be tried."""

    start_seconds_max = 90

    def __init__(
        self, name, folder, address, intakes, admins, inside, config=CONFIG, variables=None
    ):
        self.address = address
        self.url = f"http://{address}"
        self.stats = f"127.0.0.1:{free_port()}"
        named = {
            "LANDSLIDE_HTTP": address,
            "LANDSLIDE_INSIDE": " ".join(inside),
            "LANDSLIDE_STATS": self.stats,
            "LANDSLIDE_SOCKET": f"{folder}/{name}.sock",
            **{f"LANDSLIDE_INTAKE_{n}": at for n, at in enumerate(intakes, 1)},
            **{f"LANDSLIDE_ADMIN_{n}": at for n, at in enumerate(admins, 1)},
        }
        super().__init__(
            name,
            folder,
            [need("haproxy"), "-db", "-f", config],
            {**environment_without_ours(), **named, **(variables or {})},
        )

    def ready(self):
        return get(f"{self.url}/readyz")[0] == 200

    def all_up(self, backend="intakes"):
        """Whether it sends voters to all of them."""
        servers = self.servers(backend)
        return bool(servers) and all(status == "UP" for status in servers.values())

    def servers(self, backend="intakes"):
        """What it thinks of its servers: name to status, such as UP or DOWN."""
        _, text = get(f"http://{self.stats}/;csv")
        rows = [line.split(",") for line in text.splitlines()]
        return {
            row[1]: row[17]
            for row in rows
            if row[0] == backend and row[1] not in ("FRONTEND", "BACKEND")
        }


class SecureBalancer(Balancer):
    """One that voters reach by TLS: it ends it (`certificate`: chain and key in one file), or
    passes it on in TCP mode."""

    def __init__(self, name, folder, address, intakes, inside, certificate=None):
        named = {"LANDSLIDE_HTTPS": address}
        if certificate:
            named["LANDSLIDE_CERTIFICATE"] = str(certificate)
        plain = f"127.0.0.1:{free_port()}"
        config = CONFIG if certificate else TCP_CONFIG
        super().__init__(name, folder, plain, intakes, intakes, inside, config, named)
        self.address, self.url = address, f"https://{address}"

    def ready(self):
        return self.all_up()
