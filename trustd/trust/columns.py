"""What is remembered of the guests: named columns, a row a guest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Axis = Literal["guest", "feature", "family"]


@dataclass(frozen=True, slots=True)
class Column:
    """One remembered quantity.

    Args:
        per: what it is remembered for, beside the guest.
        depth: entries for each; 0 for a single number.
        fill: of a new guest.
        dtype: of numpy.
    """

    per: Axis = "feature"
    depth: int = 0
    fill: float = 0.0
    dtype: str = "f4"


class Table:
    """Columns that grow and shrink by rows together, at a constant cost a guest.

    A column has the shape (guests,), (guests, labels) or (depth, guests, labels):
    what is computed over the whole fleet at once lies side by side.

    Args:
        schema: the columns by name.
        labels: the names along the last axis, by kind of axis.
    """

    def __init__(self, schema: Mapping[str, Column], labels: Mapping[Axis, Sequence[str]]) -> None:
        self.schema = dict(schema)
        self.labels: dict[Axis, tuple[str, ...]] = {
            axis: tuple(names) for axis, names in labels.items()
        }
        self._rows = self._room = 0
        self._held: dict[str, Array] = {
            name: np.full(self._shape(column, 0), column.fill, column.dtype)
            for name, column in self.schema.items()
        }

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, name: str) -> Array:
        """The column of all guests; a view, to be changed in place."""
        held = self._held[name]
        return held[:, : self._rows] if self.schema[name].depth else held[: self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self.schema)

    def row(self, name: str, row: int) -> Array:
        """One guest's part of a column; a view of shape (), (labels,) or (depth, labels)."""
        held = self[name]
        return (
            held[:, row] if self.schema[name].depth else held[row : row + 1].reshape(held.shape[1:])
        )

    def add(self, rows: int = 1) -> int:
        """Append rows as of new guests; the number of the first one."""
        first, self._rows = self._rows, self._rows + rows
        if self._rows > self._room:
            self.reserve(self._rows + first // 4)
        for name, column in self.schema.items():
            axis = 1 if column.depth else 0
            np.moveaxis(self._held[name], axis, 0)[first : self._rows] = column.fill
        return first

    def reserve(self, room: int) -> None:
        """Make room for so many rows in all."""
        kept, self._room = min(self._rows, self._room), max(room, self._rows)
        for name, column in self.schema.items():
            held, axis = self._held[name], 1 if column.depth else 0
            grown = np.full(self._shape(column, self._room), column.fill, column.dtype)
            np.moveaxis(grown, axis, 0)[:kept] = np.moveaxis(held, axis, 0)[:kept]
            self._held[name] = grown

    def drop(self, row: int) -> None:
        """Forget a row; the last row takes its place."""
        last = self._rows - 1
        for name in self.schema:
            self.row(name, row)[...] = self.row(name, last)
        self._rows = last

    def widen(self, axis: Axis, name: str) -> int:
        """Append a label to an axis; its place."""
        self.labels[axis] = (*self.labels[axis], name)
        for key, column in self.schema.items():
            if column.per == axis:
                held = self._held[key]
                rows = held.shape[1 if column.depth else 0]
                wider = np.full(self._shape(column, rows), column.fill, column.dtype)
                wider[..., :-1] = held
                self._held[key] = wider
        return len(self.labels[axis]) - 1

    def take(self, other: Table) -> None:
        """Take over the rows of another table; what it does not know stays new.

        Places along the last axis are matched by name.
        """
        self.add(len(other) - len(self))
        for name, column in self.schema.items():
            if name not in other.schema or other.schema[name].depth != column.depth:
                continue
            mine, theirs = self[name], other[name]
            if column.per == "guest":
                mine[...] = theirs
                continue
            places = {label: place for place, label in enumerate(other.labels[column.per])}
            for place, label in enumerate(self.labels[column.per]):
                if label in places:
                    mine[..., place] = theirs[..., places[label]]

    def _shape(self, column: Column, rows: int) -> tuple[int, ...]:
        wide = () if column.per == "guest" else (len(self.labels[column.per]),)
        deep = (column.depth,) if column.depth else ()
        return (*deep, rows, *wide)
