"""``trustctl exceptions``: who is let off for a time, by whom and why."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click
from rich.console import RenderableType

from trustd.ctl.connection import Document
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import table
from trustd.ctl.text import NOTHING, duration


@click.command()
@with_session
def command(session: Session) -> None:
    """List the exceptions of the policy in force, the soonest end first."""
    found = session.connection.get("/v1/policy")["exceptions"]
    found.sort(key=lambda each: each["until"])
    session.show(found, lambda: _plain(found), lambda: _table(found, time.time()))


def _plain(found: Sequence[Document]) -> Iterator[Sequence[str]]:
    for each in found:
        yield (
            each["id"],
            "over" if each["over"] else "in force",
            str(each["until"]),
            each["floor"],
            ",".join(each["actions"]),
            each["object"],
            ",".join(each["guests"]) or NOTHING,
            each["by"],
            each["reason"],
        )


def _table(found: Sequence[Document], now: float) -> RenderableType:
    return table(
        ("ID", ">LEFT", "AT LEAST", "ACTIONS", "OBJECTS", ">GUESTS", "BY", "REASON"),
        (
            (
                each["id"],
                "over" if each["over"] else duration(each["until"] - now),
                each["floor"],
                ", ".join(each["actions"]),
                each["object"],
                str(len(each["guests"])),
                each["by"],
                each["reason"],
            )
            for each in found
        ),
    )
