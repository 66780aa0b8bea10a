"""``trustctl incidents``: what waits for somebody."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click
from rich.console import RenderableType
from rich.text import Text

from trustd.ctl.connection import Document
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import cell, table
from trustd.ctl.text import NOTHING, duration

STYLES = {"critical": "bold red", "major": "red", "minor": "yellow"}


@click.command()
@click.option("--open", "state", flag_value="open", default="open", help="Those that are open.")
@click.option("--all", "state", flag_value="all", help="The last ones, whatever became of them.")
@with_session
def command(session: Session, *, state: str) -> None:
    """List incidents, the newest first."""
    found = session.connection.get("/v1/incidents", {"state": state, "limit": 500})
    shown = found["incidents"]
    session.show(found, lambda: _plain(shown), lambda: _table(shown, time.time()))


def waits(each: Document, now: float) -> str:
    """Whether somebody is on it, in a word or two.

    >>> waits({"state": "open", "acknowledged": None, "overdue": False, "due": 160.0}, 100.0)
    'due in 60 s'
    >>> waits({"state": "open", "acknowledged": 90.0, "overdue": False, "due": 160.0}, 100.0)
    'acknowledged'
    """
    if each["state"] == "resolved":
        return NOTHING
    if each["acknowledged"] is not None:
        return "acknowledged"
    if each["due"] is None:
        return "waits"
    if each["overdue"]:
        return f"OVERDUE by {duration(now - each['due'])}"
    return f"due in {duration(each['due'] - now)}"


def whom(each: Document) -> str:
    """Whom it is about."""
    return str(each["name"] or each["guest"] or "(host)")


def _plain(found: Sequence[Document]) -> Iterator[Sequence[str]]:
    for each in found:
        yield (
            str(each["number"]),
            each["severity"],
            each["state"],
            "overdue" if each["overdue"] else NOTHING,
            each["guest"] or NOTHING,
            whom(each),
            str(each["opened"]),
            each["assigned"] or NOTHING,
            each["conclusion"] or NOTHING,
            each["cause"],
        )


def _table(found: Sequence[Document], now: float) -> RenderableType:
    if not found:
        return Text("none")
    return table(
        (">N", "SEVERITY", "STATE", "ANSWER", "GUEST", ">AGE", "WHOSE", "CAUSE"),
        (
            (
                str(each["number"]),
                cell(each["severity"], STYLES.get(each["severity"], "")),
                each["conclusion"] or each["state"],
                cell(waits(each, now), "bold red" if each["overdue"] else ""),
                whom(each),
                duration(now - each["opened"]),
                each["assigned"] or NOTHING,
                each["cause"],
            )
            for each in found
        ),
    )
