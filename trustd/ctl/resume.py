"""``trustctl resume``: the end of a pause."""

from __future__ import annotations

import click

from trustd.ctl.ordering import dry_run, reasoned, show_order, taken
from trustd.ctl.session import Session, with_session


@click.command()
@reasoned(needed=True)
@dry_run
@with_session
def command(session: Session, *, reason: str, dry_run: bool) -> None:
    """End a pause before its time: what was given back is narrowed again."""
    show_order(session, taken(session, "/v1/pause", reason, dry=dry_run))
