"""``trustctl backup FILE``: a checked copy of the repository, while the daemon runs."""

from __future__ import annotations

from pathlib import Path

import click

from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs
from trustd.ctl.text import size
from trustd.repository.backup import back_up

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
@with_session
def command(session: Session, *, file: Path, state: Path, force: bool) -> None:
    """Copy the repository to FILE as it is now, and check the copy.

    For root and the daemon's user, on this host; the daemon may run or not.
    """
    made = back_up(state / DATABASE, file, force=force)
    document = {
        "path": str(made.path),
        "bytes": made.bytes,
        "schema": made.schema,
        "records": made.records,
        "head": made.head,
    }
    session.show(
        document,
        lambda: [[str(each) for each in document.values()]],
        lambda: pairs(
            (
                ("backup", f"{made.path}, {size(made.bytes)}, sound"),
                ("audit trail", f"{made.records} records, head {made.head}"),
            )
        ),
    )
