"""What happens to a guest between samples: crashes, reverts, reboots, devices."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from trustd.model import Finding, Guest, GuestEvent, GuestId, Severity

T = TypeVar("T")

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

REVERT_SHOWS = 10
"""Ticks within which the definition shows what a revert made of it."""
MOST_REMEMBERED = 10_000
"""Guests of which it is remembered how they went; beyond it the oldest are forgotten."""
STORM_STARTS = 5
STORM_SECONDS = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Rule:
    """What an event is worth.

    Args:
        kind: of the finding.
        holds: seconds for which the finding stays open.
        summary: one sentence; ``{name}``, ``{what}``, ``{detail}`` and ``{device}``
            are filled in.
    """

    kind: str
    severity: Severity
    holds: float
    summary: str


_REVERT = Rule(
    "snapshot-revert",
    Severity.MAJOR,
    DAY,
    "{name} was set back to a snapshot: what it did since then is undone, also its limits",
)
_RESTORE = Rule("restored-from-save", Severity.INFO, HOUR, "{name} was restored from a saved state")
_OLD_STATE = Rule(
    "old-state-restored",
    Severity.MAJOR,
    DAY,
    "{name} was restored from a state that is not the one in which it stopped",
)
_REDEFINED = Rule(
    "redefined", Severity.MINOR, DAY, "{name} was undefined, and defined anew under the same UUID"
)
_RELABELLED = Rule(
    "labels-reverted",
    Severity.MAJOR,
    DAY,
    "{name} has other labels since it was set back: {detail}",
)
_RENAME = Rule("renamed", Severity.INFO, DAY, "{name} is the new name of this guest")
_CRASH = Rule("guest-crash", Severity.MAJOR, HOUR, "{name} crashed ({detail})")
_EMULATOR_GONE = Rule(
    "emulator-failure", Severity.MAJOR, HOUR, "{name} ended because its emulator failed"
)
_REBOOT = Rule("guest-reboot", Severity.INFO, 10 * MINUTE, "{name} rebooted")
_STORM = Rule(
    "reboot-storm",
    Severity.MAJOR,
    HOUR,
    f"{{name}} started {STORM_STARTS} times within {STORM_SECONDS / MINUTE:.0f} minutes",
)
_WATCHDOG = Rule(
    "watchdog", Severity.MINOR, HOUR, "{name}'s watchdog ran out (action {what}): it hung"
)
_IO_ERROR = Rule(
    "io-error",
    Severity.MINOR,
    10 * MINUTE,
    "{name} met an error on {device} (action {what}, reason {detail})",
)
_ADDED = Rule("device-added", Severity.INFO, HOUR, "{name} was given the device {device}")
_REMOVED = Rule("device-removed", Severity.INFO, HOUR, "{name} lost the device {device}")
_KEPT = Rule(
    "device-removal-failed",
    Severity.MINOR,
    HOUR,
    "{name} did not let go of the device {device}",
)
_MEMORY = Rule(
    "memory-failure",
    Severity.MINOR,
    HOUR,
    "a memory error of the host's hardware met {name} (recipient {detail}, action {what})",
)

_RULES: Mapping[tuple[str, str, str], Rule] = {
    ("lifecycle", "started", "from-snapshot"): _REVERT,
    ("lifecycle", "suspended", "from-snapshot"): _REVERT,
    ("lifecycle", "defined", "from-snapshot"): _REVERT,
    ("lifecycle", "started", "restored"): _RESTORE,
    ("lifecycle", "defined", "renamed"): _RENAME,
    ("lifecycle", "crashed", "panicked"): _CRASH,
    ("lifecycle", "crashed", "crashloaded"): _CRASH,
    ("lifecycle", "stopped", "crashed"): _CRASH,
    ("lifecycle", "stopped", "failed"): _EMULATOR_GONE,
}
"""By kind, name and detail; of other lifecycle events there is nothing to say.

A stop "from snapshot" is also what follows a snapshot that was to stop the guest, and
a resume "from snapshot" what follows a restore from a saved state: neither tells a
revert, and every revert has one of the others.
"""

_RULES_BY_KIND: Mapping[str, Rule] = {
    "reboot": _REBOOT,
    "watchdog": _WATCHDOG,
    "io-error": _IO_ERROR,
    "device-added": _ADDED,
    "device-removed": _REMOVED,
    "device-removal-failed": _KEPT,
    "memory-failure": _MEMORY,
}
"""Whatever the event's name and detail are."""

_STARTS = {("reboot", "", ""), ("lifecycle", "started", "booted")}
_GONE = ("lifecycle", "undefined", "removed")
_DEFINED = ("lifecycle", "defined", "added")
_SETS_BACK = frozenset({_REVERT, _RESTORE, _OLD_STATE})


@dataclass(slots=True)
class _SetBack:
    """A guest that was set back, and what it was before.

    Args:
        ticks: for which its definition is still compared with that.
    """

    event: GuestEvent
    labels: Mapping[str, str]
    ticks: int = REVERT_SHOWS


