"""Time decisions as a service gets them: round trips over the unix socket, and batches.

A served decision point in a process of its own, a client that writes and reads raw bytes
in this one. What is told is wall time of the whole round trip, the client included, on
processors that are kept awake; single decisions are asked of several services, one after
the other, since no two runs of a program lie in memory alike.

    python -m bench.decisions
"""

from __future__ import annotations

import json
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.processor import awake
from bench.results import write
from tests.conformance.client import EVALUATION, EVALUATIONS
from tests.decisions.serving import guest, policy, serving, world

SERVICES, SINGLE, BATCHES, BATCH, WARM = 5, 3000, 200, 1000, 300
TICK = 0.001
GUESTS = 1000
VOLUME = "/pool/web.qcow2"


def request(path: str, document: object) -> bytes:
    body = json.dumps(document, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: trustd\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def question(number: int, action: str = "write") -> dict[str, object]:
    return {
        "subject": {"type": "guest", "id": guest(number).id},
        "action": {"name": action},
        "resource": {"type": "volume", "id": VOLUME},
    }


def answer(connection: socket.socket) -> bytes:
    """One response with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    at = head.index(b"Content-Length: ") + 16
    length = int(head[at : head.find(b"\r\n", at) if b"\r\n" in head[at:] else None])
    while len(body) < length:
        body += connection.recv(1 << 20)
    return body


def timed(connection: socket.socket, sent: bytes, times: int, expected: int) -> list[float]:
    """Seconds of each round trip; each answer has so many permits."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        connection.sendall(sent)
        body = answer(connection)
        took.append(time.perf_counter() - began)
        assert body.count(b'"decision":true') == expected, body[:200]
    return took


def serve(*, anew: bool) -> None:
    """Serve until the other end of standard input is closed.

    Args:
        anew: whether a tick ends again and again, so that every question is one that was
            not asked since.
    """
    rules = policy()
    guests = {guest(number, app="web"): "trusted" for number in range(GUESTS)}
    caller = {"name": "bench", "user": os.getuid(), "dialects": ["authzen"]}
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(Path(directory), world(rules, guests), {"callers": [caller]}) as served,
    ):
        print(served.socket, flush=True)
        while not select.select([sys.stdin], [], [], TICK if anew else None)[0]:
            served.point.publish(replace(served.point.world, rulings={}))


def batches(how: str) -> list[float]:
    """Seconds of batches that are asked of a service of their own."""
    items = {"evaluations": [question(number) for number in range(BATCH)]}
    batch = request(EVALUATIONS, items)
    with service(how) as connection:
        timed(connection, batch, 5, BATCH)
        return timed(connection, batch, BATCHES, BATCH)


@contextmanager
def service(how: str) -> Iterator[socket.socket]:
    """A connection to a service in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.decisions", how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(server.stdout.readline().strip())
            yield connection
    finally:
        server.stdin.close()
        server.wait(20)


def main() -> None:
    permit = request(EVALUATION, question(7))
    denial = request(EVALUATION, question(7, "fly"))
    single: list[float] = []
    denied: list[float] = []
    with awake():
        for _ in range(SERVICES):
            with service("serve") as connection:
                timed(connection, permit, WARM, 1)
                single += timed(connection, permit, SINGLE, 1)
                denied += timed(connection, denial, SINGLE, 0)
        again, first = batches("serve"), batches("anew")
    write(
        "decisions",
        {
            "unix_round_trip_median_us": statistics.median(single) * 1e6,
            "unix_round_trip_best_us": min(single) * 1e6,
            "unix_round_trip_p99_us": statistics.quantiles(single, n=100)[98] * 1e6,
            "unix_round_trip_denial_median_us": statistics.median(denied) * 1e6,
            "batch_items": BATCH,
            "batch_item_median_us": statistics.median(again) / BATCH * 1e6,
            "batch_item_best_us": min(again) / BATCH * 1e6,
            "batch_item_first_asked_median_us": statistics.median(first) / BATCH * 1e6,
            "batch_item_first_asked_best_us": min(first) / BATCH * 1e6,
            "guests": GUESTS,
        },
    )


if __name__ == "__main__":
    serve(anew=sys.argv[1] == "anew") if sys.argv[1:] else main()
