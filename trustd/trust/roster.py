"""Who is watched: rows of the table, and what the policy says of each guest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from trustd.errors import NoSuchGuest
from trustd.model import Behaviour, FeatureSpec, GuestId
from trustd.trust import conduct
from trustd.trust.columns import Column, Table


class Roster:
    """The guests, their rows and their behaviour terms.

    Args:
        features: the columns of the telemetry.
        schema: what is remembered of a guest.

    Raises:
        ValueError: two features have one name, or there is none.
    """

    def __init__(self, features: Sequence[FeatureSpec], schema: Mapping[str, Column]) -> None:
        self.features = tuple(features)
        names = [feature.name for feature in self.features]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"features need one or more names, each of them once: {names}")
        families = dict.fromkeys(feature.family for feature in self.features)
        self.table = Table(schema, {"guest": (), "feature": names, "family": tuple(families)})
        self._rows: dict[GuestId, int] = {}
        self._behaviours: dict[GuestId, Behaviour] = {}
        self._order: tuple[GuestId, ...] | None = None

    @property
    def guests(self) -> tuple[GuestId, ...]:
        """The guests in the order of their rows."""
        if self._order is None:
            self._order = tuple(self._rows)
        return self._order

    def __contains__(self, guest: GuestId) -> bool:
        return guest in self._rows

    def __iter__(self) -> Iterator[GuestId]:
        """The guests in the order of their rows."""
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, guest: GuestId) -> int:
        """A guest's row.

        Raises:
            NoSuchGuest: it is not watched.
        """
        try:
            return self._rows[guest]
        except KeyError:
            raise NoSuchGuest(f"guest {guest} is not watched") from None

    def behaviour(self, guest: GuestId) -> Behaviour:
        """What the policy says of a guest that is watched."""
        return self._behaviours[guest]

    def admit(self, guest: GuestId, base_rate: float) -> None:
        """Give a guest a row.

        Raises:
            ValueError: it has one.
        """
        if guest in self._rows:
            raise ValueError(f"guest {guest} is already watched")
        row = self.table.add()
        self._rows[guest] = row
        self._order = None
        self.table["trust"][row] = base_rate

    def behave(self, guest: GuestId, behaviour: Behaviour) -> None:
        """Take over a guest's behaviour terms."""
        row = self.row(guest)
        self._behaviours[guest] = behaviour
        conduct.apply(self.table, row, behaviour, self.features)

    def retire(self, guest: GuestId) -> None:
        """Take a guest's row away; the last row takes its place.

        Raises:
            NoSuchGuest: it is not watched.
        """
        row = self.row(guest)
        self.table.drop(row)
        order = list(self._rows)
        self._order = None
        last = order.pop()
        if last != guest:
            order[row] = last
        self._rows = {each: place for place, each in enumerate(order)}
        del self._behaviours[guest]

    def family(self, name: str) -> int:
        """The place of a source of evidence; a new one is added."""
        labels = self.table.labels["family"]
        if name in labels:
            return labels.index(name)
        place = self.table.widen("family", name)
        for guest, behaviour in self._behaviours.items():
            conduct.apply(self.table, self._rows[guest], behaviour, self.features)
        return place