class Lifecycle:
    """Findings from the hypervisor's events.

    It remembers little: when each guest last started, to tell a storm of reboots; how
    it stopped, to tell its own saved state from an older one; that it was undefined;
    and the labels that it had before it was set back.
    """

    name = "lifecycle"
    kinds = frozenset(
        rule.kind
        for rule in (
            *_RULES.values(),
            *_RULES_BY_KIND.values(),
            _STORM,
            _OLD_STATE,
            _REDEFINED,
            _RELABELLED,
        )
    )

    def __init__(self) -> None:
        self._starts: defaultdict[GuestId, deque[float]] = defaultdict(
            lambda: deque(maxlen=STORM_STARTS)
        )
        self._stopped: dict[GuestId, str] = {}
        self._undefined: dict[GuestId, float] = {}
        self._guests: Mapping[GuestId, Guest] = {}
        self._set_back: dict[GuestId, _SetBack] = {}

    def notice(
        self, events: Sequence[GuestEvent], guests: Mapping[GuestId, Guest]
    ) -> Sequence[Finding]:
        """Judge the events since the last tick, oldest first.

        One revert makes several events, and one finding.
        """
        found: dict[tuple[GuestId, str, str], Finding] = {}
        for event in events:
            for finding in self._judge(event):
                found[finding.guest, finding.kind, finding.key] = finding
        for finding in self._relabelled(guests):
            found[finding.guest, finding.kind, finding.key] = finding
        self._guests = guests
        return tuple(found.values())

    def _judge(self, event: GuestEvent) -> Sequence[Finding]:
        said = (event.kind, event.what, event.detail)
        rule = _RULES.get(said) or _RULES_BY_KIND.get(event.kind)
        if rule is _RESTORE and self._stopped.get(event.guest, "saved") != "saved":
            rule = _OLD_STATE
        if said == _DEFINED and self._undefined.pop(event.guest, None) is not None:
            rule = _REDEFINED
        self._remember(event, rule)
        findings = [_finding(rule, event)] if rule else []
        if said in _STARTS and self._is_storm(event):
            findings.append(_finding(_STORM, event))
        return findings

    def _remember(self, event: GuestEvent, rule: Rule | None) -> None:
        """Keep what later events are judged by."""
        if (event.kind, event.what) == ("lifecycle", "stopped"):
            _keep(self._stopped, event.guest, event.detail)
        if (event.kind, event.what, event.detail) == _GONE:
            _keep(self._undefined, event.guest, event.at)
        known = self._guests.get(event.guest)
        if rule in _SETS_BACK and known is not None and event.guest not in self._set_back:
            self._set_back[event.guest] = _SetBack(event, known.labels)

    def _relabelled(self, guests: Mapping[GuestId, Guest]) -> Iterator[Finding]:
        """Guests that were set back a moment ago, and their labels with them."""
        for id_, back in list(self._set_back.items()):
            guest = guests.get(id_)
            differs = guest is not None and guest.labels != back.labels
            if guest is not None and differs:
                changed = {key for key, _ in guest.labels.items() ^ back.labels.items()}
                detail = ", ".join(sorted(changed))
                yield _finding(_RELABELLED, replace(back.event, name=guest.name, detail=detail))
            back.ticks -= 1
            if differs or not back.ticks:
                del self._set_back[id_]

    def _is_storm(self, event: GuestEvent) -> bool:
        """Whether the last few starts, this one among them, came too close together."""
        self._forget(event.at)
        starts = self._starts[event.guest]
        if event.at not in starts:
            starts.append(event.at)
        return len(starts) == STORM_STARTS and max(starts) - min(starts) <= STORM_SECONDS

    def _forget(self, now: float) -> None:
        """Drop guests that have not started for a while; the memory stays small."""
        idle = [guest for guest, at in self._starts.items() if at[-1] < now - STORM_SECONDS]
        for guest in idle:
            del self._starts[guest]


def _keep(kept: dict[GuestId, T], guest: GuestId, value: T) -> None:
    """Enter a guest as the newest, within the bound."""
    kept.pop(guest, None)
    kept[guest] = value
    if len(kept) > MOST_REMEMBERED:
        del kept[next(iter(kept))]


def _finding(rule: Rule, event: GuestEvent) -> Finding:
    device = str(event.facts.get("alias") or event.facts.get("path") or "")
    return Finding(
        guest=event.guest,
        kind=rule.kind,
        severity=rule.severity,
        family="lifecycle",
        source=Lifecycle.name,
        at=event.at,
        summary=rule.summary.format(
            name=event.name or event.guest,
            what=event.what or "unknown",
            detail=event.detail or "unknown",
            device=device or "unknown",
        ),
        key=device,
        holds=rule.holds,
        facts={**event.facts, "event": event.kind, "what": event.what, "detail": event.detail},
    )
