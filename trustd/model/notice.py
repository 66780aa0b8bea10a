"""Something that a person should hear of, while it lasts and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trustd.model.access import Mode
from trustd.model.findings import Severity
from trustd.model.guest import GuestId


@dataclass(frozen=True, slots=True)
class Affected:
    """A guest that a notice is about. Its name is data that its owner chose."""

    guest: GuestId
    name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One condition; it is told when it begins, when it changes, and when it ends.

    Args:
        key: the same for the same condition, also over a restart; printable ASCII.
        title: one line.
        problem: what is wrong, in full.
        mode: in which trustd acts on it.
        starts: epoch seconds.
        guests, objects: the affected scope.
        recommended: what to do, a sentence each.
        labels: by which a receiver may route; ``kind`` is always among them. Few
            values each: a change of one tells the notice again.
        ends: epoch seconds; 0 while it lasts.
        former: other severities that it had since it began.
    """

    key: str
    severity: Severity
    title: str
    problem: str
    mode: Mode
    starts: float
    guests: tuple[Affected, ...] = ()
    objects: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ends: float = 0.0
    former: tuple[Severity, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.ends > 0

    @property
    def stamp(self) -> str:
        """Says what is worth telling: two notices of one key and one stamp are the same news.

        >>> made = Notice("k", Severity.MAJOR, "t", "p", Mode.OBSERVE, 5.0)
        >>> made.stamp
        'began 5.0, major, observe'
        >>> made.over(9.0).stamp
        'began 5.0, ended'
        """
        began = f"began {self.starts!r}"
        if self.ended:
            return f"{began}, ended"
        labels = (f"{name}={value}" for name, value in sorted(self.labels.items()))
        return ", ".join((began, self.severity, self.mode, *labels))

    def over(self, at: float) -> Notice:
        """The same, ended at ``at`` (epoch seconds), though not before it began."""
        return self if self.ended else replace(self, ends=max(at, self.starts))
