"""``trustctl objects``: the objects that are known, with every name and label."""

from __future__ import annotations

import click

from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import table


@click.command()
@click.argument("kind", metavar="[TYPE]", required=False)
@with_session
def command(session: Session, *, kind: str | None) -> None:
    """Show the objects that are known: volumes, networks, and those that a document names.

    Each stands under its stable identity (a volume's key, a network's UUID), with the other
    names that mean it in policies, labels and questions, its labels, and how many guests have
    it as a device.
    """
    found = session.connection.get("/v1/objects", {} if kind is None else {"type": kind})
    rows = [
        (
            each["type"],
            each["id"],
            ", ".join(each["names"]),
            ", ".join(f"{name}: {value}" for name, value in sorted(each["labels"].items())),
            str(len(each["guests"])),
        )
        for each in found["objects"]
    ]
    heads = ("TYPE", "IDENTITY", "OTHER NAMES", "LABELS", "GUESTS")
    session.show(found, lambda: rows, lambda: table(heads, rows))
