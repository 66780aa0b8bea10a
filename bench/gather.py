"""Gather the figures in build/bench into the table of docs/benchmarks.md.

    python -m bench.gather

Each row names the target that measures it. What was not measured here keeps what the page said.
"""

from __future__ import annotations

import json
import os
import platform
import re
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.results import DIRECTORY
from bench.tables import TABLES

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
BEGIN, END = "<!-- figures{}: written by make bench -->", "<!-- end of figures -->"
"""Around each table; those of one measurement have its name."""
HEAD = "| what | goal | measured | by |\n|---|---|---|---|\n"
_UNMEASURED = "not measured"

Figures = Mapping[str, Mapping[str, float | int | str]]
"""By the name of the measurement, its figures by their names."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what, goal: in words.
        name: of the measurement, and of its file in build/bench.
        text: the figures, as ``{name:format}``.
        target: of the Makefile.
    """

    what: str
    goal: str
    name: str
    text: str
    target: str = "bench"

    @property
    def fields(self) -> list[str]:
        """The figures that its text names."""
        return [name for _, name, _, _ in string.Formatter().parse(self.text) if name]


ROWS = (
    Row(
        "one tick for 1,000 guests, reply to what is served",
        "50 ms CPU",
        "scale",
        "{tick_1000_guests_cpu_ms_median:.0f} ms",
        "bench-scale",
    ),
    Row(
        "the same for 10,000",
        "11 times that",
        "scale",
        "{cpu_10000_over_1000:.1f} times",
        "bench-scale",
    ),
    Row(
        "memory that guests take, 10,000 to 1,000",
        "11 times",
        "scale",
        "{memory_10000_over_1000:.1f} times",
        "bench-scale",
    ),
    Row(
        "memory at 1,000 guests with a day of history in use",
        "150 MiB",
        "scale",
        "{resident_1000_guests_a_day_of_history_mib:.0f} MiB",
        "bench-scale",
    ),
    Row(
        "a month in which guests come and go: what grows",
        "nothing",
        "soak",
        "{problems} of memory, objects, files, threads, repository and audit; {days:.0f} days, "
        "{guests} guests",
        "soak",
    ),
    Row(
        "`/metrics`, 1,000 guests x 42 series",
        "10 ms",
        "page",
        "{trustd_plain_median_ms:.1f} ms, with gzip {trustd_gzip_median_ms:.1f} ms; "
        "prometheus_client's handler {prometheus_client_plain_median_ms:.0f} ms",
    ),
    Row(
        "the loop's longest work at once while that page is served",
        "5 ms",
        "page",
        "{trustd_loop_busy_at_once_max_ms:.1f} ms",
    ),
    Row(
        "one decision in process, 50 roles x 200 labels x 1,000 subjects",
        "2 µs",
        "decide",
        "{trustd_us:.1f} µs; pycasbin {pycasbin_us:.0f} µs, cedarpy {cedarpy_us:.0f} µs, "
        "rego-cpp {regopy_us:.0f} µs, with the same answers",
        "bench-decide",
    ),
    Row(
        "one decision over the unix socket",
        "100 µs",
        "decisions",
        "{unix_round_trip_median_us:.0f} µs, at best {unix_round_trip_best_us:.0f} µs",
    ),
    Row(
        "one of 1,000 decisions in a batch",
        "2 µs",
        "decisions",
        "{batch_item_median_us:.1f} µs, at best {batch_item_best_us:.1f} µs",
    ),
    Row(
        "scoring one sample of one guest, 16 features",
        "",
        "samples",
        "{trustd_us_per_sample:.1f} µs; half-space trees (river) "
        "{half_space_trees_us_per_sample:.0f} µs, rrcf {rrcf_us_per_sample:,.0f} µs",
    ),
    Row(
        "one emulator of thirty frozen: lost samples of the others",
        "none",
        "peers",
        "{trustd_frozen_lost} of {trustd_frozen_samples}; prometheus-libvirt-exporter "
        "{libvirt_exporter_frozen_lost}, collectd {collectd_frozen_lost}",
        "bench-peers",
    ),
    Row(
        "one collection of thirty guests, CPU of the watcher",
        "",
        "peers",
        "{trustd_cpu_ms_median:.0f} ms, of which reading {trustd_reading_cpu_ms:.0f} ms; "
        "prometheus-libvirt-exporter {libvirt_exporter_cpu_ms_median:.0f} ms, "
        "collectd {collectd_cpu_ms_median:.0f} ms",
        "bench-peers",
    ),
    Row(
        "libvirt's bulk call for all guests, in which the deadline must leave room",
        "50 ms a guest",
        "peers",
        "{trustd_bulk_call_30_guests_ms:.0f} ms for thirty in the median, "
        "{trustd_bulk_call_slowest_ms:.0f} ms at most; {trustd_bulk_call_ms_per_guest:.0f} ms for "
        "each further one",
        "bench-peers",
    ),
    Row(
        "first sample over a stated envelope until trustd tells that the narrowing is in force",
        "2 ticks + 100 ms",
        "reaction",
        "{all_sample_to_told_ms_median:.0f} ms in the median, "
        "{all_sample_to_told_ms_p95:.0f} ms in 95 of 100, ticks of {interval_s:g} s; both told and "
        "felt in time in {all_within_goal_ratio:.1%} of {all_trials} trials",
        "bench-reaction",
    ),
    Row(
        "the same until the guest feels it",
        "",
        "reaction",
        "{all_sample_to_felt_ms_median:.0f} ms in the median, "
        "{all_sample_to_felt_ms_p95:.0f} ms in 95 of 100",
        "bench-reaction",
    ),
    Row(
        "one lever on one guest, from the decision until it is told",
        "",
        "enforce",
        "link {nic_link_apply_ms_median:.0f} ms, throttle {disk_throttle_apply_ms_median:.0f} ms, "
        "quota {cpu_quota_apply_ms_median:.0f} ms, filter {nic_filter_apply_ms_median:.0f} ms",
        "bench-enforce",
    ),
    Row(
        "disk gate, open: throughput to that of nbdkit without its filter",
        "90 %",
        "gate",
        "{read_4k_gate_to_plain_ratio:.0%} and {write_4k_gate_to_plain_ratio:.0%} (4 KiB reads, "
        "writes), {read_64k_gate_to_plain_ratio:.0%} and {write_64k_gate_to_plain_ratio:.0%} "
        "(64 KiB)",
    ),
    Row(
        "a month of history, 40 features each 5 s: the slowest timeline query",
        "100 ms",
        "repository",
        "trust {query_trust_month_fine_worst_ms:.0f} ms, a feature "
        "{query_feature_month_fine_worst_ms:.0f} ms, with {guests} guests",
        "bench-repository",
    ),
    Row(
        "the same: room a guest",
        "",
        "repository",
        "{used_a_guest_mib:.1f} MiB",
        "bench-repository",
    ),
    Row(
        "a month of history of 200 guests through another policy",
        "minutes",
        "backtest",
        "{cpu_seconds_200_guests:.0f} s of processor time, {memory_mib_200_guests:.0f} MiB; "
        "30 guests {cpu_seconds_30_guests:.0f} s",
        "bench-backtest",
    ),
)


