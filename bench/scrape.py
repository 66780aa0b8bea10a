"""A scraper as Prometheus is one: at its times, with a time-out, whatever became of the last.

Run inside the hypervisor's namespaces, so it needs nothing but Python:

    python bench/scrape.py URL KIND INTERVAL COUNT

Prints a JSON object a scrape: when it was due and ended (epoch seconds), the newest sample's
time by guest, and what went wrong. A scrape that takes longer than the interval has failed.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

Times = dict[str, float]
"""When the newest sample of each guest was taken, by the guest's name."""

_LINE = re.compile(r"^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)(?: (\d+))?$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def series(page: str, name: str) -> list[tuple[dict[str, str], float, float]]:
    """Labels, value and epoch seconds (0: none) of each series of a metric.

    >>> series('up{a="b",c="d"} 2 1500' + chr(10), "up")
    [({'a': 'b', 'c': 'd'}, 2.0, 1.5)]
    """
    return [
        (dict(_LABEL.findall(labels)), float(value), int(at or 0) / 1e3)
        for metric, labels, value, at in _LINE.findall(page)
        if metric == name
    ]


def trustd(page: str, _: float) -> Times:
    """Its page says when the tick was, and how long before it each guest was sampled whole."""
    ticks = series(page, "trustd_tick_timestamp_seconds")
    if not ticks:
        return {}
    tick = ticks[0][1]
    names = {at["uuid"]: at["guest"] for at, _, _ in series(page, "trustd_guest_info")}
    ages = series(page, "trustd_guest_sample_age_seconds")
    return {names[labels["uuid"]]: tick - age for labels, age, _ in ages}


def exporter(page: str, asked: float) -> Times:
    """It asks libvirt when it is asked, and says no times: at the earliest then."""
    found = series(page, "libvirt_domain_info_cpu_time_seconds_total")
    return {labels["domain"]: asked for labels, _, _ in found}


def collectd(page: str, _: float) -> Times:
    """Every value carries its time."""
    found = series(page, "collectd_virt_virt_cpu_total_total")
    return {labels["instance"]: at for labels, _, at in found}


KINDS: dict[str, Callable[[str, float], Times]] = {
    "trustd": trustd,
    "libvirt_exporter": exporter,
    "collectd": collectd,
}


def scrape(url: str, kind: str, due: float, limit: float) -> dict[str, object]:
    """One scrape; one that is refused, cut off or too late has no times."""
    asked, error, times = time.time(), "", {}
    try:
        with urllib.request.urlopen(url, timeout=limit) as answer:  # noqa: S310 - as it was told
            page = answer.read().decode("utf-8", "replace")
        times = KINDS[kind](page, asked)
    except (OSError, urllib.error.URLError) as problem:
        error = str(problem) or type(problem).__name__
    ended = time.time()
    if ended - asked > limit:
        error, times = error or "too late", {}
    return {"due": due, "asked": asked, "ended": ended, "error": error, "times": times}


def main() -> None:
    """Scrape as often as told; each scrape on a thread of its own, so that none waits."""
    url, kind, interval, count = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    printing = threading.Lock()

    def one(due: float) -> None:
        line = json.dumps(scrape(url, kind, due, interval))
        with printing:
            print(line, flush=True)

    began = time.time()
    threads = []
    for number in range(count):
        due = began + number * interval
        time.sleep(max(0.0, due - time.time()))
        threads.append(threading.Thread(target=one, args=(due,)))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
