"""``trustctl release GUEST``: give a guest everything back for a time."""

from __future__ import annotations

import click

from trustd.ctl.completing import guests
from trustd.ctl.connection import guest_path
from trustd.ctl.ordering import dry_run, lasting, reasoned, show_order
from trustd.ctl.session import Session, with_session


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@lasting(needed=True)
@reasoned(needed=True)
@dry_run
@with_session
def command(session: Session, *, guest: str, seconds: float, reason: str, dry_run: bool) -> None:
    """Lift a guest to the best band for a time: the same as override with --at-least.

    Taken back with override --clear.
    """
    best = session.connection.get("/v1/status")["bands"][0]
    asked = {
        "band": best,
        "bound": "at-least",
        "seconds": seconds,
        "reason": reason,
        "dry_run": dry_run,
    }
    show_order(session, session.connection.post(f"{guest_path(guest)}/override", asked))
