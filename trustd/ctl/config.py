"""``trustctl config show``: the settings in effect, and their hash."""

from __future__ import annotations

import click
from rich.console import Group
from rich.text import Text

from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs
from trustd.ctl.text import flat


@click.group()
def command() -> None:
    """Show the settings that are in effect."""


@command.command()
@with_session
def show(session: Session) -> None:
    """Show every setting as it is in effect, those of the environment too, without secrets.

    The hash tells whether two hosts, or two times, have the same settings, but for what is
    hidden here: where only a token, the path of an address or an argument differs, it is the
    same.
    """
    found = session.connection.get("/v1/config")
    head = [
        ("hash", str(found["hash"])),
        ("version", str(found["version"])),
        ("environment", ", ".join(found["environment"]) or "nothing of it"),
    ]
    rows = list(flat(found["settings"]))
    session.show(
        found,
        lambda: [*head, *rows],
        lambda: Group(pairs(head), Text(), pairs(rows)),
    )
