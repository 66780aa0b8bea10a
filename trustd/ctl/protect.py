"""``trustctl protect``: guests that are never narrowed, at run time."""

from __future__ import annotations

import time

import click

from trustd.ctl.completing import guests
from trustd.ctl.ordering import (
    by_whom,
    dry_run,
    given,
    lasting,
    listed,
    reasoned,
    show_order,
    taken,
)
from trustd.ctl.session import Session, with_session
from trustd.ctl.text import NOTHING


@click.command()
@click.argument("guest", metavar="[NAME|UUID]", required=False, shell_complete=guests)
@lasting(needed=False)
@reasoned(needed=False)
@click.option("--remove", is_flag=True, help="Take the guest from the list.")
@click.option("--list", "listing", is_flag=True, help="Show the list.")
@dry_run
@with_session
def command(
    session: Session,
    *,
    guest: str | None,
    seconds: float | None,
    reason: str | None,
    remove: bool,
    listing: bool,
    dry_run: bool,
) -> None:
    """Protect a guest: what narrows it is lifted, and nothing does again.

    As the policy's own list does; without --for until it is removed. Walls, types and what
    is forbidden hold as ever.
    """
    if listing or guest is None:
        if not listing or guest is not None:
            raise click.UsageError("name a guest, or give --list alone")
        _list(session)
        return
    why = str(given(reason, "--reason"))
    if remove:
        if seconds is not None:
            raise click.UsageError("--remove takes no --for")
        show_order(session, taken(session, "/v1/protect", why, dry=dry_run, guest=guest))
        return
    asked = {"guest": guest, "seconds": seconds, "reason": why, "dry_run": dry_run}
    show_order(session, session.connection.post("/v1/protect", asked))


def _list(session: Session) -> None:
    found = session.connection.get("/v1/protect")
    plain = [
        (
            each["guest"],
            each["name"],
            NOTHING if each["until"] is None else str(each["until"]),
            each["by"],
            each["reason"],
        )
        for each in found["protected"]
    ]
    now = time.time()
    rows = [(each["name"] or each["guest"], by_whom(each, now)) for each in found["protected"]]
    session.show(found, lambda: plain, lambda: listed(("GUEST", "PROTECTED"), rows))
