"""The daemon's own figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.api.fleets import AT, assessed, fleet, narrowed
from trustd.metrics import Meters
from trustd.model import (
    Assessment,
    Fleet,
    HypervisorCondition,
    LeverHealth,
    Mode,
    Outcome,
    OutcomeStatus,
    PluginHealth,
)


@pytest.fixture
def meters() -> Meters:
    return Meters("1.2.3")


def value(meters: Meters, name: str, **labels: str) -> float | None:
    return meters.registry.get_sample_value(name, labels)


def as_status(guest: Assessment, status: OutcomeStatus, at: float = AT) -> Assessment:
    """The guest with its first action alone, and this become of it."""
    return replace(guest, outcomes=(replace(guest.outcomes[0], status=status, at=at),))


def actions(meters: Meters, status: OutcomeStatus) -> float:
    return value(meters, "trustd_actions_total", action="disk-throttle", outcome=str(status)) or 0.0


def test_two_meters_share_nothing(meters: Meters) -> None:
    """Each has its own registry; nothing is registered globally."""
    other = Meters("1.2.3")
    meters.observe(fleet(assessed()))
    assert value(meters, "trustd_ticks_total") == 1
    assert value(other, "trustd_ticks_total") == 0


def test_an_action_that_lasts_is_counted_once(meters: Meters) -> None:
    """Applied and then held for ticks is one action; restored is another; again is a third."""
    guest = narrowed()
    for status in ("applied", "held", "held", "restored", "applied", "held"):
        meters.observe(fleet(as_status(guest, OutcomeStatus(status))))
    assert actions(meters, OutcomeStatus.APPLIED) == 2
    assert actions(meters, OutcomeStatus.RESTORED) == 1
    assert actions(meters, OutcomeStatus.HELD) == 0


def test_what_would_be_done_is_counted_once(meters: Meters) -> None:
    """In observe mode the same wish, tick after tick, is one."""
    for tick in range(5):
        guest = as_status(narrowed(), OutcomeStatus.WOULD_APPLY, at=AT + tick)
        meters.observe(fleet(guest))
    assert actions(meters, OutcomeStatus.WOULD_APPLY) == 1


def test_each_failed_attempt_is_counted(meters: Meters) -> None:
    """An attempt that is repeated and fails again counts again; one that is only shown does not."""
    for at in (AT, AT, AT + 10, AT + 10, AT + 20):
        meters.observe(fleet(as_status(narrowed(), OutcomeStatus.FAILED, at=at)))
    assert actions(meters, OutcomeStatus.FAILED) == 3


def test_an_action_that_is_found_in_force_is_told_apart(meters: Meters) -> None:
    """After a restart what is still in force is held: it was not carried out again."""
    for _ in range(3):
        meters.observe(fleet(as_status(narrowed(), OutcomeStatus.HELD)))
    assert actions(meters, OutcomeStatus.HELD) == 1
    assert actions(meters, OutcomeStatus.APPLIED) == 0


def test_latency_runs_from_the_sample_to_the_report(meters: Meters) -> None:
    """What was decided a tick ago and is done now took that long."""
    decided = as_status(narrowed(), OutcomeStatus.APPLIED, at=AT - 10)
    meters.observe(fleet(decided, seconds=0.5))
    name = "trustd_enforcement_latency_seconds"
    lever = decided.outcomes[0].action.lever
    assert value(meters, f"{name}_sum", action=lever) == pytest.approx(10.5)
    assert value(meters, f"{name}_count", action=lever) == 1


def test_a_foreign_change_is_counted_once_with_its_answer(meters: Meters) -> None:
    """While the action lasts it is still shown; what was answered once is one."""
    name, held = "trustd_foreign_changes_total", narrowed().outcomes[0]
    changed = replace(held, foreign="write_bytes_sec 4096 -> none")
    lever = held.action.lever
    for outcome in (
        replace(held, status=OutcomeStatus.HELD),
        replace(changed, status=OutcomeStatus.APPLIED),
        replace(changed, status=OutcomeStatus.HELD),
        replace(changed, status=OutcomeStatus.YIELDED),
        replace(changed, status=OutcomeStatus.YIELDED),
    ):
        meters.observe(fleet(replace(narrowed(), outcomes=(outcome,))))
    for answer in ("reassert", "yield"):
        assert value(meters, name, action=lever, answer=answer) == 1


def test_a_lever_is_available_or_not_or_has_no_series(meters: Meters) -> None:
    """What was not tried is not claimed either way; what is lacking is counted."""
    levers = {
        "a": LeverHealth(available=True),
        "b": LeverHealth(available=False, why="no"),
        "c": LeverHealth(),
    }
    meters.observe(replace(fleet(), levers=levers, lacking={"b": "no"}))
    shown = [value(meters, "trustd_lever_available", lever=name) for name in levers]
    assert shown == [1, 0, None]
    assert value(meters, "trustd_levers_lacking") == 1


def test_counters_follow_what_others_count(meters: Meters) -> None:
    """Overruns and collector errors are totals of the fleet's, not sums of sums."""
    for overruns, errors in ((0, 1), (2, 1), (2, 4)):
        plugins = {"cpu": PluginHealth(0.25, errors, "boom")}
        meters.observe(fleet(overruns=overruns, plugins=plugins))
    assert value(meters, "trustd_tick_overruns_total") == 2
    assert value(meters, "trustd_collect_errors_total", collector="cpu") == 4
    assert value(meters, "trustd_collect_duration_seconds", collector="cpu") == 0.25
    assert value(meters, "trustd_collect_success", collector="cpu") == 0


