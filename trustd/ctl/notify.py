"""``trustctl notify``: who is told of what, and whether it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from trustd.ctl.connection import Document
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session
from trustd.ctl.tables import table
from trustd.ctl.text import NOTHING, moment


@click.group()
def command() -> None:
    """Show who is told of what, and try it out."""


@command.command("list")
@with_session
def show(session: Session) -> None:
    """List every receiver: what waits for it, when it was told last, and what went wrong.

    Exits with 3 where one fails.
    """
    found = session.connection.get("/v1/notices")
    receivers = found["receivers"]
    session.show(
        found,
        lambda: _rows(receivers),
        lambda: table(
            ("RECEIVER", "KIND", "FROM", ">WAITING", ">DROPPED", "LAST TOLD", "ERROR"),
            _rows(receivers),
        ),
    )
    if any(each["error"] for each in receivers):
        raise SystemExit(ANSWER_IS_BAD)


@command.command("test")
@click.argument("receiver", required=False)
@with_session
def trial(session: Session, *, receiver: str | None) -> None:
    """Tell RECEIVER, or each one, that nothing is wrong, and that this is over.

    Exits with 3 where one does not take it.
    """
    names = [receiver]
    if receiver is None:
        names = [each["name"] for each in session.connection.get("/v1/notices")["receivers"]]
    done = [session.connection.post("/v1/notices/test", {"receiver": each}) for each in names]
    rows = [
        (each["receiver"], "told" if each["told"] else "failed", each["error"] or NOTHING)
        for each in done
    ]
    session.show(done, lambda: rows, lambda: table(("RECEIVER", "RESULT", "ERROR"), rows))
    if not all(each["told"] for each in done):
        raise SystemExit(ANSWER_IS_BAD)


def _rows(receivers: Sequence[Document]) -> Iterator[Sequence[str]]:
    for each in receivers:
        yield (
            each["name"],
            each["kind"],
            each["severity"],
            str(each["waiting"]),
            str(each["dropped"]),
            NOTHING if each["told"] is None else moment(each["told"]),
            each["error"] or NOTHING,
        )
