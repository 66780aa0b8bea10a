"""Tables for people. Every string goes in as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from trustd.ctl.text import harmless

_BANDS = ("green", "yellow", "red")
_UNSURE = "bright_black"
_WIDEST = 48


def cell(text: str, style: str = "") -> Text:
    """Text in a table, with everything harmful escaped."""
    return Text(harmless(text), style=style)


def table(columns: Sequence[str], rows: Iterable[Iterable[str | Text]]) -> Table:
    """A table with a header; the last column has what room there is.

    Args:
        columns: a leading ``>`` aligns a column to the right.
    """
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns, start=1):
        made.add_column(
            Text(column.removeprefix(">")),
            justify="right" if column.startswith(">") else "left",
            overflow="ellipsis" if place < len(columns) else "fold",
            max_width=_WIDEST if place < len(columns) else None,
        )
    for row in rows:
        made.add_row(*(part if isinstance(part, Text) else cell(part) for part in row))
    return made


def pairs(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and values, a line each."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), value if isinstance(value, Text) else cell(value))
    return made


def band_style(band: str, bands: Sequence[str]) -> str:
    """A colour for a band: green for the best, red for the lower half.

    >>> [band_style(b, ["a", "b", "c", "d"]) for b in "abcd"]
    ['green', 'yellow', 'red', 'red']
    """
    if band not in bands:
        return _UNSURE
    place = list(bands).index(band)
    if place == 0:
        return _BANDS[0]
    return _BANDS[1] if place < len(bands) / 2 else _BANDS[2]


def freshness_style(freshness: str) -> str:
    """Grey for what is not known now: neither good nor bad."""
    return "" if freshness == "fresh" else _UNSURE
