"""``trustctl label GUEST key=value key-``: labels at run time."""

from __future__ import annotations

from collections.abc import Sequence

import click

from trustd.ctl.completing import guests
from trustd.ctl.objects import split_object
from trustd.ctl.ordering import dry_run
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import table


@click.command()
@click.argument(
    "words", metavar="[NAME|UUID] [KEY=VALUE | KEY-]...", nargs=-1, shell_complete=guests
)
@click.option(
    "--object", "target", callback=split_object, metavar="TYPE:ID", help="An object, not a guest."
)
@dry_run
@with_session
def command(
    session: Session, *, words: Sequence[str], target: tuple[str, str] | None, dry_run: bool
) -> None:
    """Set labels with KEY=VALUE, take them away with KEY-, or without either show them.

    They win over those of the guest's definition, and count from the next tick on. Only
    labels that were set here can be taken away here.
    """
    if target is None:
        if not words:
            raise click.UsageError("name a guest, or an object with --object")
        kind, identity, changes = "guest", words[0], words[1:]
    else:
        (kind, identity), changes = target, words
    given, taken = _changes(changes)
    if given or taken:
        change = {
            "type": kind,
            "id": identity,
            "set": given,
            "remove": taken,
            "dry_run": dry_run,
        }
        found = session.connection.post("/v1/labels", change)
    elif dry_run:
        raise click.UsageError("--dry-run needs something to set or to take away")
    else:
        if kind == "guest":
            identity = session.guest_id(identity)
        found = session.connection.get("/v1/labels", {"type": kind, "id": identity})
    rows = [
        (name, value, "set here" if name in found["given"] else "")
        for name, value in sorted(found["labels"].items())
    ]
    session.show(found, lambda: rows, lambda: table(("LABEL", "VALUE", ""), rows))


def _changes(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    given: dict[str, str] = {}
    taken: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name and value:
            given[name] = value
        elif word.endswith("-") and len(word) > 1:
            taken.append(word[:-1])
        else:
            raise click.UsageError(f"{word} is neither KEY=VALUE nor KEY-")
    return given, taken
