#!/usr/bin/env python3
"""Runs HAProxy with deploy/haproxy.cfg in front of two small nodes that misbehave, and looks at
what voters and nodes get: what is sent twice and what never, what a slow client holds, what is
hidden.

    checks/balancer.py
    checks/balancer.py --config my-haproxy.cfg"""

import contextlib
import http.server
import json
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

from rig.balancer import CONFIG, Balancer
from rig.installed import need
from rig.options import bare
from rig.process import free_port
from rig.verdict import ROOT, Red, folder, run

ID = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
NAMED = {"ballot_id": ID, "choice": "the-wire"}
UNNAMED = {"choice": "the-wire"}
BALLOTS = "/v1/contests/tv-series/ballots"
INSIDE, OUTSIDE = "127.0.0.1", "127.9.9.9"


class FakeNode(http.server.ThreadingHTTPServer):
    """Answers every request as its `mode` says, and remembers it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode, self.seen = "ok", []
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A connection that was dropped on purpose is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        self.take(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def take(self, body):
        if self.path == "/readyz":
            return self.reply(503 if self.server.mode == "not ready" else 200)
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path.endswith("/stream"):
            return self.stream()
        if self.server.mode == "loses replies" and self.command == "POST":
            self.close_connection = True
            return None
        return self.reply(503 if self.server.mode == "draining" else 201)

    def reply(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Set-Cookie", "device=1; HttpOnly")
        self.end_headers()

    def stream(self):
        """Two events and the silence between two comments of a real node."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(2):
            self.wfile.write(b"event: counts\n\n")
            self.wfile.flush()
            time.sleep(self.server.silence)
        self.close_connection = True


METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
for one in METHODS:
    setattr(Handler, f"do_{one}", Handler.handle_any)


class Voter:
    """Talks to the balancer from an address, over a connection of its own each time."""

    def __init__(self, balancer, source=INSIDE, tls=None):
        self.balancer, self.source, self.tls = balancer, source, tls

    def ask(self, method, path, body=None, headers=None):
        """Status, headers in lower case, text."""
        payload = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: votes.test",
            "Connection: close",
            f"Content-Length: {len(payload)}",
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)

    def send(self, request, seconds=40):
        host, port = self.balancer.split(":")
        with contextlib.ExitStack() as stack:
            line = stack.enter_context(
                socket.create_connection(
                    (host, int(port)), timeout=seconds, source_address=(self.source, 0)
                )
            )
            if self.tls:
                line = stack.enter_context(self.tls.wrap_socket(line))
            line.sendall(request)
            reply = b""
            while more := line.recv(65536):
                reply += more
        head, _, text = reply.decode(errors="replace").partition("\r\n\r\n")
        first, *rest = head.split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
        }
        return int(first.split(" ")[1]), headers, text


def must(holds, what):
    if not holds:
        raise Red(what)


def sent_again_only_if_named(voter, nodes):
    """A reply is lost: a ballot with an id is tried on the other node, one without is not."""
    named = {"Ballot-Id": ID}
    for mode, lost in (("loses replies", 502), ("draining", 503)):
        for body, path, said, tries in (
            (NAMED, BALLOTS, named, 2),
            # What the body says is not read.
            (NAMED, BALLOTS, {}, 1),
            (UNNAMED, BALLOTS, {}, 1),
            (NAMED, "/v1/contests/tv-series/batches", named, 1),
            (NAMED, "/c/tv-series", named, 1),
        ):
            # Both nodes misbehave alike, or it would be chance whether the first one does.
            forget(nodes, mode)
            status, headers, _ = voter.ask("POST", path, body, said)
            posts = [one for node in nodes for one in node.seen]
            wanted = tries if tries == 1 else range(2, 4)
            count = len(posts)
            fine = count == wanted if isinstance(wanted, int) else count in wanted
            must(fine, f"{mode}: POST {path} {body} reached the nodes {count} times, not {wanted}")
            must(status == lost, f"{mode}: answered {status}, not {lost}")
            must(mode == "draining" or "retry-after" in headers, f"no Retry-After: {headers}")
    # One node loses replies, the other does not: the voter never hears of it.
    for first, second in (nodes, nodes[::-1]):
        forget(nodes, "ok")
        first.mode = "loses replies"
        for _ in range(6):
            status, _, _ = voter.ask("POST", BALLOTS, NAMED, named)
            must(status == 201, f"a named ballot got {status} with a good node there")
        must(second.seen, "the good node got nothing")
    forget(nodes, "ok")


