"""The documents of incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ACTS = Literal["ack", "assign", "comment", "resolve"]
CONCLUSIONS = Literal["false-alarm", "attack", "fault", "maintenance"]


@dataclass(frozen=True, slots=True)
class IncidentSummary:
    """An incident in short.

    ``guest`` and ``name`` are empty where it is about the host's hold on narrowing.
    ``due`` is until when it should be acknowledged; ``overdue`` that it was not. Times
    are epoch seconds, null for what has not happened.
    """

    number: int
    guest: str
    name: str
    state: str
    severity: str
    cause: str
    opened: float
    due: float | None
    overdue: bool
    acknowledged: float | None
    assigned: str
    recovered: float | None
    resolved: float | None
    conclusion: str | None
    reopened: int
    follows: int | None


@dataclass(frozen=True, slots=True)
class IncidentList:
    """Incidents: those that are open, or the last ones; the newest first."""

    at: float
    incidents: Sequence[IncidentSummary]


@dataclass(frozen=True, slots=True)
class LineDoc:
    """One line of an incident's timeline.

    ``kind`` is what the record has (``opened``, ``evidence``, ``recovered`` ...), what
    somebody did (``ack``, ``comment`` ...), or the journal's: ``band``, ``action``,
    ``override``, ``acknowledge`` ... ``by`` is empty where it was trustd.
    """

    at: float
    kind: str
    text: str
    severity: str
    by: str


@dataclass(frozen=True, slots=True)
class PointDoc:
    """A guest's trust at one time."""

    at: float
    trust: float
    band: str


@dataclass(frozen=True, slots=True)
class StretchDoc:
    """A guest's trust over ``seconds`` from ``at`` on, by its history: mean and extremes."""

    at: float
    seconds: float
    trust: float
    lowest: float
    highest: float
    band: str


@dataclass(frozen=True, slots=True)
class AdviceDoc:
    """What to look at, and the commands for it."""

    text: str
    commands: Sequence[str]


@dataclass(frozen=True, slots=True)
class RulingDoc:
    """Answers to other services about the guest: how often, and the last time."""

    action: str
    type: str
    id: str
    permit: bool
    reason: str
    times: int
    last: float


@dataclass(frozen=True, slots=True)
class IncidentDoc:
    """Everything about one incident.

    ``trust`` are the points that its record keeps, ``history`` what the guest's timeline has of
    the time, with some before and after it. ``affected`` is what the guest lost; ``left_out``
    whether the timeline is longer than what is shown; ``bands`` are those of the policy in force,
    best first.
    """

    summary: IncidentSummary
    affected: Sequence[str]
    timeline: Sequence[LineDoc]
    left_out: bool
    rulings: Sequence[RulingDoc]
    trust: Sequence[PointDoc]
    history: Sequence[StretchDoc]
    bands: Sequence[str]
    recommended: Sequence[AdviceDoc]
    policy: str


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """What became of an incident.

    ``act`` is what its record has (``opened``, ``severity``, ``recovered``, ``again`` ...) or
    what somebody did (``ack``, ``comment`` ...); ``by`` is empty where it was trustd.
    """

    number: int
    guest: str
    name: str
    at: float
    act: str
    text: str
    severity: str
    state: str
    by: str


@dataclass(frozen=True, slots=True)
class IncidentEvents:
    """What became of incidents in a tick, or by what somebody did: an event of the stream.

    ``left_out`` is how many more there are: then read the incidents anew.
    """

    incidents: Sequence[IncidentEvent]
    left_out: int


@dataclass(frozen=True, slots=True)
class IncidentRequest:
    """Do something to an incident.

    ``text`` is the comment, whose it is from now on, or why it is resolved;
    ``conclusion`` is needed for ``resolve`` and for nothing else. With ``dry_run`` the
    answer is the incident as it would be, and nothing is done.
    """

    act: ACTS
    text: str = ""
    conclusion: CONCLUSIONS | None = None
    dry_run: bool = False
