"""Notices of what a tick does not show: incidents, and the state of the audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trustd.model import Affected, Fleet, Mode, Notice, Severity
from trustd.model.incident import Incident, IncidentState

INCIDENT, AUDIT, ANCHOR = "incident", "audit", "anchor"
"""Kinds of notice, and what their keys begin with."""

_GRAVER = {Severity.INFO: Severity.MINOR, Severity.MINOR: Severity.MAJOR}
_BEGUN = frozenset({"opened", "again"})


def of_incidents(incidents: Iterable[Incident], fleet: Fleet) -> Iterator[Notice]:
    """A notice of each incident that goes on, or that nobody has looked at in time."""
    for each in incidents:
        overdue = each.overdue(fleet.at)
        if each.state is IncidentState.OPEN or overdue:
            yield _of_incident(each, fleet, overdue=overdue)


def _of_incident(incident: Incident, fleet: Fleet, *, overdue: bool) -> Notice:
    guest = fleet.guests.get(incident.guest)
    whom = incident.name or "the host"
    severity, problem, labels = incident.severity, incident.cause, {"overdue": "no"}
    if incident.reopened:
        problem = f"It came back, {incident.reopened} times by now. First: {problem}"
    if overdue:
        severity = _GRAVER.get(severity, Severity.CRITICAL)
        problem = f"Nobody acknowledged it in the time that the policy gives. {problem}"
        labels = {"overdue": "yes"}
    number = incident.number
    return Notice(
        key=f"{INCIDENT}:{number}",
        severity=severity,
        title=f"Incident {number}: {whom}" + (", overdue" if overdue else ""),
        problem=problem,
        mode=fleet.mode if guest is None else guest.mode,
        starts=next(
            (each.at for each in reversed(incident.marks) if each.kind in _BEGUN), incident.opened
        ),
        guests=(Affected(incident.guest, incident.name),) if incident.guest else (),
        objects=()
        if guest is None
        else tuple(disk.identity for disk in guest.guest.disks if disk.identity),
        recommended=(
            f"See it with trustctl incident {number}.",
            f"Say that you look at it with trustctl incident {number} ack.",
            f"Say what it was with trustctl incident {number} resolve.",
        ),
        labels={"kind": INCIDENT, "incident": str(number), **labels},
    )


def of_trail(what: str, count: int, at: float, mode: Mode) -> Notice:
    """The notice of an audit trail that is not what was written.

    Args:
        what: the first fault.
        count: how many there are.
        at: epoch seconds at which it was found.
    """
    return Notice(
        key=AUDIT,
        severity=Severity.CRITICAL,
        title="The audit trail is not what was written",
        problem=f"Faults at {count} places. The first: {what}",
        mode=mode,
        starts=at,
        recommended=(
            "Keep the repository's file as it is; see every place with trustctl audit verify.",
            "Compare with a backup, and with heads that are kept on another machine.",
        ),
        labels={"kind": AUDIT},
    )


def of_anchor(error: str, at: float, mode: Mode) -> Notice:
    """The notice of a signed head that was not written to where it is to be kept.

    Args:
        at: epoch seconds of the first failure.
    """
    return Notice(
        key=ANCHOR,
        severity=Severity.MAJOR,
        title="The head of the audit trail is not kept elsewhere",
        problem=f"A trail that is cut from now on could not be told by it: {error}",
        mode=mode,
        starts=at,
        recommended=("See whether the file of audit.anchors can be written.",),
        labels={"kind": ANCHOR},
    )
