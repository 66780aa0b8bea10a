"""An incident: a fall of trust that somebody has to look at, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trustd.model.findings import Severity
from trustd.model.guest import GuestId


class IncidentState(StrEnum):
    """Where an incident stands. Only a person, or the policy after a time, resolves it."""

    OPEN = "open"
    RECOVERED = "recovered"
    """What opened it is over; nobody has said yet what it was."""
    RESOLVED = "resolved"


class Conclusion(StrEnum):
    """What an incident was, in the end."""

    FALSE_ALARM = "false-alarm"
    ATTACK = "attack"
    FAULT = "fault"
    MAINTENANCE = "maintenance"
    NONE = "none"
    """Nobody said: it recovered, and the policy's time was over."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of an incident's own record.

    Args:
        at: epoch seconds.
        kind: ``opened``, ``evidence``, ``severity``, ``hold``, ``recovered``, ``again``,
            ``gone``, ``resolved``; or what somebody did: ``ack``, ``assign``, ``comment``,
            ``resolve``.
        text: a sentence. Text that a guest or a person chose in it is data.
        name: for evidence, the feature or the kind of finding.
        severity: of a finding; empty for a feature.
        by, uid: who did it; -1 and empty where it was trustd.
    """

    at: float
    kind: str
    text: str
    name: str = ""
    severity: str = ""
    by: str = ""
    uid: int = -1


@dataclass(frozen=True, slots=True)
class Point:
    """A guest's trust at one time.

    Args:
        at: epoch seconds.
        trust: in [0, 1].
    """

    at: float
    trust: float
    band: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What opens an incident, as it was when it was looked at last.

    Args:
        low: the low band that the guest's trust has it in; empty for none.
        critical: its open critical findings, as ``kind key``.
        held: whether guests are held because too many fell at once.
    """

    low: str = ""
    critical: frozenset[str] = frozenset()
    held: bool = False

    @property
    def quiet(self) -> bool:
        """Whether nothing is the matter."""
        return not (self.low or self.critical or self.held)


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident. A later state is another object.

    Args:
        number: its name, from 1.
        guest, name: whom it is about; empty for the host's hold on narrowing.
        severity: only ever rises.
        cause: why it was opened, one sentence.
        opened: epoch seconds.
        due: epoch seconds until which somebody should have acknowledged it; None for
            no deadline.
        acknowledged: epoch seconds; None while nobody has.
        assigned: whose it is; empty for nobody's.
        recovered, resolved: epoch seconds; None while it is not.
        reopened: how often it was.
        follows: number of the guest's incident before, where there was one.
        affected: what the guest lost, as ``actions on type id``.
        marks: its record, oldest first.
        points: the trust of the guest meanwhile, oldest first.
        trigger: what was the matter at last; of a resolved one too, so that what merely
            lasts opens nothing.
    """

    number: int
    guest: GuestId
    name: str
    severity: Severity
    cause: str
    opened: float
    due: float | None
    state: IncidentState = IncidentState.OPEN
    acknowledged: float | None = None
    assigned: str = ""
    recovered: float | None = None
    resolved: float | None = None
    conclusion: Conclusion | None = None
    reopened: int = 0
    follows: int | None = None
    affected: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    points: tuple[Point, ...] = ()
    trigger: Trigger = Trigger()

    @property
    def open(self) -> bool:
        """Whether somebody still has to say what it was."""
        return self.state is not IncidentState.RESOLVED

    def overdue(self, now: float) -> bool:
        """Whether it should have been acknowledged by now.

        Args:
            now: epoch seconds.
        """
        waits = self.open and self.acknowledged is None
        return waits and self.due is not None and now > self.due
