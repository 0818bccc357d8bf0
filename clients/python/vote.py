#!/usr/bin/env python3
"""Casts one ballot and does not give up until the answer is in. Standard library only.

    vote.py https://vote.example tv the-wire [--outbox FILE]

Where to send it, and what a ballot looks like, is read from the server's own description at
/openapi.json. The ballot is written to a file before it is sent, with its id and its device: run
again after a crash or a Ctrl-C, this sends the same ballot, which is counted once.
"""

import argparse
import email.utils
import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid


def main():
    parser = argparse.ArgumentParser(description="Casts one ballot, surely and once.")
    parser.add_argument("server", help="such as https://vote.example")
    parser.add_argument("contest")
    parser.add_argument("choice")
    parser.add_argument(
        "--outbox", default="outbox.json", help="where the ballot is kept meanwhile"
    )
    arguments = parser.parse_args()
    server = arguments.server.rstrip("/")

    paths = json.loads(retry(lambda: get(f"{server}/openapi.json")))["paths"]
    path = next(
        path
        for path, item in paths.items()
        if item.get("post", {}).get("operationId") == "cast_ballot"
    )
    url = server + path.replace("{contest}", urllib.parse.quote(arguments.contest, safe=""))

    kept = load(arguments.outbox)
    ballot = kept.get(url) or {
        "ballot_id": uuid7(time.time()),
        "choice": arguments.choice,
        "device": kept.get("device") or str(uuid.uuid4()),
    }
    if ballot["choice"] != arguments.choice:
        print(
            f"a ballot for {ballot['choice']} is still without an answer; it goes first",
            file=sys.stderr,
        )
    kept |= {url: ballot, "device": ballot["device"]}
    save(arguments.outbox, kept)  # before the first send

    try:
        answer = json.loads(retry(lambda: post(url, ballot)))
    except urllib.error.HTTPError as refused:
        problem = json.load(refused)
        save(arguments.outbox, {name: value for name, value in kept.items() if name != url})
        sys.exit(f"not recorded: {problem['detail']}")
    save(arguments.outbox, {name: value for name, value in kept.items() if name != url})
    print(f"recorded {answer['ballot_id']} at {answer['recorded_at']}")


def retry(send):
    """Calls until there is an answer that is one; raises the HTTPError of a certain refusal."""
    failures = 0
    while True:
        asked = 0.0
        try:
            return send()
        except urllib.error.HTTPError as error:
            is_ours = error.headers.get_content_type() == "application/problem+json"
            if is_ours and 400 <= error.code < 500 and error.code not in (408, 429):
                raise
            asked = retry_after(error.headers.get("Retry-After"))
        except (OSError, ValueError):
            pass  # no network, no answer, or one that is not ours: nobody knows what became of it
        # Full jitter, so that those who were cut off together do not come back together.
        time.sleep(asked + random.uniform(0, min(30, 0.5 * 2 ** min(failures, 10))))
        failures += 1


def retry_after(value):
    """`Retry-After`: seconds or a date."""
    if not value:
        return 0.0
    try:
        return min(float(value), 120.0)
    except ValueError:
        date = email.utils.parsedate_to_datetime(value).timestamp()
        return min(max(date - time.time(), 0.0), 120.0)


def get(url):
    with urllib.request.urlopen(url, timeout=15) as reply:
        return reply.read()


def post(url, ballot):
    body = json.dumps(ballot).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=15) as reply:
        text = reply.read()
    if json.loads(text).get("ballot_id") != ballot["ballot_id"]:
        raise ValueError("a 2xx that is not Landslide's acknowledges nothing")
    return text


def uuid7(seconds):
    """RFC 9562 section 5.7."""
    value = int(seconds * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def save(path, kept):
    """On disk when it returns."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(kept, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    main()
