"""``trustctl storage``: what the repository takes, and what it will take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from rich.console import Group, RenderableType

from trustd.ctl.connection import Document
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs, table
from trustd.ctl.text import NOTHING, duration, moment, size


@click.command()
@with_session
def command(session: Session) -> None:
    """Show what the repository takes by kind, what a guest costs a day, and what it will take."""
    document = session.connection.get("/v1/storage")
    session.show(document, lambda: _plain(document), lambda: _shown(document))


def _plain(document: Document) -> Iterator[Sequence[str]]:
    for kind in document["kinds"]:
        names = ("name", "rows", "bytes", "oldest", "a_day", "kept")
        yield [NOTHING if kind[name] is None else str(kind[name]) for name in names]


def _shown(document: Document) -> RenderableType:
    return Group(
        table(
            ("KIND", ">ROWS", ">SIZE", "OLDEST", ">A DAY", "KEPT"),
            (
                (
                    kind["name"],
                    str(kind["rows"]),
                    size(kind["bytes"]),
                    NOTHING if kind["oldest"] is None else moment(kind["oldest"]),
                    _size(kind["a_day"]),
                    duration(kind["kept"]),
                )
                for kind in document["kinds"]
            ),
        ),
        pairs(_lines(document)),
    )


def _lines(document: Document) -> Iterator[tuple[str, str]]:
    yield "a guest", f"{_size(document['guest_day'])} a day, of {document['guests']} guests now"
    yield "in use", f"{size(document['used'])} of a file of {size(document['file'])}"
    yield "bound", f"{size(document['most'])}, above which the oldest detail goes first"
    yield "will be", f"{_size(document['expected'])} when everything is as old as it gets"
    yield "disk", f"{size(document['free'])} free"
    if document["shortened"]:
        yield "history", "SHORTENED: it does not fit its bound"
    if document["clock_ahead"] >= 1:
        yield "clock", f"{duration(document['clock_ahead'])} ahead of the time that passed"
    if document["error"]:
        yield "store", document["error"]


def _size(value: float | None) -> str:
    return NOTHING if value is None else size(value)
