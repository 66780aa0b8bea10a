"""The hypervisor's statistics as columns, for a whole fleet at once."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from math import nan
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
            found = np.empty(len(self.rows))
            found[self._order] = _joined([each.column(name) for each in self._by_layout()])
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
            found: dict[tuple[str, ...], _Layout] = {}
            for row, stats in enumerate(self.rows):
                names = tuple(stats)
                layout = found.get(names)
                if layout is None:
                    layout = found[names] = _Layout(names, stats)
                layout.add(row, stats)
            self._layouts = tuple(found.values())
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

    __slots__ = ("_numbers", "_pack", "_packed", "_places", "_words", "devices", "rows")

    def __init__(self, names: tuple[str, ...], like: Stats) -> None:
        self.rows: list[int] = []
        self.devices: dict[str, set[int]] = {}
        self._packed: list[bytes] = []
        self._numbers: FloatArray | None = None
        self._places = {name: place for place, name in enumerate(names)}
        self._words: dict[int, list[Stat]] = {
            place: []
            for place, (name, value) in enumerate(like.items())
            if isinstance(value, str) or name.endswith(_NAME)
        }
        self._pack = struct.Struct(f"{len(names)}d").pack
        for name in names:
            prefix, _, rest = name.partition(".")
            index = rest.partition(".")[0]
            if index.isascii() and index.isdigit() and len(index) <= _MOST_DIGITS:
                self.devices.setdefault(prefix, set()).add(int(index))

    def add(self, row: int, stats: Stats) -> None:
        """Take in a guest.

        All its numbers at once: what is dear is to fetch them from memory, where those of
        one guest lie side by side, and those of one field do not.
        """
        self.rows.append(row)
        values = list(stats.values())
        for place, words in self._words.items():
            word = values[place]
            words.append(word)
            values[place] = nan if isinstance(word, str) else word
        try:
            packed = self._pack(*values)
        except struct.error:
            packed = self._pack(*map(_number, values))
        self._packed.append(packed)

    def column(self, name: str) -> FloatArray:
        """A field of the layout's guests; NaN for each where there is none."""
        place = self._places.get(name)
        if place is None:
            return np.full(len(self.rows), nan)
        if self._numbers is None:
            whole = np.frombuffer(b"".join(self._packed), dtype=np.float64)
            # a field a row: its numbers side by side
            self._numbers = whole.reshape(len(self.rows), len(self._places)).T.copy()
            self._packed.clear()
        return np.asarray(self._numbers[place])

    def named(self, prefix: str, index: int) -> list[str]:
        """The names of the guests' devices of one index; the index of each without a name."""
        place, nameless = self._places.get(f"{prefix}.{index}{_NAME}"), str(index)
        if place is None:
            return [nameless] * len(self.rows)
        given = self._words[place]
        return [nameless if name != name or name == "" else str(name) for name in given]  # noqa: PLR0124 - NaN


_NAME = ".name"
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
        "__weakref__", "_columns", "_earlier", "_order", "_places", "_prefix", "_runs",
        "names", "none", "owner",
    )  # fmt: skip

    def __init__(self, layouts: Sequence[_Layout], prefix: str, *, none: NDArray[np.bool_]) -> None:
        self.none = none
        self._prefix = prefix
        self._columns: dict[str, FloatArray] = {}
        self._earlier: ref[DeviceTable] | None = None
        self._places: IndexArray | None = None
        self._runs = [
            (layout, index)
            for layout in layouts
            for index in sorted(layout.devices.get(prefix, ()))
        ]
        owner = [row for layout, _ in self._runs for row in layout.rows]
        indices = [index for layout, index in self._runs for _ in layout.rows]
        self._order = np.lexsort((indices, owner))
        self.owner = np.array(owner, dtype=np.intp)[self._order]
        given = [name for layout, index in self._runs for name in layout.named(prefix, index)]
        self.names = tuple(map(given.__getitem__, self._order.tolist()))

    def column(self, name: str) -> FloatArray:
        """A field of every device, shape (devices,); NaN where it is no number."""
        found = self._columns.get(name)
        if found is None:
            fields = ((layout, f"{self._prefix}.{index}.{name}") for layout, index in self._runs)
            found = _joined([layout.column(field) for layout, field in fields])[self._order]
            self._columns[name] = found
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


def _joined(parts: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.empty(0)


def _number(value: Stat) -> float:
    """A statistic as a number; NaN for text and for what no float holds.

    >>> _number(7), _number("7"), _number(10**400)
    (7.0, nan, nan)
    """
    if not isinstance(value, int | float):
        return nan
    try:
        return float(value)
    except OverflowError:
        return nan
