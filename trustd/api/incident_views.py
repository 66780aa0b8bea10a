"""From incidents to the documents of the API: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trustd.api import incident_shapes as shapes
from trustd.api.history_shapes import TimelineDoc
from trustd.api.incident_advice import advised
from trustd.metrics import legible
from trustd.model.incident import Incident, Mark
from trustd.repository import Entry, RulingRecord

_NAME, _TEXT = 256, 1024
"""The most characters of a name and of a sentence."""
MOST_RULINGS = 50
TOLD = frozenset({"band", "action", "acknowledge", "override", "protect", "kin", "hold", "pause"})
"""Kinds of the journal's entries that belong into a timeline."""


def stretches(line: TimelineDoc) -> list[shapes.StretchDoc]:
    """A guest's timeline as a report shows it; what nothing is known of is left out."""
    columns = zip(
        line.at, line.seconds, line.value, line.lowest, line.highest, line.band, strict=True
    )
    return [
        shapes.StretchDoc(at, seconds, value, lowest, highest, band)
        for at, seconds, value, lowest, highest, band in columns
        if value is not None and lowest is not None and highest is not None and band is not None
    ]


def event(incident: Incident, mark: Mark) -> shapes.IncidentEvent:
    """What became of an incident."""
    return shapes.IncidentEvent(
        number=incident.number,
        guest=incident.guest,
        name=legible(incident.name, _NAME),
        at=mark.at,
        act=mark.kind,
        text=legible(mark.text, _TEXT),
        severity=incident.severity,
        state=incident.state,
        by=legible(mark.by, _NAME),
    )


def summary(incident: Incident, now: float) -> shapes.IncidentSummary:
    """An incident in short.

    Args:
        now: epoch seconds.
    """
    return shapes.IncidentSummary(
        number=incident.number,
        guest=incident.guest,
        name=legible(incident.name, _NAME),
        state=incident.state,
        severity=incident.severity,
        cause=legible(incident.cause, _TEXT),
        opened=incident.opened,
        due=incident.due,
        overdue=incident.overdue(now),
        acknowledged=incident.acknowledged,
        assigned=legible(incident.assigned, _NAME),
        recovered=incident.recovered,
        resolved=incident.resolved,
        conclusion=incident.conclusion,
        reopened=incident.reopened,
        follows=incident.follows,
    )


def full(
    incident: Incident,
    entries: Sequence[Entry],
    rulings: Sequence[RulingRecord],
    bands: Sequence[str],
    *,
    now: float,
    left_out: bool,
    history: Sequence[shapes.StretchDoc] = (),
) -> shapes.IncidentDoc:
    """Everything about one incident.

    Args:
        entries: of the journal, about its guest and its time.
        rulings: about its guest, in its time.
        bands: of the policy in force, best first.
        left_out: whether the journal has more.
        history: the guest's timeline.
    """
    told = [each for each in entries if each.kind in TOLD]
    statuses = {str(each.document.get("status")) for each in told if each.kind == "action"}
    policies = [str(each.document["policy"]) for each in told if "policy" in each.document]
    return shapes.IncidentDoc(
        summary=summary(incident, now),
        affected=[legible(each, _TEXT) for each in incident.affected],
        timeline=sorted((*_marks(incident), *_told(told)), key=lambda line: line.at),
        left_out=left_out,
        rulings=list(_counted(rulings))[:MOST_RULINGS],
        trust=[shapes.PointDoc(each.at, each.trust, each.band) for each in incident.points],
        history=history,
        bands=bands,
        recommended=list(advised(incident, statuses)),
        policy=policies[0] if policies else "",
    )


def _marks(incident: Incident) -> Iterator[shapes.LineDoc]:
    for each in incident.marks:
        yield shapes.LineDoc(
            each.at, each.kind, legible(each.text, _TEXT), each.severity, legible(each.by, _NAME)
        )


def _told(entries: Iterable[Entry]) -> Iterator[shapes.LineDoc]:
    for each in entries:
        text = legible(_sentence(each.kind, each.document), _TEXT)
        by = legible(str(each.document.get("by", "")), _NAME)
        yield shapes.LineDoc(each.at, each.kind, text, "", by)


def _sentence(kind: str, document: Mapping[str, Any]) -> str:
    """An entry of the journal in words.

    >>> _sentence("band", {"before": "a", "after": "b", "trust": 0.21, "mode": "observe"})
    'a -> b at trust 0.21, in mode observe'
    >>> _sentence("band", {})
    'band: this record is not what trustd wrote; see trustctl audit verify'
    """
    try:
        return _words(kind, document)
    except (KeyError, TypeError, AttributeError):
        return f"{kind}: this record is not what trustd wrote; see trustctl audit verify"


def _words(kind: str, document: Mapping[str, Any]) -> str:
    if kind == "band":
        return (
            f"{document['before']} -> {document['after']} at trust {document['trust']},"
            f" in mode {document['mode']}"
        )
    if kind == "action":
        state = " ".join(f"{key}={value}" for key, value in sorted(document["setting"].items()))
        what = f"{document['lever']} {document['device']} {state}".strip()
        why = f" ({document['error']})" if document.get("error") else ""
        return f"{document['status']}: {what}, because of {document['because']}{why}"
    if kind == "acknowledge":
        return (
            f"{document['verdict']}: {document['reason']};"
            f" trust {document['before']} -> {document['after']}"
        )
    if kind == "kin":
        return f"took over from {document['name']}"
    said = " ".join(str(document[key]) for key in ("act", "bound", "band") if key in document)
    return f"{kind} {said}: {document.get('reason', '')}"


def _counted(rulings: Iterable[RulingRecord]) -> Iterator[shapes.RulingDoc]:
    """Answers, each kind once with its number, refusals first; given newest first."""
    found: dict[tuple[bool, str, str, str, str], list[RulingRecord]] = {}
    for each in rulings:
        key = (each.permit, each.action, each.object_type, each.object, each.reason)
        found.setdefault(key, []).append(each)
    for key in sorted(found, key=lambda key: (key[0], -len(found[key]))):
        first = found[key][0]
        yield shapes.RulingDoc(
            action=legible(first.action, _NAME),
            type=legible(first.object_type, _NAME),
            id=legible(first.object, _TEXT),
            permit=first.permit,
            reason=first.reason,
            times=len(found[key]),
            last=first.at,
        )
