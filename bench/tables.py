"""The tables of single measurements that stand further down on the page of figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Found = Mapping[str, float | int | str]
"""The figures of one measurement, by their names."""

WATCHERS = {
    "trustd": "trustd, observing",
    "libvirt_exporter": "prometheus-libvirt-exporter",
    "collectd": "collectd, virt",
}
BESIDE = (
    ("processor time of its own, a collection", "cpu_ms_median", "{:.0f} ms"),
    ("processor time of libvirtd for it", "libvirtd_cpu_ms_median", "{:.0f} ms"),
    ("memory", "resident_mib_median", "{:.0f} MiB"),
    ("from its start to every guest's data", "first_data_s_median", "{:.1f} s"),
    ("a scrape, wall time", "scrape_ms_median", "{:.0f} ms"),
    ("age of what a scrape brings", "age_s_median", "{:.1f} s"),
    ("**one emulator frozen for 40 s:** samples of the other 29", "frozen_samples", "{}"),
    ("of them lost", "frozen_lost", "**{}**"),
    ("scrapes of 8 that failed", "frozen_failed_scrapes", "{}"),
    ("oldest that the newest sample of one became", "frozen_oldest_s", "{:.0f} s"),
    ("**libvirtd restarted, 3 s away:** samples", "restart_samples", "{}"),
    ("of them lost", "restart_lost", "{}"),
    ("oldest that the newest sample of one became", "restart_oldest_s", "{:.0f} s"),
)
"""What, the figure's name behind the watcher's, and how it is written."""

LEVERS = (
    "disk_throttle",
    "disk_gate",
    "nic_link",
    "nic_filter",
    "quarantine",
    "unplug",
    "cpu_quota",
    "pause",
    "all",
)


def peers(found: Found) -> str:
    """A column a watcher."""
    lines = [f"| | {' | '.join(WATCHERS.values())} |", "|---|" + "---|" * len(WATCHERS)]
    for what, figure, form in BESIDE:
        cells = [_cell(found, f"{watcher}_{figure}", form) for watcher in WATCHERS]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def reaction(found: Found) -> str:
    """A row a lever; each time is the median, the slowest of twenty, and the slowest."""
    lines = [
        "| lever | trials | told, ms | felt, ms | in time | in its own tick |",
        "|---|---|---|---|---|---|",
    ]
    for lever in LEVERS:
        times = [
            " / ".join(_cell(found, f"{lever}_{step}_ms_{part}", "{:.0f}") for part in _PARTS)
            for step in ("sample_to_told", "sample_to_felt")
        ]
        ratios = [
            _cell(found, f"{lever}_{ratio}_ratio", "{:.0%}")
            for ratio in ("within_goal", "in_its_own_tick")
        ]
        cells = [lever.replace("_", "-"), _cell(found, f"{lever}_trials", "{}"), *times, *ratios]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


_PARTS = ("median", "p95", "max")
TABLES: Mapping[str, Callable[[Found], str]] = {"peers": peers, "reaction": reaction}


def _cell(found: Found, name: str, form: str) -> str:
    """A figure as it is written; one in words is what it says.

    >>> found = {"wait_s": 1.25, "end_s": "never"}
    >>> [_cell(found, name, "{:.1f} s") for name in ("wait_s", "end_s", "other_s")]
    ['1.2 s', 'never', 'not measured']
    """
    figure = found.get(name, "not measured")
    return figure if isinstance(figure, str) else form.format(figure)
