"""What other services report of guests, taken in with the next tick."""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trustd.model import Finding, GuestId, Severity
from trustd.repository import Report, ReportState
from trustd.trust import Engine

UNIT = 1.0
"""Good evidence of one report that all is well, where it is wholly believed."""

Place = tuple[GuestId, str, str]
"""A guest, and a finding's kind and key."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a tick took in.

    Args:
        guests: whose history is another one by it.
        places: of the reports in the store.
    """

    guests: frozenset[GuestId] = frozenset()
    places: tuple[int, ...] = ()


class Hearing:
    """Hands reports from whoever takes them to the line; each is weighed once.

    Args:
        waiting: those that an earlier run of the daemon was told and did not take in.
    """

    def __init__(self, waiting: Iterable[Report] = ()) -> None:
        self._lock = threading.Lock()
        self._inbox: list[Report] = list(waiting)
        self._unstored: dict[GuestId, list[int]] = {}
        self._taken = Taken()

    def tell(self, reports: Iterable[Report]) -> None:
        """Have reports taken in with the next tick; from any thread."""
        with self._lock:
            self._inbox.extend(reports)

    def waiting(self) -> Mapping[Place, Severity]:
        """Findings that the next tick opens; from any thread."""
        with self._lock:
            inbox = tuple(self._inbox)
        found: dict[Place, Severity] = {}
        for each in inbox:
            if each.state is ReportState.OPEN:
                found[_place(each.finding)] = each.finding.severity
            elif each.state is ReportState.RESOLVED:
                found.pop(_place(each.finding), None)
        return found

    def take(
        self,
        engine: Engine,
        guests: Container[GuestId],
        *,
        at: float,
        unread: Container[GuestId] = (),
    ) -> Sequence[Finding]:
        """Findings since the last call; what is withdrawn or good is done at once.

        A report on a guest that is not there waits for it until it expires.

        Args:
            guests: those of this tick; the engine watches each.
            at: epoch seconds.
            unread: guests that cannot be stored now: what they take in counts, and stays in the
                store until they are.
        """
        with self._lock:
            inbox, self._inbox = self._inbox, []
        opened: list[Finding] = []
        changed: set[GuestId] = set()
        places: list[int] = []
        for id_ in [each for each in self._unstored if each not in unread]:
            places += self._unstored.pop(id_)
            changed.add(id_)
        later: list[Report] = []
        for each in inbox:
            finding = each.finding
            if finding.guest not in guests:
                if at < finding.at + finding.holds:
                    later.append(each)
                    continue
            else:
                changed.add(finding.guest)
                if each.state is ReportState.OPEN:
                    opened.append(finding)
                elif each.state is ReportState.RESOLVED:
                    # what was said and taken back within one tick was never weighed
                    opened = [one for one in opened if _place(one) != _place(finding)]
                    engine.withdraw(*_place(finding))
                else:
                    good = UNIT * finding.confidence
                    engine.vouch(finding.guest, finding.family, good, most=each.most)
            if finding.guest in unread:
                self._unstored.setdefault(finding.guest, []).append(each.place)
            else:
                places.append(each.place)
        if later:
            with self._lock:
                self._inbox = [*later, *self._inbox]
        self._taken = Taken(frozenset(changed), tuple(place for place in places if place))
        return opened

    @property
    def taken(self) -> Taken:
        """What the last call of :meth:`take` took in."""
        return self._taken


def _place(finding: Finding) -> Place:
    return finding.guest, finding.kind, finding.key
