"""The series of the guests, in the text format of Prometheus.

A general library spends most of its time on label sets; here every series of a
guest has the one label that never changes, its UUID, and its text is kept.
Facts that may change, such as the name, stand in ``trustd_guest_info`` alone.
Numbers have nine digits: more would be the noise of a measurement, and cost
twice the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from trustd.errors import CollectError
from trustd.metrics.blocks import blocks
from trustd.metrics.names import base_factor, metric_name
from trustd.metrics.text import label_value
from trustd.model import (
    Assessment,
    EffectivePermissions,
    FeatureSpec,
    Fleet,
    Freshness,
    Guest,
    GuestId,
    GuestState,
    Mode,
    OutcomeStatus,
    Severity,
    gathered,
)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of the guests: its name and its line of help."""

    name: str
    help: str

    @property
    def head(self) -> str:
        """The two comment lines before its series."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} gauge\n"


INFO = Family("trustd_guest_info", "Facts about a guest; always 1.")
TRUST = Family("trustd_guest_trust_ratio", "Trust value of a guest.")
UNCERTAINTY = Family(
    "trustd_guest_uncertainty_ratio", "Uncertainty of the opinion behind the trust value."
)
AGE = Family(
    "trustd_guest_sample_age_seconds", "Time since a guest was last sampled whole; none if never."
)
BAND = Family("trustd_guest_band", "Whether a guest is in this band of the policy.")
FRESHNESS = Family("trustd_guest_freshness", "Whether this is what is known of a guest now.")
STATE = Family("trustd_guest_state", "Whether a guest is in this state.")
RESTRICTED = Family(
    "trustd_guest_restricted",
    "Whether a lever narrows a guest (enforce), or would (observe).",
)
FINDINGS = Family("trustd_guest_findings", "Open findings about a guest, by severity.")
LOST = Family(
    "trustd_guest_lost_permissions", "Actions on objects that the present band takes from a guest."
)
FAMILIES = (
    INFO,
    TRUST,
    UNCERTAINTY,
    AGE,
    BAND,
    FRESHNESS,
    STATE,
    RESTRICTED,
    FINDINGS,
    LOST,
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is told of a guest for as long as it and its permissions are the same.

    Args:
        line: its series of :data:`INFO`.
        lost: how many actions the present band takes from it.
    """

    guest: Guest
    permissions: EffectivePermissions
    line: str
    lost: int


IN_FORCE = frozenset({OutcomeStatus.APPLIED, OutcomeStatus.HELD})
"""Outcomes of an action that narrows its guest at this moment."""


class GuestSeries:
    """Writes the series of every guest; keeps their label text between ticks.

    Args:
        features: every feature that a guest may have.

    Raises:
        CollectError: two features would share a metric.
    """

    def __init__(self, features: Sequence[FeatureSpec]) -> None:
        self._labels: dict[GuestId, str] = {}
        self._facts: dict[GuestId, _Facts] = {}
        self._features: dict[str, tuple[FeatureSpec, Family]] = {}
        for feature in features:
            name = metric_name(feature)
            taken = self._features.get(name) or _own(name)
            if taken:
                raise CollectError(
                    f"feature {feature.name!r} would be the metric {name}, which is taken:"
                    " rename the feature in its collector"
                )
            text = f"Feature {label_value(feature.name)}, as last measured."
            self._features[name] = (feature, Family(name, text))

    def chunks(self, fleet: Fleet) -> Iterator[bytes]:
        """The page's part about guests, each metric in pieces."""
        guests = tuple(fleet.guests.values())
        labels = self._labels_of(guests)
        yield from self._info(guests, labels)
        spelled = [label.replace("%", "%%") for label in labels]
        yield from _plain(TRUST, spelled, [guest.trust for guest in guests])
        yield from _plain(UNCERTAINTY, spelled, [guest.opinion.uncertainty for guest in guests])
        yield from _plain(AGE, spelled, [guest.age for guest in guests])
        yield from _states(BAND, "band", fleet.bands, labels, [guest.band for guest in guests])
        yield from _states(
            FRESHNESS, "freshness", tuple(Freshness), labels, [guest.freshness for guest in guests]
        )
        yield from _states(
            STATE, "state", tuple(GuestState), labels, [guest.guest.state for guest in guests]
        )
        yield from _split(
            RESTRICTED, "mode", tuple(Mode), labels, [_restricted(each) for each in guests]
        )
        yield from _split(
            FINDINGS, "severity", tuple(Severity), labels, [_findings(each) for each in guests]
        )
        yield from _plain(LOST, spelled, [each.lost for each in self._facts.values()])
        known = [feature.name for feature, _ in self._features.values()]
        values, _ = gathered([guest.samples for guest in guests], known)
        for (feature, family), column in zip(self._features.values(), values.T, strict=True):
            yield from _plain(family, spelled, (column * base_factor(feature)).tolist())

    def _labels_of(self, guests: Sequence[Assessment]) -> list[str]:
        """The text ``uuid="..."`` of each guest; forgets guests that are gone."""
        known = self._labels
        self._labels = {
            guest.id: known.get(guest.id) or f'uuid="{label_value(guest.id)}"' for guest in guests
        }
        return list(self._labels.values())

    def _info(self, guests: Sequence[Assessment], labels: Sequence[str]) -> Iterator[bytes]:
        """What is told in words; made anew of a guest of which it may be another."""
        known, self._facts = self._facts, {}
        for guest, label in zip(guests, labels, strict=True):
            kept = known.get(guest.id)
            if (
                kept is None
                or kept.guest is not guest.guest
                or kept.permissions is not guest.permissions
            ):
                name, roles = guest.guest.name, guest.permissions.roles
                told = label_value(",".join(sorted(roles)))
                line = f'{INFO.name}{{{label},guest="{label_value(name)}",roles="{told}"}} 1\n'
                kept = _Facts(guest.guest, guest.permissions, line, _lost(guest.permissions))
            self._facts[guest.id] = kept
        yield INFO.head.encode()
        for some in blocks([each.line for each in self._facts.values()]):
            yield "".join(some).encode()


