"""What events are worth."""

from collections.abc import Sequence

import pytest

from collectors.lifecycle import (
    MOST_REMEMBERED,
    REVERT_SHOWS,
    STORM_SECONDS,
    STORM_STARTS,
    Lifecycle,
)
from trustd.model import Finding, Guest, GuestEvent, GuestId, Severity

GUEST, OTHER = GuestId("a"), GuestId("b")


def lifecycle(what: str, detail: str, at: float = 1.0, guest: GuestId = GUEST) -> GuestEvent:
    return GuestEvent(guest, "web", "lifecycle", at, what, detail)


def notice(*events: GuestEvent) -> Sequence[Finding]:
    return Lifecycle().notice(events, {})


@pytest.mark.parametrize(
    ("event", "kind", "severity"),
    [
        (lifecycle("crashed", "panicked"), "guest-crash", Severity.MAJOR),
        (lifecycle("stopped", "crashed"), "guest-crash", Severity.MAJOR),
        (lifecycle("stopped", "failed"), "emulator-failure", Severity.MAJOR),
        (lifecycle("started", "from-snapshot"), "snapshot-revert", Severity.MAJOR),
        (lifecycle("started", "restored"), "restored-from-save", Severity.INFO),
        (lifecycle("defined", "renamed"), "renamed", Severity.INFO),
        (GuestEvent(GUEST, "web", "reboot", 1.0), "guest-reboot", Severity.INFO),
        (GuestEvent(GUEST, "web", "watchdog", 1.0, "reset"), "watchdog", Severity.MINOR),
        (GuestEvent(GUEST, "web", "io-error", 1.0, "pause", "enospc"), "io-error", Severity.MINOR),
        (GuestEvent(GUEST, "web", "device-added", 1.0), "device-added", Severity.INFO),
        (GuestEvent(GUEST, "web", "device-removed", 1.0), "device-removed", Severity.INFO),
        (
            GuestEvent(GUEST, "web", "device-removal-failed", 1.0),
            "device-removal-failed",
            Severity.MINOR,
        ),
        (
            GuestEvent(GUEST, "web", "memory-failure", 1.0, "inject", "guest"),
            "memory-failure",
            Severity.MINOR,
        ),
    ],
)
def test_what_an_event_is_worth(event: GuestEvent, kind: str, severity: Severity) -> None:
    """Each event that says something is one finding of its kind."""
    (found,) = notice(event)
    assert (found.guest, found.kind, found.severity, found.at) == (GUEST, kind, severity, 1.0)
    assert "web" in found.summary


@pytest.mark.parametrize(
    ("what", "detail"),
    [
        ("started", "booted"),
        ("started", "migrated"),
        ("stopped", "shutdown"),
        ("stopped", "destroyed"),
        ("stopped", "migrated"),
        ("stopped", "saved"),
        ("stopped", "from-snapshot"),
        ("resumed", "from-snapshot"),
        ("suspended", "paused"),
        ("resumed", "unpaused"),
        ("defined", "added"),
        ("defined", "updated"),
        ("undefined", "removed"),
        ("undefined", "renamed"),
        ("shutdown", "guest"),
        ("unknown-12", "unknown-3"),
    ],
)
def test_the_everyday_is_no_finding(what: str, detail: str) -> None:
    """Starting, stopping, pausing, migrating and defining are nobody's fault."""
    assert notice(lifecycle(what, detail)) == ()


def test_errors_of_two_disks_are_two_findings() -> None:
    """A disk that fails often is one finding; another disk is another."""

    def error(alias: str) -> GuestEvent:
        return GuestEvent(GUEST, "web", "io-error", 1.0, "report", "", {"alias": alias})

    found = notice(error("virtio-disk0"), error("virtio-disk1"), error("virtio-disk0"))
    assert [finding.key for finding in found] == ["virtio-disk0", "virtio-disk1"]


def reboots(count: int, apart: float, guest: GuestId = GUEST) -> list[GuestEvent]:
    return [GuestEvent(guest, "web", "reboot", 100.0 + apart * n) for n in range(count)]


def test_reboots_that_follow_each_other_are_a_storm() -> None:
    """The fifth start within ten minutes is a storm, also over several ticks; the fourth not."""
    listener = Lifecycle()
    events = reboots(STORM_STARTS, STORM_SECONDS / STORM_STARTS)
    kinds = [{found.kind for found in listener.notice([event], {})} for event in events]
    assert kinds[:-1] == [{"guest-reboot"}] * (STORM_STARTS - 1)
    assert kinds[-1] == {"guest-reboot", "reboot-storm"}


