"""Calls over HTTP, as an administrator makes them."""

import json
import urllib.error
import urllib.request

TOKEN = "a token for checks"


def get(url):
    return call("GET", url)


def call(method, url, body=None, seconds=10):
    """Status and text; status 0 where there was no reply."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    payload = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, payload, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return reply.status, reply.read().decode(errors="replace")
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode(errors="replace")
    except (OSError, ValueError):
        return 0, ""


def problem(text):
    """The type of a problem document; None where a text is none."""
    try:
        return json.loads(text).get("type")
    except (ValueError, AttributeError):
        return None
