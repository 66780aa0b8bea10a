"""The hypervisor's statistics as columns, for a whole fleet at once."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from math import nan
from typing import cast
from weakref import ref

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]
Stat = int | str | bool | float
Stats = Mapping[str, Stat]


class ReplyTable:
    """The statistics of some guests as columns, a row a guest.

    Guests whose replies have the same fields in the same order are turned into
    columns together, which costs a tenth of looking every field up. It is done
    when a column is first asked for; columns are kept.

    Args:
        rows: one mapping of fields a guest; an empty one where there is none.
    """

    __slots__ = ("_columns", "_devices", "_layouts", "_order", "rows")

    def __init__(self, rows: Sequence[Stats]) -> None:
        self.rows = rows
        self._columns: dict[str, FloatArray] = {}
        self._devices: dict[str, DeviceTable] = {}
        self._layouts: tuple[_Layout, ...] | None = None
        self._order: IndexArray = np.empty(0, dtype=np.intp)

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> FloatArray:
        """A field of every guest, shape (guests,); NaN where it is no number."""
        found = self._columns.get(name)
        if found is None:
            values: list[Stat] = []
            for layout in self._by_layout():
                values.extend(layout.column(name))
            found = np.empty(len(values))
            found[self._order] = _numbers(values)
            self._columns[name] = found
        return found

    def devices(self, prefix: str) -> DeviceTable:
        """The devices of one kind, ``net``, ``block`` or ``vcpu``, of all guests."""
        found = self._devices.get(prefix)
        if found is None:
            found = self._devices[prefix] = DeviceTable(
                self._by_layout(),
                prefix,
                none=self.column(_COUNTS.get(prefix, f"{prefix}.count")) == 0,
            )
        return found

    def _by_layout(self) -> tuple[_Layout, ...]:
        if self._layouts is None:
            members: dict[tuple[str, ...], list[int]] = {}
            for row, stats in enumerate(self.rows):
                members.setdefault(tuple(stats), []).append(row)
            self._layouts = tuple(
                _Layout(names, rows, [self.rows[row] for row in rows])
                for names, rows in members.items()
            )
            order = [row for layout in self._layouts for row in layout.rows]
            self._order = np.array(order, dtype=np.intp)
        return self._layouts


_COUNTS = {"vcpu": "vcpu.current"}
"""Where the number of devices of a kind stands, if not in its ``count``."""


class _Layout:
    """The guests whose replies have the same fields in the same order.

    Attributes:
        rows: of the guests in the table.
        devices: the indices in the fields' names, by prefix.
    """

    __slots__ = ("_values", "devices", "rows")

    def __init__(self, names: tuple[str, ...], rows: Sequence[int], stats: Sequence[Stats]) -> None:
        self.rows = rows
        self._values = dict(
            zip(names, zip(*(row.values() for row in stats), strict=True), strict=True)
        )
        self.devices: dict[str, set[int]] = {}
        for name in names:
            prefix, _, rest = name.partition(".")
            index = rest.partition(".")[0]
            if index.isascii() and index.isdigit() and len(index) <= _MOST_DIGITS:
                self.devices.setdefault(prefix, set()).add(int(index))

    def column(self, name: str) -> Sequence[Stat] | repeat[float]:
        """A field of the layout's guests; NaN for each where there is none."""
        found = self._values.get(name)
        return repeat(nan, len(self.rows)) if found is None else found


_MOST_DIGITS = 4
"""Of a device's index; QEMU allows far fewer devices than that."""


class DeviceTable:
    """Indexed statistics (``net.0.rx.bytes`` ...) as columns, a row a device.

    A device is known by the name that the hypervisor gives it, because indices
    move when another device is unplugged; one without a name (a passed-through
    NIC) is known by its index.

    Attributes:
        owner: the guest's row of each device, shape (devices,), ascending.
        names: of each device, in the same order.
        none: whether a guest's reply says that it has no such device, shape
            (guests,); one that does not say how many it has may have some.
    """

    __slots__ = (
        "__weakref__", "_columns", "_earlier", "_layouts", "_order", "_places", "_prefix",
        "names", "none", "owner",
    )  # fmt: skip

    def __init__(self, layouts: Sequence[_Layout], prefix: str, *, none: NDArray[np.bool_]) -> None:
        self.none = none
        self._prefix = prefix
        self._layouts = layouts
        self._columns: dict[str, FloatArray] = {}
        self._earlier: ref[DeviceTable] | None = None
        self._places: IndexArray | None = None
        owner: list[int] = []
        indices: list[int] = []
        for layout, index in self._runs():
            owner.extend(layout.rows)
            indices.extend(repeat(index, len(layout.rows)))
        self._order = np.lexsort((indices, owner))
        self.owner = np.array(owner, dtype=np.intp)[self._order]
        given = [
            str(index) if name != name or name == "" else str(name)  # noqa: PLR0124 - NaN
            for index, name in zip(indices, self._field("name"), strict=True)
        ]
        self.names = tuple(given[place] for place in self._order.tolist())

    def column(self, name: str) -> FloatArray:
        """A field of every device, shape (devices,); NaN where it is no number."""
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = _numbers(self._field(name))[self._order]
        return found

    def earlier_column(self, before: DeviceTable, name: str) -> FloatArray:
        """The column of an earlier table, in this one's order; NaN for a new device.

        Of devices of one guest that share a name none can be told to be the same.
        """
        if self._earlier is None or self._earlier() is not before:
            self._places = self._places_in(before)
            # weakly: else every table would hold the one before it, back to the first
            self._earlier = ref(before)
        column = before.column(name)
        if self._places is None:
            return column
        return np.append(column, nan)[self._places]

    def _places_in(self, before: DeviceTable) -> IndexArray | None:
        """The place in ``before`` of each device, -1 for none; None if all are the same."""
        if self.names == before.names and np.array_equal(self.owner, before.owner):
            return None
        keys = list(zip(self.owner.tolist(), self.names, strict=True))
        earlier = list(zip(before.owner.tolist(), before.names, strict=True))
        times = Counter(keys) | Counter(earlier)
        known = {key: place for place, key in enumerate(earlier) if times[key] == 1}
        return np.array([known.get(key, -1) for key in keys], dtype=np.intp)

    def _runs(self) -> Iterator[tuple[_Layout, int]]:
        for layout in self._layouts:
            for index in sorted(layout.devices.get(self._prefix, ())):
                yield layout, index

    def _field(self, name: str) -> list[Stat]:
        values: list[Stat] = []
        for layout, index in self._runs():
            values.extend(layout.column(f"{self._prefix}.{index}.{name}"))
        return values


def _numbers(values: Sequence[Stat]) -> FloatArray:
    """Statistics as numbers; NaN for text and for what no float holds.

    >>> _numbers([7, "7", 10**400, 2.5]).tolist()
    [7.0, nan, nan, 2.5]
    """
    try:
        # Text raises a TypeError here, where numpy would read a number out of it.
        return np.frombuffer(array("d", cast("Sequence[float]", values)), dtype=np.float64)
    except (TypeError, OverflowError):
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Stat) -> float:
    if not isinstance(value, int | float):
        return nan
    try:
        return float(value)
    except OverflowError:
        return nan
