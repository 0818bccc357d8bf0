"""The load: wrk with one ballot a request, and the gateway program with a thousand."""

import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE.parent / "target" / "release"


def vote(address, connections, seconds, choice="uniform", pause_ms=0):
    """Runs wrk; its figures, with `per_second` acknowledged ballots."""
    command = [
        "wrk",
        "--threads",
        "1",
        "--connections",
        str(connections),
        "--duration",
        f"{seconds}s",
        "--timeout",
        "10s",
        "--script",
        str(HERE / "ballots.lua"),
        f"http://{address}",
    ]
    env = dict(os.environ, BENCH_CHOICE=choice, BENCH_PAUSE_MS=str(pause_ms))
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"wrk said nothing of use:\n{done.stdout}{done.stderr}")
    figures = json.loads(lines[0].removeprefix("RESULT "))
    figures["per_second"] = figures["acknowledged"] / figures["seconds"]
    return figures


def watched(program, address, contest, token, connections, seconds, streams):
    """Runs `landslide bench`, with that many streams of results open meanwhile; its report."""
    command = [
        program,
        "bench",
        "--url",
        f"http://{address}",
        "--contest",
        contest,
        "--json",
        "--choices",
        "uniform",
        "--connections",
        connections,
        "--duration",
        f"{seconds}s",
        *(["--watch", streams] if streams else []),
    ]
    env = dict(os.environ, LANDSLIDE_ADMIN_TOKEN=token)
    done = subprocess.run(
        list(map(str, command)), env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"bench: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def gateway(address, key, ballots, ahead=500):
    """Sends ballots by the thousand; `ahead` requests a connection are made before it is timed."""
    command = [BUILT / "gateway", address, "tv-series", key, "sms", ballots, 1_000, 4, ahead]
    done = subprocess.run(map(str, command), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"gateway: {done.stderr}")
    figures = json.loads(done.stdout)
    figures["per_second"] = figures["recorded"] / figures["seconds"]
    return figures
