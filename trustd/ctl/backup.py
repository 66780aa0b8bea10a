"""``trustctl backup FILE``: a checked copy of the repository, while the daemon runs."""

from __future__ import annotations

from pathlib import Path

import click

from trustd.ctl.ordering import dry_run
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs
from trustd.ctl.text import size
from trustd.errors import StoreError
from trustd.repository.backup import back_up, inspect

DATABASE = "trustd.db"


def state_option(command: click.decorators.FC) -> click.decorators.FC:
    """The option ``--state``: these commands open the repository itself, not the socket."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        envvar="TRUSTD_STATE",
        default=Path("/var/lib/trustd"),
        show_default=True,
        help="The directory of the repository: the setting state.",
    )(command)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@state_option
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@dry_run
@with_session
def command(session: Session, *, file: Path, state: Path, force: bool, dry_run: bool) -> None:
    """Copy the repository to FILE as it is now, and check the copy.

    For root and the daemon's user, on this host; the daemon may run or not.
    """
    if dry_run and file.exists() and not force:
        raise StoreError(f"{file}: there is such a file; give another, or replace it by --force")
    source = state / DATABASE
    made = inspect(source) if dry_run else back_up(source, file, force=force)
    document = {
        "path": str(file),
        "bytes": made.bytes,
        "schema": made.schema,
        "records": made.records,
        "head": made.head,
    }
    what = "would be a backup" if dry_run else "backup"
    session.show(
        document,
        lambda: [[str(each) for each in document.values()]],
        lambda: pairs(
            (
                (what, f"{file}, {size(made.bytes)}, sound"),
                ("audit trail", f"{made.records} records, head {made.head}"),
            )
        ),
    )
