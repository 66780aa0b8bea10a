"""``trustctl timeline GUEST``: how a guest's trust, or one of its features, went."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import click
from rich.console import Group, RenderableType
from rich.text import Text

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document, guest_path
from trustd.ctl.ordering import seconds_of
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import band_style, cell, table
from trustd.ctl.text import NOTHING, amount, duration, moment, ratio

_BARS = "▁▂▃▄▅▆▇█"
_GAP = " "
_WIDTH = 72
_ROWS = 24
"""Lines of the table for people; programs get every point."""


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@click.option(
    "--since",
    "ago",
    metavar="DURATION",
    default="24h",
    show_default=True,
    callback=seconds_of,
    help="From how long ago on: 30m, 24h, 30d.",
)
@click.option("--feature", help="Show this feature instead of trust.")
@click.option(
    "--points",
    type=click.IntRange(1, 2000),
    help="How many points at most.  [default: 24 in a table, else 500]",
)
@with_session
def command(
    session: Session, *, guest: str, ago: float, feature: str | None, points: int | None
) -> None:
    """Show how a guest's trust, or one of its features, went over time."""
    until = time.time()
    asked = {
        "since": until - ago,
        "until": until,
        "points": points or (_ROWS if session.output == "table" else 500),
        **({"feature": feature} if feature else {}),
    }
    path = f"{guest_path(guest)}/timeline"
    document = session.connection.get(f"{path}?{urlencode(asked)}")
    session.show(document, lambda: _plain(document), lambda: _shown(session, path, document, asked))


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """A line of bars, one a value; a blank where there is none.

    >>> sparkline([0.0, 0.5, None, 1.0], 0.0, 1.0)
    '▁▅ █'
    """
    span = (high - low) or 1.0
    last = len(_BARS) - 1
    return "".join(
        _GAP if value is None else _BARS[min(last, int((value - low) / span * len(_BARS)))]
        for value in values
    )


def _plain(document: Document) -> Iterator[Sequence[str]]:
    columns = ["at", "seconds", "value", "lowest", "highest"]
    if document["feature"] is None:
        columns += ["uncertainty", "band", "freshness"]
    for row in zip(*(document[column] for column in columns), strict=True):
        yield [NOTHING if each is None else str(each) for each in row]


def _shown(session: Session, path: str, document: Document, asked: Document) -> RenderableType:
    line = session.connection.get(f"{path}?{urlencode({**asked, 'points': _WIDTH})}")
    if not line["at"]:
        return Text("nothing is kept of this time")
    values = _spread(line)
    known = [each for each in values if each is not None]
    trust = document["feature"] is None
    high = 1.0 if trust else max(known, default=1.0)
    rows = _trust_rows(document) if trust else _feature_rows(document)
    columns = (
        ("FROM", "FOR", ">TRUST", ">LOWEST", ">UNCERTAIN", "BAND", "KNOWN")
        if trust
        else ("FROM", "FOR", ">MEAN", ">LOWEST", ">HIGHEST")
    )
    return Group(Text(sparkline(values, 0.0, high)), table(columns, rows))


def _spread(line: Document) -> list[float | None]:
    """The points at their places in the time that was asked for."""
    width = (line["until"] - line["since"]) / _WIDTH
    values: list[float | None] = [None] * _WIDTH
    for at, seconds, value in zip(line["at"], line["seconds"], line["value"], strict=True):
        first = int((at - line["since"]) / width)
        # a point that stands for more than a place fills those after it too
        for place in range(first, min(_WIDTH, first + max(1, round(seconds / width)))):
            values[place] = value
    return values


def _trust_rows(document: Document) -> Iterator[Sequence[str | Text]]:
    names = ("at", "seconds", "value", "lowest", "uncertainty", "band", "freshness")
    for at, seconds, value, lowest, unsure, band, known in zip(
        *(document[name] for name in names), strict=True
    ):
        yield (
            moment(at),
            duration(seconds),
            ratio(value),
            ratio(lowest),
            ratio(unsure),
            NOTHING if band is None else cell(band, band_style(band, document["bands"])),
            known or NOTHING,
        )


def _feature_rows(document: Document) -> Iterator[Sequence[str]]:
    unit = document["unit"]
    for at, seconds, *values in zip(
        *(document[name] for name in ("at", "seconds", "value", "lowest", "highest")), strict=True
    ):
        yield (moment(at), duration(seconds), *(amount(value, unit) for value in values))