def test_rare_reboots_are_no_storm() -> None:
    """Many reboots, further apart, never are one; nor are two guests' together."""
    found = notice(*reboots(50, STORM_SECONDS / (STORM_STARTS - 1) + 1))
    assert {finding.kind for finding in found} == {"guest-reboot"}
    mixed = notice(*reboots(STORM_STARTS - 1, 1.0), *reboots(STORM_STARTS - 1, 1.0, OTHER))
    assert {finding.kind for finding in mixed} == {"guest-reboot"}


def test_an_event_that_is_told_twice_counts_once() -> None:
    """Noticing the same events again makes no storm out of them."""
    listener = Lifecycle()
    events = reboots(STORM_STARTS - 1, 1.0)
    first = listener.notice(events, {})
    assert listener.notice(events, {}) == first


def test_guests_of_long_ago_are_forgotten() -> None:
    """The memory of starts does not grow with guests that come and go."""
    listener = Lifecycle()
    listener.notice(
        [lifecycle("started", "booted", at=n, guest=GuestId(str(n))) for n in range(10_000)], {}
    )
    assert len(listener._starts) <= STORM_SECONDS + 1


def test_a_hostile_name_stays_data() -> None:
    """A name that looks like a template is printed as it is."""
    (found,) = notice(GuestEvent(GUEST, "{detail.__class__}", "reboot", 1.0))
    assert found.summary == "{detail.__class__} rebooted"


def test_undefined_and_defined_under_the_same_uuid_is_a_finding() -> None:
    """Also over several ticks; defining another guest, or the same one again, is none."""
    listener = Lifecycle()
    assert listener.notice([lifecycle("undefined", "removed")], {}) == ()
    assert listener.notice([lifecycle("defined", "added", guest=OTHER)], {}) == ()
    (found,) = listener.notice([lifecycle("defined", "added")], {})
    assert (found.kind, found.severity) == ("redefined", Severity.MINOR)
    assert listener.notice([lifecycle("defined", "added")], {}) == ()


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("saved", "restored-from-save"),
        ("destroyed", "old-state-restored"),
        ("shutdown", "old-state-restored"),
        ("crashed", "old-state-restored"),
    ],
)
def test_a_state_that_is_not_the_last_one_is_told_apart(how: str, kind: str) -> None:
    """Restoring a guest from the state in which it stopped is the everyday, an older one is not."""
    found = notice(lifecycle("stopped", how), lifecycle("started", "restored"))
    assert found[-1].kind == kind


def labelled(**labels: str) -> dict[GuestId, Guest]:
    return {GUEST: Guest(GUEST, "web", labels=labels)}


def test_labels_that_a_revert_changed_are_a_finding() -> None:
    """The labels that the definition has after a revert are compared with those before, also when
    they are read a few ticks later; those that somebody sets long after are his own."""
    revert = lifecycle("started", "from-snapshot")
    listener = Lifecycle()
    listener.notice([], labelled(app="web", locked="yes"))
    assert kinds(listener.notice([revert], labelled(app="web", locked="yes"))) == {REVERT}
    (found,) = listener.notice([], labelled(app="web"))
    assert (found.kind, found.severity) == ("labels-reverted", Severity.MAJOR)
    assert "locked" in found.summary
    assert "app" not in found.summary
    assert listener.notice([], labelled(app="web")) == ()
    assert kinds(listener.notice([revert], labelled(app="web"))) == {REVERT}
    for _ in range(REVERT_SHOWS):
        assert listener.notice([], labelled(app="web")) == ()
    assert listener.notice([], labelled(app="db")) == ()


REVERT = "snapshot-revert"


def kinds(found: Sequence[Finding]) -> set[str]:
    return {each.kind for each in found}


def test_how_guests_went_is_remembered_within_bounds() -> None:
    """The memory does not grow with guests that come and go."""
    listener = Lifecycle()
    for what, detail in (("stopped", "saved"), ("undefined", "removed")):
        listener.notice(
            [lifecycle(what, detail, guest=GuestId(str(n))) for n in range(MOST_REMEMBERED + 100)],
            {},
        )
    assert len(listener._stopped) == len(listener._undefined) == MOST_REMEMBERED