def _own(name: str) -> bool:
    return any(family.name == name for family in FAMILIES)


def _plain(family: Family, spelled: Sequence[str], values: Sequence[float]) -> Iterator[bytes]:
    """One series a guest; none where there is no number.

    Args:
        spelled: the guests' labels, each percent sign twice.
    """
    yield family.head.encode()
    if not all(map(isfinite, values)):
        known = [pair for pair in zip(spelled, values, strict=True) if isfinite(pair[1])]
        spelled, values = [label for label, _ in known], [value for _, value in known]
    name = family.name
    for some, numbers in zip(blocks(spelled), blocks(values), strict=True):
        # many numbers in one go: it takes half the time of one guest after the other
        lines = f"}} %.9g\n{name}{{".join(some)
        yield f"{name}{{{lines}}} %.9g\n".encode() % tuple(numbers)


def _states(
    family: Family, key: str, states: Sequence[str], labels: Sequence[str], now: Iterable[str]
) -> Iterator[bytes]:
    """A series for each state, 1 for the one that holds: a change ends no series."""
    numbers = {state: tuple(int(each == state) for each in states) for state in states}
    none = (0,) * len(states)
    return _split(family, key, states, labels, [numbers.get(each, none) for each in now])


def _split(
    family: Family,
    key: str,
    parts: Sequence[str],
    labels: Sequence[str],
    numbers: Sequence[tuple[int, ...]],
) -> Iterator[bytes]:
    """A series for each part, each with a number of its own.

    Nearly all guests have the same numbers: what stands between their labels is made once.
    """
    endings = [f',{key}="{label_value(part)}"}} ' for part in parts]
    name = family.name
    between: dict[tuple[int, ...], list[str]] = {}
    yield family.head.encode()
    for some, rows in zip(blocks(labels), blocks(numbers), strict=True):
        lines: list[str] = []
        for label, row in zip(some, rows, strict=True):
            pieces = between.get(row)
            if pieces is None:
                text = "".join(
                    f"{name}{{{_PLACE}{ending}{number}\n"
                    for ending, number in zip(endings, row, strict=True)
                )
                pieces = between[row] = text.split(_PLACE)
            lines.append(label.join(pieces))
        yield "".join(lines).encode()


_PLACE = "\0"
"""Where a guest's label goes; in no label's value."""
_NONE_OPEN = (0,) * len(Severity)


def _restricted(guest: Assessment) -> tuple[int, int]:
    """In the order of :class:`Mode`: whether a lever would, and does, narrow it."""
    if not guest.outcomes:
        return 0, 0
    statuses = {outcome.status for outcome in guest.outcomes}
    return int(OutcomeStatus.WOULD_APPLY in statuses), int(not IN_FORCE.isdisjoint(statuses))


def _findings(guest: Assessment) -> tuple[int, ...]:
    """In the order of :class:`Severity`: how many are open."""
    if not guest.findings:
        return _NONE_OPEN
    counts = [0] * len(Severity)
    for finding in guest.findings:
        counts[finding.severity.rank] += 1
    return tuple(counts)


def _lost(permissions: EffectivePermissions) -> int:
    return sum(len(access.lost) for access in permissions.access)