# What a client could say of where it comes from and how, and what a node may hear of it.
MADE_UP = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6;proto=https",
}


def addresses_are_not_believed(voter, nodes, scheme):
    forget(nodes, "ok")
    voter.ask("POST", BALLOTS, NAMED, MADE_UP)
    [(_, _, headers, _)] = [one for node in nodes for one in node.seen]
    said = {name.lower(): value for name, value in headers.items()}
    given = {name.lower(): said[name.lower()] for name in MADE_UP if name.lower() in said}
    wanted = {"x-forwarded-for": voter.source, "x-forwarded-proto": scheme}
    must(given == wanted, f"the node is told {given}, not {wanted}")


def routes():
    """Every path that a node answers, with names filled in: of the OpenAPI document, and pages."""
    document = json.loads((ROOT / "web/openapi.json").read_text())
    source = (ROOT / "web/src/routes.rs").read_text()
    paths = {*document["paths"], *re.findall(r'route\(\s*"(/[^"]*)"', source)}
    return {re.sub(r"\{[^}]*\}", "tv-series", path) for path in paths}


def is_inside(path):
    return re.match(r"/(v1/admin|admin|metrics|readyz|healthz)(/|$)", path)


def the_inside_is_hidden(inside, outside, intakes, admins):
    known = routes()
    must(len(known) > 40, f"only {len(known)} routes are known")
    more = {"/ADMIN", "/admin/", "//admin", "/c/../admin", "/v1", "/v2/contests", "/server-status"}
    for path in sorted(known | more):
        public = path in known and not is_inside(path)
        for method in METHODS:
            forget([*intakes, *admins], "ok")
            status, headers, _ = outside.ask(method, path)
            reached = any(node.seen for node in intakes)
            must(not any(node.seen for node in admins), f"{method} {path} reached an admin node")
            if public:
                must(reached, f"{method} {path} from outside: {status}")
            elif path != "/c/../admin":
                # That one is a path below /c for a node too, and nothing is there.
                must(status == 404 and not reached, f"{method} {path} from outside: {status}")
                must(headers["content-type"] == "application/problem+json", f"{path}: no problem")
    for path in sorted(filter(is_inside, known)):
        forget([*intakes, *admins], "ok")
        status, _, _ = inside.ask("GET", path)
        of_admins = re.match(r"/(v1/)?admin(/|$)", path)
        reached = any(node.seen for node in (admins if of_admins else intakes))
        must(path == "/readyz" or reached, f"{path} from inside: {status}")


def slow_clients_hold_no_node(voter, nodes):
    forget(nodes, "ok")
    started = time.monotonic()
    status, _, _ = voter.send(
        f"POST {BALLOTS} HTTP/1.1\r\nHost: votes.test\r\n"
        f'Content-Length: 60\r\n\r\n{{"choice"'.encode()
    )
    took = time.monotonic() - started
    must(status == 408 and took < 20, f"half a body: {status} after {took:.0f} s")
    must(not any(node.seen for node in nodes), "half a body reached a node")


def streams_are_not_cut(voter, nodes):
    forget(nodes, "ok")
    for node in nodes:
        # A real node sends a comment every 15 s.
        node.silence = 16
    status, _, text = voter.ask("GET", "/v1/contests/tv-series/results/stream")
    must(status == 200 and text.count("event: counts") == 2, f"the stream was cut: {text!r}")


