"""Certificates for the connections to a cluster of a check's own: an authority, its nodes' and a
client's. Needs openssl."""

import subprocess

from rig.verdict import CouldNotCheck

CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[extensions]
basicConstraints = critical, CA:{is_authority}
{more}
"""


class Certificates:
    """Files of PEM in a folder: `ca.pem`, `node.pem` (key and certificate in one), and `client.pem`
    with `client-key.pem`."""

    def __init__(self, openssl, folder, addresses):
        self.openssl, self.folder = openssl, folder
        folder.mkdir(parents=True)
        self.authority, authority_key = self.make("ca", "")
        issuer = ["-CA", self.authority, "-CAkey", authority_key]
        names = ",".join(f"IP:{address}" for address in addresses)
        certificate, key = self.make("node", f"subjectAltName = {names}", issuer)
        self.node = folder / "node.pem"
        self.node.write_text(key.read_text() + certificate.read_text())
        self.make("client", "extendedKeyUsage = clientAuth", issuer)

    def make(self, name, more, issuer=()):
        """The files of a certificate that is its own issuer, or another's; and of its key."""
        config = self.folder / f"{name}.cnf"
        config.write_text(
            CONFIG.format(name=name, more=more, is_authority="FALSE" if issuer else "TRUE")
        )
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        command = [
            self.openssl,
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-noenc",
            "-days",
            "2",
            "-config",
            config,
            "-extensions",
            "extensions",
            *issuer,
            "-keyout",
            key,
            "-out",
            certificate,
        ]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise CouldNotCheck(f"openssl req for {name}: {done.stderr[-1000:]}")
        return certificate, key