def test_trouble_around_the_daemon_shows(meters: Meters) -> None:
    """A lost hypervisor, a store that fails and a refused policy are 0, and come back as 1."""
    down = HypervisorCondition(up=False, since=AT, error="gone", abandoned=2, unresponsive=1)
    well = fleet()
    bad: Fleet = replace(
        well,
        hypervisor=down,
        store_error="disk full",
        policy=replace(well.policy, error="line 3"),
        mode=Mode.OBSERVE,
    )
    names = ("trustd_libvirt_up", "trustd_store_up", "trustd_policy_last_reload_successful")
    for shown, expected in ((bad, 0), (well, 1)):
        meters.observe(shown)
        assert [value(meters, name) for name in names] == [expected] * 3
    meters.observe(bad)
    assert value(meters, "trustd_libvirt_abandoned_calls") == 2
    assert value(meters, "trustd_mode", mode="observe") == 1
    assert value(meters, "trustd_mode", mode="enforce") == 0


def test_a_refused_reload_keeps_the_time_of_the_last_good_one(meters: Meters) -> None:
    """A daemon that runs began with good settings; later the flag falls, the timestamp stays."""
    assert value(meters, "trustd_config_last_reload_successful") == 1
    meters.config_reloaded(ok=True, at=100.0)
    meters.config_reloaded(ok=False, at=200.0)
    assert value(meters, "trustd_config_last_reload_successful") == 0
    assert value(meters, "trustd_config_last_reload_success_timestamp_seconds") == 100


def test_only_the_policy_in_force_is_named(meters: Meters) -> None:
    """A new policy replaces the old one's info series."""
    first = fleet()
    meters.observe(first)
    meters.observe(replace(first, policy=replace(first.policy, id="aa" * 32)))
    ids = [
        sample.labels["sha256"]
        for family in meters.registry.collect()
        for sample in family.samples
        if sample.name == "trustd_policy_info"
    ]
    assert ids == ["aa" * 32]


def test_outcomes_of_other_levers_are_told_apart(meters: Meters) -> None:
    """Two levers on one guest are two actions."""
    guest = narrowed()
    second: Outcome = replace(
        guest.outcomes[0], action=replace(guest.outcomes[0].action, lever="cpu-quota", device="")
    )
    meters.observe(fleet(replace(guest, outcomes=(guest.outcomes[0], second))))
    assert actions(meters, OutcomeStatus.APPLIED) == 1
    assert value(meters, "trustd_actions_total", action="cpu-quota", outcome="applied") == 1