def nobody_there_is_said(voter, nodes, balancer):
    forget(nodes, "not ready")
    deadline = time.monotonic() + 15
    while any(status.startswith("UP") for status in balancer.servers().values()):
        must(time.monotonic() < deadline, f"nodes that are not ready stay: {balancer.servers()}")
        time.sleep(0.1)
    status, headers, text = voter.ask("POST", BALLOTS, NAMED)
    must(status == 503 and "retry-after" in headers, f"no node: {status} {headers}")
    must(json.loads(text)["type"].startswith("urn:landslide:problem:"), text)
    must(not any(node.seen for node in nodes), "a ballot reached a node that is not ready")
    forget(nodes, "ok")
    while not all(status == "UP" for status in balancer.servers().values()):
        must(time.monotonic() < deadline + 15, f"nodes do not come back: {balancer.servers()}")
        time.sleep(0.1)


def tls_ends_here(home, nodes, config):
    """With a certificate: plain GETs are sent over, what is sent is refused, nodes know of it."""
    key, certificate, both = (home / name for name in ("key.pem", "certificate.pem", "both.pem"))
    subprocess.run(
        [
            need("openssl"),
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=votes.test",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    both.write_text(certificate.read_text() + key.read_text())
    secure = f"127.0.0.1:{free_port()}"
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with running(
        home, nodes, config, "haproxy-tls", LANDSLIDE_HTTPS=secure, LANDSLIDE_CERTIFICATE=str(both)
    ) as balancer:
        status, headers, _ = Voter(balancer.address).ask("GET", "/c/tv-series")
        must(status == 308 and headers["location"].startswith("https://"), f"plain: {status}")
        voter = Voter(secure, tls=trust)
        status, headers, _ = voter.ask("POST", BALLOTS, NAMED)
        must(status == 201, f"with TLS: {status}")
        must("strict-transport-security" in headers, f"no HSTS: {headers}")
        # The node makes its cookies Secure by what it is told.
        addresses_are_not_believed(voter, nodes, "https")
        for path in (BALLOTS, "/c/tv-series", "/v1/contests/tv-series/batches"):
            forget(nodes, "ok")
            status, _, text = Voter(balancer.address).ask("POST", path, NAMED)
            must(status == 403, f"POST {path} over plain HTTP: {status}")
            must(json.loads(text)["type"] == "urn:landslide:problem:plain-http", text)
            must(not any(node.seen for node in nodes), f"POST {path} over plain HTTP got through")


def forget(nodes, mode):
    for node in nodes:
        node.mode, node.silence = mode, 0
        node.seen.clear()


@contextlib.contextmanager
def running(home, nodes, config, name, admins=None, **more):
    address, there = f"127.0.0.1:{free_port()}", [node.address for node in nodes]
    inside = [node.address for node in admins or nodes]
    balancer = Balancer(
        name, home, address, there, inside, [f"{INSIDE}/32"], config=config, variables=more
    )
    balancer.start()
    try:
        deadline = time.monotonic() + 30
        while not reachable(balancer):
            balancer.must_live()
            must(time.monotonic() < deadline, "the balancer does not answer")
            time.sleep(0.1)
        yield balancer
    finally:
        balancer.kill()


def reachable(balancer):
    return balancer.all_up() and balancer.all_up("admins")


def check(options):
    nodes, admins = [FakeNode(), FakeNode()], [FakeNode(), FakeNode()]
    with folder() as home:
        with running(home, nodes, options.config, "haproxy", admins) as balancer:
            inside, outside = Voter(balancer.address), Voter(balancer.address, OUTSIDE)
            sent_again_only_if_named(outside, nodes)
            addresses_are_not_believed(outside, nodes, "http")
            the_inside_is_hidden(inside, outside, nodes, admins)
            slow_clients_hold_no_node(outside, nodes)
            streams_are_not_cut(outside, nodes)
            nobody_there_is_said(outside, nodes, balancer)
        tls_ends_here(home, nodes, options.config)
    return (
        "a lost reply is tried again for ballots with an id alone, nothing that a client says of "
        "itself is believed, of every route the public reaches what is public alone, slow clients "
        "hold no node, streams are not cut, nobody there is said as the contract says, TLS ends "
        "here"
    )


def parse():
    options = bare(__doc__)
    options.add_argument(
        "--config",
        type=pathlib.Path,
        default=CONFIG,
        metavar="FILE",
        help="the configuration [deploy/haproxy.cfg]",
    )
    return options.parse_args()


if __name__ == "__main__":
    chosen = parse()
    run(lambda: check(chosen))