def read(directory: Path) -> Figures:
    """Every measurement in a directory."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in directory.glob("*.json")}


def table(rows: Sequence[Row], figures: Figures, before: str = "") -> str:
    """The table; a row whose figures are not there is what it was before.

    >>> row = Row("a thing", "2 ms", "thing", "{time_ms:.1f} ms")
    >>> print(table([row], {"thing": {"time_ms": 1.25}}).splitlines()[-1])
    | a thing | 2 ms | 1.2 ms | `make bench` |
    """
    lines = [_line(row, figures.get(row.name, {}), before) for row in rows]
    return HEAD + "".join(f"{line}\n" for line in lines)


def _line(row: Row, found: Mapping[str, float | int | str], before: str) -> str:
    begin = f"| {row.what} | {row.goal} | "
    if all(field in found for field in row.fields):
        return f"{begin}{row.text.format(**found)} | `make {row.target}` |"
    kept = next((line for line in before.splitlines() if line.startswith(begin)), None)
    return kept or f"{begin}{_UNMEASURED} | `make {row.target}` |"


def machine() -> str:
    """What everything was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return (
        f"**Machine.** {os.cpu_count()} processors ({model[1] if model else platform.machine()}), "
        f"{memory:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, guests under emulation."
    )


def gathered(page: str, figures: Figures) -> str:
    """The page with the figures between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    page = _with(page, "", f"{machine()}\n\n{table(ROWS, figures, between(page))}")
    for name, write in TABLES.items():
        if name in figures:
            page = _with(page, name, f"{write(figures[name])}\n")
    return page


def between(page: str, name: str = "") -> str:
    """What stands between the marks of a table."""
    return _parts(page, name)[1]


def _with(page: str, name: str, text: str) -> str:
    before, _, after = _parts(page, name)
    return f"{before}\n{text}{after}"


def _parts(page: str, name: str) -> tuple[str, str, str]:
    mark = BEGIN.format(f" of {name}" if name else "")
    begin = page.index(mark) + len(mark)
    end = page.index(END, begin)
    return page[:begin], page[begin:end], page[end:]


def main() -> int:
    """Write the table anew from what has been measured here."""
    figures = read(DIRECTORY)
    PAGE.write_text(gathered(PAGE.read_text("utf-8"), figures), "utf-8")
    lacking = sorted({row.name for row in ROWS} - figures.keys())
    print(
        f"{PAGE.name}: {len(ROWS)} rows" + (f"; not measured: {', '.join(lacking)}" * bool(lacking))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
