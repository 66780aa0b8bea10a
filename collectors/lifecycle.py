"""What happens to a guest between samples: crashes, reverts, reboots, devices."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trustd.model import Finding, Guest, GuestEvent, GuestId, Severity

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

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


class Lifecycle:
    """Findings from the hypervisor's events.

    It remembers one thing: when each guest last started, to tell a storm of
    reboots. The same event noticed twice is one event, so what it says follows
    from the events alone.
    """

    name = "lifecycle"
    kinds = frozenset(rule.kind for rule in (*_RULES.values(), *_RULES_BY_KIND.values(), _STORM))

    def __init__(self) -> None:
        self._starts: defaultdict[GuestId, deque[float]] = defaultdict(
            lambda: deque(maxlen=STORM_STARTS)
        )

    def notice(
        self,
        events: Sequence[GuestEvent],
        guests: Mapping[GuestId, Guest],  # noqa: ARG002
    ) -> Sequence[Finding]:
        """Judge the events since the last tick, oldest first.

        One revert makes several events, and one finding.
        """
        found: dict[tuple[GuestId, str, str], Finding] = {}
        for event in events:
            for finding in self._judge(event):
                found[finding.guest, finding.kind, finding.key] = finding
        return tuple(found.values())

    def _judge(self, event: GuestEvent) -> Sequence[Finding]:
        rule = _RULES.get((event.kind, event.what, event.detail)) or _RULES_BY_KIND.get(event.kind)
        findings = [_finding(rule, event)] if rule else []
        if (event.kind, event.what, event.detail) in _STARTS and self._is_storm(event):
            findings.append(_finding(_STORM, event))
        return findings

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
