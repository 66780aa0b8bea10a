"""``trustctl restore FILE``: go back to a backup, while no daemon runs."""

from __future__ import annotations

import os
from pathlib import Path

import click

from trustd.ctl.backup import DATABASE, state_option
from trustd.ctl.ordering import dry_run
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs
from trustd.ctl.text import NOTHING
from trustd.repository.backup import inspect, restore


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@state_option
@dry_run
@with_session
def command(session: Session, *, file: Path, state: Path, dry_run: bool) -> None:
    """Put the backup FILE in the place of the repository, which is kept aside.

    For root and the daemon's user, on this host, while the daemon is stopped. What is in
    force on devices now is taken over, so that it can be undone exactly all the same.
    """
    if dry_run:
        found = inspect(file)
        session.show(
            {"path": str(file), "records": found.records, "head": found.head},
            lambda: [[str(file), str(found.records), found.head]],
            lambda: pairs(
                [("would restore", f"{file}: sound, {found.records} records, head {found.head}")]
            ),
        )
        return
    done = restore(file, state / DATABASE, user=os.getuid())
    aside = NOTHING if done.aside is None else str(done.aside)
    document = {
        "path": str(state / DATABASE),
        "aside": None if done.aside is None else aside,
        "intents": done.intents,
        "records": done.copy.records,
        "head": done.copy.head,
    }
    session.show(
        document,
        lambda: [[NOTHING if each is None else str(each) for each in document.values()]],
        lambda: pairs(
            (
                ("restored", f"{done.copy.records} records of the audit trail, and all with them"),
                ("before", aside),
                ("in force", f"prior states of {done.intents} devices were taken over"),
            )
        ),
    )
