"""``trustctl hold``: guests that are not narrowed because too many fell at once."""

from __future__ import annotations

import click

from trustd.ctl.ordering import dry_run, given, listed, reasoned, show_order
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session


@click.command()
@click.argument("act", metavar="[accept]", type=click.Choice(["accept"]), required=False)
@reasoned(needed=False)
@dry_run
@with_session
def command(session: Session, *, act: str | None, reason: str | None, dry_run: bool) -> None:
    """Show the guests that are held back and why, or let them be narrowed once.

    Exits with 3 where guests are held. accept is for those that are held now because they
    are too many; whoever falls later counts anew.
    """
    if act is None:
        if reason is not None or dry_run:
            raise click.UsageError("--reason and --dry-run are for accept")
        _show(session)
        return
    asked = {"reason": given(reason, "--reason"), "dry_run": dry_run}
    show_order(session, session.connection.post("/v1/hold", asked))


def _show(session: Session) -> None:
    found = session.connection.get("/v1/hold")
    rows = [(each["name"], each["band"], each["reason"]) for each in found["held"]]
    plain = [(each["guest"], *row) for each, row in zip(found["held"], rows, strict=True)]
    session.show(found, lambda: plain, lambda: listed(("GUEST", "BAND", "HELD BACK"), rows))
    if rows:
        raise SystemExit(ANSWER_IS_BAD)
