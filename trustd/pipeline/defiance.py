"""A guest that refuses what is asked of it: that is behaviour, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trustd.enforce import refuses
from trustd.model import Assessment, Finding, GuestId, Severity

KIND = "detach-refused"
_HOLDS = 3600.0


class Defiance:
    """Turns refusals into findings, one for each time that a guest begins to refuse.

    Not one a tick: a guest without a driver for unplugging refuses for as long as it is
    asked, and would never get out of the band in which it is.
    """

    def __init__(self) -> None:
        self._refusing: frozenset[tuple[GuestId, str]] = frozenset()
        self._found: list[Finding] = []

    def heed(self, assessments: Iterable[Assessment]) -> None:
        """Take in what became of the actions of a tick."""
        now = {
            (each.id, outcome.action.device): each
            for each in assessments
            for outcome in each.outcomes
            if refuses(outcome)
        }
        self._found += [
            Finding(
                guest=guest,
                kind=KIND,
                severity=Severity.MAJOR,
                family="lifecycle",
                source="enforce",
                at=each.at,
                summary=f"{each.guest.name} was asked to let go of {device} and does not",
                key=device,
                holds=_HOLDS,
            )
            for (guest, device), each in now.items()
            if (guest, device) not in self._refusing
        ]
        self._refusing = frozenset(now)

    def findings(self) -> Sequence[Finding]:
        """What was found since the last call."""
        found, self._found = self._found, []
        return found
