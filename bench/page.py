"""What /metrics costs at 1,000 guests x 40 series, next to prometheus_client's own handler.

    python -m bench.page

The server's loop is watched by a task that wants to run every millisecond; how
late it gets its turn is a stall. The reader is a process of its own. Three
servers: idle (what the machine itself costs), trustd's, which also renders a
new page in a thread all the time, and the handler of prometheus_client over the
same series.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import threading
import time
from dataclasses import replace
from typing import Self

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.parser import text_string_to_metric_families

from bench.results import write
from tests.api.fleets import FEATURES, assessed, fleet
from trustd.api import Live, serve
from trustd.metrics import Exposition, Meters, MetricsPage
from trustd.model import FeatureSpec, Fleet, Unit

GUESTS = 1000
REQUESTS = 300
PEER_REQUESTS = 15
SWITCH_INTERVAL = 0.001
"""As the daemon sets it: how long a thread may keep the loop from its turn."""

EXTRA = tuple(
    FeatureSpec(f"probe.value{number}", Unit.EVENTS_PER_SECOND, "probe") for number in range(8)
)
ALL_FEATURES = FEATURES + EXTRA

READER = """
import http.client, json, statistics, sys, time
port, number, encoding = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
connection = http.client.HTTPConnection("127.0.0.1", port)
connection.connect()
print(flush=True)
sys.stdin.readline()
took, size = [], 0
for _ in range(number):
    began = time.perf_counter()
    connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
    size = len(connection.getresponse().read())
    took.append(1000 * (time.perf_counter() - began))
took.sort()
print(json.dumps({"median": statistics.median(took), "p95": took[int(0.95 * len(took))],
                  "bytes": size}))
"""


def measured() -> Fleet:
    """A fleet in which every guest has every feature."""
    guests = []
    for number in range(GUESTS):
        samples = {
            feature.name: 1000.0 / (number + place + 1)
            for place, feature in enumerate(ALL_FEATURES)
        }
        guests.append(replace(assessed(f"guest-{number}", number), samples=samples))
    return fleet(*guests)


class StallWatch:
    """How late a task gets its turn while it is entered, in milliseconds.

    The whole delay counts, and of it what the loop's own thread computed: the
    rest is the machine, or a thread that has the interpreter.
    """

    def __init__(self) -> None:
        self.late: list[float] = []
        self.own: list[float] = []

    async def __aenter__(self) -> Self:
        gc.collect()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        step = 0.001
        while True:
            began, computed = time.perf_counter(), time.thread_time()
            await asyncio.sleep(step)
            self.late.append(1000 * (time.perf_counter() - began - step))
            self.own.append(1000 * (time.thread_time() - computed))

    def figures(self, name: str) -> dict[str, float]:
        ordered = sorted(self.late)
        return {
            f"{name}_stall_max_ms": ordered[-1],
            f"{name}_stall_p99_ms": ordered[int(0.99 * len(ordered))],
            f"{name}_stalls_over_5_ms": float(sum(late > 5 for late in ordered)),
            f"{name}_loop_busy_at_once_max_ms": max(self.own),
        }


async def read(port: int, number: int, encoding: str, watch: StallWatch) -> dict[str, float]:
    """Read the page so many times from another process, and watch only meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        READER,
        str(port),
        str(number),
        encoding,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    # Starting a process stops this one for a while, which is not the server's doing.
    async with watch:
        process.stdin.write(b"go\n")
        out = await process.stdout.readline()
    await process.communicate()
    figures: dict[str, float] = json.loads(out)
    return figures


async def reads(port: int, name: str, number: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    watch = StallWatch()
    for encoding, form in (("identity", "plain"), ("gzip", "gzip")):
        got = await read(port, number, encoding, watch)
        figures[f"{name}_{form}_median_ms"] = got["median"]
        figures[f"{name}_{form}_p95_ms"] = got["p95"]
        figures[f"{name}_{form}_bytes"] = got["bytes"]
    return figures | watch.figures(name)


async def idle() -> dict[str, float]:
    async with StallWatch() as watch:
        await asyncio.sleep(3)
    return watch.figures("idle")


def render_times(shown: Fleet) -> tuple[MetricsPage, dict[str, float]]:
    meters, exposition = Meters("bench"), Exposition(ALL_FEATURES)
    meters.observe(shown)
    took = []
    page = exposition.render(shown, meters)
    for _ in range(15):
        began = time.thread_time()
        page = exposition.render(shown, meters)
        took.append(1000 * (time.thread_time() - began))
    live = Live(ALL_FEATURES, meters, version="bench")
    live.publish(shown, page)
    began = time.thread_time()
    live.publish(shown, page)
    publish = 1000 * (time.thread_time() - began)
    return page, {"render_cpu_median_ms": statistics.median(took), "publish_cpu_ms": publish}


async def ours(shown: Fleet) -> dict[str, float]:
    meters, exposition = Meters("bench"), Exposition(ALL_FEATURES)
    live = Live(ALL_FEATURES, meters, version="bench")
    async with serve(live, None, ("127.0.0.1", 0)) as listening:
        assert listening.tcp is not None
        port = listening.tcp[1]
        live.publish(shown, exposition.render(shown, meters))
        figures = await reads(port, "trustd", REQUESTS)
        loop, stop = asyncio.get_running_loop(), threading.Event()

        def ticks() -> None:
            while not stop.wait(0.1):
                page = exposition.render(shown, meters)
                loop.call_soon_threadsafe(live.publish, shown, page)

        line = threading.Thread(target=ticks)
        line.start()
        figures |= await reads(port, "trustd_while_rendering", REQUESTS)
        stop.set()
        await asyncio.to_thread(line.join)
    return figures


async def peer(page: MetricsPage) -> dict[str, float]:
    """prometheus_client with the very same series."""
    registry = CollectorRegistry()
    for family in text_string_to_metric_families(page.plain.decode()):
        if not family.name.startswith("trustd_guest_"):
            continue
        names = sorted(family.samples[0].labels)
        gauge = Gauge(family.name, family.documentation, names, registry=registry)
        for sample in family.samples:
            gauge.labels(**sample.labels).set(sample.value)
    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    figures = await reads(runner.addresses[0][1], "prometheus_client", PEER_REQUESTS)
    await runner.cleanup()
    return figures


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL)
    shown = measured()
    page, figures = render_times(shown)
    per_guest = sum(line.startswith(b"trustd_guest_") for line in page.plain.splitlines()) / GUESTS
    figures = {"guests": GUESTS, "series_per_guest": per_guest, **figures}
    figures |= asyncio.run(idle())
    figures |= asyncio.run(ours(shown))
    figures |= asyncio.run(peer(page))
    write("page", figures)


if __name__ == "__main__":
    main()
