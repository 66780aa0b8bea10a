"""``trustctl override GUEST``: an operator's bound on a guest's band, for a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click
from rich.console import RenderableType

from trustd.ctl.completing import bands, guests
from trustd.ctl.connection import Document, guest_path
from trustd.ctl.ordering import (
    bounded,
    by_whom,
    dry_run,
    given,
    lasting,
    reasoned,
    show_order,
    taken,
)
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs
from trustd.ctl.text import NOTHING


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@click.option("--band", shell_complete=bands, help="The band.")
@click.option("--at-most", "bound", flag_value="at-most", help="No better than it: narrows.")
@click.option("--at-least", "bound", flag_value="at-least", help="No worse than it: lifts.")
@click.option("--pin", "bound", flag_value="pin", default="pin", help="It, whatever trust says.")
@lasting(needed=False)
@reasoned(needed=False)
@click.option("--clear", is_flag=True, help="Take the override back.")
@dry_run
@with_session
def command(
    session: Session,
    *,
    guest: str,
    band: str | None,
    bound: str,
    seconds: float | None,
    reason: str | None,
    clear: bool,
    dry_run: bool,
) -> None:
    """Bound a guest's band by hand for a time, or without --band and --clear show how it is.

    It wins over what trust makes of the guest, ends by itself, and never crosses what is
    forbidden, a wall or a type.
    """
    path = f"{guest_path(guest)}/override"
    if clear:
        if band is not None or seconds is not None:
            raise click.UsageError("--clear takes neither --band nor --for")
        why = str(given(reason, "--reason"))
        show_order(session, taken(session, path, why, dry=dry_run))
    elif band is None:
        if seconds is not None or reason is not None or dry_run:
            raise click.UsageError("--band or --clear is needed")
        state = session.connection.get(path)
        session.show(state, lambda: _plain(state), lambda: _shown(state, time.time()))
    else:
        asked = {
            "band": band,
            "bound": bound,
            "seconds": given(seconds, "--for"),
            "reason": given(reason, "--reason"),
            "dry_run": dry_run,
        }
        show_order(session, session.connection.post(path, asked))


def _plain(state: Document) -> Iterator[Sequence[str]]:
    override = state["override"]
    for name in ("guest", "name", "band", "automatic"):
        yield name, state[name]
    if override is None:
        yield "override", NOTHING
        return
    yield "override", override["bound"], override["band"]
    for name in ("since", "until", "by", "uid", "reason"):
        yield name, str(override[name])


def _shown(state: Document, now: float) -> RenderableType:
    override = state["override"]
    rows = [
        ("guest", state["name"]),
        ("band", state["band"]),
        ("by trust", state["automatic"]),
        ("override", bounded(override)),
    ]
    if override is not None:
        rows.append(("", by_whom(override, now)))
    return pairs(rows)
