"""The rows of the tables of figures: what each says, and which figures it shows."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

Found = Mapping[str, float | int | str]
"""The figures of one measurement, by their names."""


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        what, goal: in words; a goal of None leaves its column out.
        name: of the measurement, and of its file in build/bench.
        text: the figures, as ``{name:format}``.
        target: of the Makefile, and what it is called with.
        least: a figure that says how much was measured, and what is too little to tell this.
    """

    what: str
    goal: str | None
    name: str
    text: str
    target: str = "bench"
    least: tuple[str, float] | None = None

    @property
    def fields(self) -> list[str]:
        """The figures that its text names."""
        return [name for _, name, _, _ in string.Formatter().parse(self.text) if name]

    @property
    def begin(self) -> str:
        """The line as far as it does not depend on what was measured."""
        return " | ".join(["|", self.what, *([] if self.goal is None else [self.goal]), ""])[2:]

    def line(self, found: Found) -> str | None:
        """The whole line; None where it was not measured, or not enough.

        >>> row = Row("a thing", None, "thing", "{time_ms:.1f} ms", least=("days", 30))
        >>> row.line({"time_ms": 1.25, "days": 30.0})
        '| a thing | 1.2 ms | `make bench` |'
        >>> row.line({"time_ms": 1.25, "days": 1.0}), row.line({"days": 30.0})
        (None, None)
        """
        if any(field not in found for field in self.fields):
            return None
        if self.least and float(found.get(self.least[0], 0.0)) < self.least[1]:
            return None
        return f"{self.begin}{self.text.format(**found)} | `make {self.target}` |"


MONTH = 30.0
"""Days; what does not grow in a shorter run may still grow."""
ROWS = (
    Row(
        "one tick for 1,000 guests, libvirt's reply to published assessments",
        "50 ms CPU",
        "scale",
        "{reply_to_assessments_1000_guests_cpu_ms:.0f} ms",
        "bench-scale",
    ),
    Row(
        "all that the daemon does in that tick, page of metrics and history included",
        "",
        "scale",
        "{tick_1000_guests_cpu_ms_median:.0f} ms",
        "bench-scale",
    ),
    Row(
        "10,000 guests: reply to published assessments",
        "11 times that",
        "scale",
        "{reply_to_assessments_10000_over_1000:.1f} times; all that the daemon does "
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
        "memory {resident_first_third_mib:.0f} to {resident_end_mib:.0f} MiB, objects "
        "{objects_first_third:,} to {objects_end:,}, {open_files_end} files, {threads_end} "
        "threads, repository {repository_end_mib:.0f} of {repository_foreseen_mib:.0f} MiB; "
        "{days:.0f} days, {guests} guests",
        "soak",
        ("days", MONTH),
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
        "{slowest_query_p50_ms:.0f} ms in the median, {slowest_query_worst_ms:.0f} ms at worst; "
        "{guests} guests",
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

FRONT = (
    Row(
        "one of thirty emulators frozen: lost samples of the others",
        None,
        "peers",
        "{trustd_frozen_lost} of {trustd_frozen_samples}; prometheus-libvirt-exporter "
        "{libvirt_exporter_frozen_lost}, collectd {collectd_frozen_lost}",
        "bench-peers",
    ),
    Row(
        "first sample over an envelope until the guest feels it, ticks of 1 s",
        None,
        "reaction",
        "{all_sample_to_felt_ms_median:.0f} ms in the median of {all_trials}, "
        "{all_sample_to_felt_ms_p95:.0f} ms in 95 of 100",
        "bench-reaction",
    ),
    Row(
        "a decision: 50 roles, 200 labels, 1,000 subjects",
        None,
        "decide",
        "{trustd_us:.1f} µs; pycasbin {pycasbin_us:.0f} µs, cedarpy {cedarpy_us:.0f} µs, "
        "rego-cpp {regopy_us:.0f} µs",
        "bench-decide",
    ),
    Row(
        "`/metrics` with 42 series for each of 1,000 guests",
        None,
        "page",
        "{trustd_plain_median_ms:.1f} ms; with prometheus_client's own handler "
        "{prometheus_client_plain_median_ms:.0f} ms",
    ),
    Row(
        "false falls below 0.5 of guests not seen before, a month of real telemetry",
        None,
        "scoring",
        "{engine_every_false_crossings_per_guest_month:.2f} a guest-month",
        "bench-scoring DATA=FOLDER",
    ),
    Row(
        "attacks that it sees at that price",
        None,
        "scoring",
        "{engine_every_detected_share:.3f} of 875, standard error "
        "{engine_every_detected_share_standard_error:.3f}; after "
        "{engine_every_delay_minutes_median:.0f} minutes in the median",
        "bench-scoring DATA=FOLDER",
    ),
)
"""Those of the README, where the goals are left out."""
