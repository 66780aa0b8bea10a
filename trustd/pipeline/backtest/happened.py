"""What happened: each guest's condition at a moment, as it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trustd.errors import PolicyError
from trustd.model import Freshness, GuestId, Mode, OutcomeStatus
from trustd.pipeline.backtest.cast import Told
from trustd.pipeline.backtest.loss import loss_of
from trustd.pipeline.backtest.moments import Row
from trustd.pipeline.backtest.stretches import Condition, State
from trustd.policy import Policy, load_policy
from trustd.repository import Entry, PolicyVersion


class Policies:
    """The policies that were in force, by their ids.

    Args:
        version: finds one in the repository.
        known: those that are compiled already.
    """

    def __init__(
        self, version: Callable[[str], PolicyVersion | None], known: Mapping[str, Policy]
    ) -> None:
        self._version = version
        self._known: dict[str, Policy | None] = dict(known)

    def get(self, policy: str) -> Policy | None:
        """One of them; None where it was not kept, or cannot be read any more."""
        if policy not in self._known:
            self._known[policy] = self._read(policy)
        return self._known[policy]

    @property
    def lost(self) -> frozenset[str]:
        """Those that were asked for and are not there."""
        return frozenset(policy for policy, found in self._known.items() if found is None)

    def _read(self, policy: str) -> Policy | None:
        found = self._version(policy)
        if found is None:
            return None
        try:
            return load_policy(found.text, found.path)
        except PolicyError:
            return None


class Happened:
    """Goes through what was recorded.

    Args:
        tried: the policy by whose ranks bands are compared.
    """

    def __init__(self, policies: Policies, tried: Policy) -> None:
        self._policies = policies
        self._tried = tried
        self._cast: dict[GuestId, Told] = {}
        self._known: dict[GuestId, dict[str, Condition]] = {}
        self._modes: dict[GuestId, str] = {}
        self._held: dict[GuestId, set[tuple[str, str]]] = {}

    def cast(self, told: Told) -> None:
        """Take in what was told of a guest."""
        self._cast[told.guest.id] = told
        self._known.pop(told.guest.id, None)

    def tell(self, entry: Entry) -> None:
        """Take in what was done to a guest, or its change of band."""
        if entry.kind == "band":
            self._modes[entry.guest] = entry.document["mode"]
            return
        held = self._held.setdefault(entry.guest, set())
        place = (entry.document["lever"], entry.document["device"])
        if entry.document["status"] == OutcomeStatus.WITHHELD:
            held.add(place)
        else:
            held.discard(place)

    def condition(self, row: Row) -> Condition:
        """How a guest fared."""
        known = self._known.setdefault(row.guest, {})
        found = known.get(row.band)
        if found is None:
            found = known[row.band] = self._condition(row.guest, row.band)
        if found.state is State.FREE:
            self._held.pop(row.guest, None)
        elif row.how is Freshness.IDLE:
            return Condition(State.FREE, found.band, found.rank)
        elif found.state is State.NARROWED and self._held.get(row.guest):
            return Condition(State.HELD, found.band, found.rank)
        return found

    def _condition(self, guest: GuestId, band: str) -> Condition:
        rank = self._tried.ranks.get(band, -1)
        told = self._cast.get(guest)
        policy = None if told is None else self._policies.get(told.policy)
        if told is None or policy is None:
            # of a policy that is lost only the order of its bands is known, and not even that
            best = not band or band == self._tried.bands[0]
            narrowed = self._modes.get(guest) == Mode.ENFORCE
            state = State.FREE if best else State.NARROWED if narrowed else State.OBSERVED
            return Condition(state, band, rank)
        subject = policy.subject("guest", guest, told.guest.labels, told.roles)
        if subject is None or told.protected or not loss_of(policy, subject, band).narrows:
            return Condition(State.FREE, band, rank)
        observed = told.observed or policy.mode_of(told.roles, band) is Mode.OBSERVE
        return Condition(State.OBSERVED if observed else State.NARROWED, band, rank)
