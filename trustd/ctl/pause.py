"""``trustctl pause``: the switch that ends all enforcement for a time."""

from __future__ import annotations

import click

from trustd.ctl.ordering import dry_run, lasting, reasoned, show_order
from trustd.ctl.session import Session, with_session


@click.command()
@lasting(needed=True)
@reasoned(needed=True)
@click.option("--keep", is_flag=True, help="Keep what is narrowed; narrow nothing further.")
@dry_run
@with_session
def command(session: Session, *, seconds: float, reason: str, keep: bool, dry_run: bool) -> None:
    """Pause all enforcement for a time: everything is given back.

    Trust goes on being worked out, and every guest is in observe mode meanwhile. With
    --keep every guest stays in the band in which it is.
    """
    asked = {"seconds": seconds, "reason": reason, "keep": keep, "dry_run": dry_run}
    show_order(session, session.connection.post("/v1/pause", asked))
