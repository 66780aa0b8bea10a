"""``trustctl can-i --list GUEST``: all that a guest may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from rich.console import RenderableType

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document, guest_path
from trustd.ctl.objects import split_object
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session
from trustd.ctl.tables import table
from trustd.ctl.text import NOTHING


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@click.argument("action", required=False)
@click.argument("target", callback=split_object, metavar="[TYPE:ID]", required=False)
@click.option("--list", "everything", is_flag=True, help="All objects that are known.")
@with_session
def command(
    session: Session,
    *,
    guest: str,
    action: str | None,
    target: tuple[str, str] | None,
    everything: bool,
) -> None:
    """Tell whether a guest may do something, or with --list all that it may.

    Exits with 3 where the answer is no.
    """
    if everything == (action is not None):
        raise click.UsageError("give --list, or an action and an object")
    if everything:
        found = session.connection.get(f"{guest_path(guest)}/can")
        session.show(found, lambda: _plain(found), lambda: _table(found))
        return
    if target is None:
        raise click.UsageError("give an object, as TYPE:ID")
    query = {"action": action, "type": target[0], "id": target[1]}
    answer = session.connection.get(f"{guest_path(guest)}/why", query)
    word = "yes" if answer["permit"] else "no"
    session.show(
        answer,
        lambda: [(word, answer["reason"])],
        lambda: table(("", ""), [(word, answer["text"])]),
    )
    if not answer["permit"]:
        raise SystemExit(ANSWER_IS_BAD)


def _plain(found: Document) -> Iterator[Sequence[str]]:
    for each in found["objects"]:
        for action in each["permitted"]:
            yield each["type"], each["id"], action, "permit"
        for action, reason in each["denied"].items():
            yield each["type"], each["id"], action, reason


def _table(found: Document) -> RenderableType:
    return table(
        ("TYPE", "OBJECT", "MAY", "MAY NOT"),
        (
            (
                each["type"],
                each["id"],
                ", ".join(each["permitted"]) or NOTHING,
                ", ".join(f"{name} ({why})" for name, why in each["denied"].items()) or NOTHING,
            )
            for each in found["objects"]
        ),
    )
