"""What is new in a tick: what the journal has to say, and which guests to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trustd.model import Assessment, GuestId, Outcome, OutcomeStatus
from trustd.repository import Entry, Kin

_MOMENTARY = frozenset({OutcomeStatus.APPLIED, OutcomeStatus.RESTORED})
"""Said in one tick only, the one in which it happened."""
ENDED = "ended"
"""Of an action in the journal: it is over, and there was nothing to give back."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is new of one guest in one tick.

    Args:
        changed: whether it is to be kept as it is now.
        behaved: whether its history is part of that.
        entries: its lines for the journal.
    """

    changed: bool
    behaved: bool
    entries: tuple[Entry, ...]


_NO_CHANGE = Change(changed=False, behaved=False, entries=())
"""One value for all of whom there is no news: nearly all guests at nearly all ticks."""


@dataclass(slots=True)
class _Known:
    """What was told of one guest.

    Args:
        told: the last status of each of its devices that something is done to.
        found: its open findings, by kind and key; None before its first tick.
    """

    told: Mapping[str, str] = field(default_factory=dict)
    found: frozenset[tuple[str, str]] | None = None


_NOTHING: frozenset[tuple[str, str]] = frozenset()


class News:
    """Compares each guest with what was told of it last; a restart tells nothing twice."""

    def __init__(self) -> None:
        self._known: dict[GuestId, _Known] = {}

    def recall(self, guest: GuestId, told: Mapping[str, str]) -> None:
        """Take over what an earlier run of the daemon told."""
        self._known[guest] = _Known(told)

    def told(self, guest: GuestId) -> Mapping[str, str]:
        """What was told of a guest's devices, for the store."""
        known = self._known.get(guest)
        return known.told if known is not None else {}

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone."""
        self._known.pop(guest, None)

    def of(self, now: Assessment, before: str) -> Change:
        """What is new of a guest.

        Args:
            before: its band at the last tick, where that was another one; else empty.
        """
        known = self._known.get(now.id)
        if known is None:
            known = self._known[now.id] = _Known()
        entries = [_band_entry(now, before)] if before else []
        changed = known.found is None
        if now.outcomes or known.told:
            entries += [_action_entry(now, each) for each in _unheard(known.told, now.outcomes)]
            entries += [_ended_entry(now, place) for place in _ended(known.told, now.outcomes)]
            told = {
                _place(each): _standing(each)
                for each in now.outcomes
                if each.status is not OutcomeStatus.RESTORED
            }
            changed |= told != known.told
            known.told = told
        # a finding that is reported again is the same one: only its time is another
        found = (
            frozenset((each.kind, each.key) for each in now.findings) if now.findings else _NOTHING
        )
        behaved = bool(before) or found != (known.found or _NOTHING)
        known.found = found
        if not (changed or behaved or entries):
            return _NO_CHANGE
        return Change(changed=True, behaved=behaved, entries=tuple(entries))


def kin_entry(kin: Kin, heir: str, forebear: str, trust: float | None) -> Entry:
    """A guest that took over from another one.

    Args:
        heir, forebear: their names.
        trust: the other's, where something is held against it.
    """
    return Entry(
        kin.at,
        kin.heir,
        heir,
        "kin",
        {
            "forebear": kin.forebear,
            "name": forebear,
            "alias": kin.alias.kind,
            "identity": kin.alias.identity,
            "trust": None if trust is None else round(trust, 4),
        },
    )


def given_back(
    outcomes: Mapping[GuestId, tuple[Outcome, ...]], names: Mapping[GuestId, str]
) -> tuple[Entry, ...]:
    """What the journal has to say of devices that are given back after the last tick.

    Args:
        outcomes: what became of it, by guest.
        names: of the guests that are there.
    """
    return tuple(
        Entry(
            each.at,
            guest,
            names.get(guest, ""),
            "action",
            {
                "lever": each.action.lever,
                "device": each.action.device,
                "setting": dict(each.action.setting),
                "because": "trustd stops",
                "status": each.status,
                "prior": dict(each.prior),
                "error": each.error,
                "foreign": each.foreign,
            },
        )
        for guest, found in outcomes.items()
        for each in found
        if each.status is OutcomeStatus.RESTORED
    )


def _place(outcome: Outcome) -> str:
    return f"{outcome.action.lever} {outcome.action.device}"


def _standing(outcome: Outcome) -> str:
    applied = outcome.status is OutcomeStatus.APPLIED
    return OutcomeStatus.HELD if applied else outcome.status


def _unheard(told: Mapping[str, str], outcomes: tuple[Outcome, ...]) -> Iterator[Outcome]:
    for each in outcomes:
        if each.status in _MOMENTARY or (
            each.status is not OutcomeStatus.HELD and told.get(_place(each)) != each.status
        ):
            yield each


def _ended(told: Mapping[str, str], outcomes: tuple[Outcome, ...]) -> Iterator[str]:
    """What is not asked for any more and was not given back: there was nothing to give back."""
    present = {_place(each) for each in outcomes}
    for place, status in told.items():
        if place not in present and status != OutcomeStatus.DONE:
            yield place


def _band_entry(now: Assessment, before: str) -> Entry:
    return Entry(
        now.at,
        now.id,
        now.guest.name,
        "band",
        {
            "before": before,
            "after": now.band,
            "trust": round(now.trust, 4),
            "freshness": now.freshness,
            "drivers": [driver.text for driver in now.drivers],
            "mode": now.mode,
            "policy": now.policy,
        },
    )


def _action_entry(now: Assessment, outcome: Outcome) -> Entry:
    action = outcome.action
    return Entry(
        outcome.at,
        now.id,
        now.guest.name,
        "action",
        {
            "lever": action.lever,
            "device": action.device,
            "setting": dict(action.setting),
            "because": action.because,
            "status": outcome.status,
            "prior": dict(outcome.prior),
            "error": outcome.error,
            "foreign": outcome.foreign,
            "band": now.band,
            "mode": now.mode,
            "policy": now.policy,
        },
    )


def _ended_entry(now: Assessment, place: str) -> Entry:
    lever, _, device = place.partition(" ")
    return Entry(
        now.at,
        now.id,
        now.guest.name,
        "action",
        {
            "lever": lever,
            "device": device,
            "setting": {},
            "because": "nothing asks for it any more",
            "status": ENDED,
            "prior": {},
            "error": "",
            "foreign": "",
            "band": now.band,
            "mode": now.mode,
            "policy": now.policy,
        },
    )
