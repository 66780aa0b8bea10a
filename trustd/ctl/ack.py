"""``trustctl ack GUEST benign|attack``: an operator's word on what a guest did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from rich.console import RenderableType

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document, guest_path
from trustd.ctl.ordering import dry_run
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs
from trustd.ctl.text import NOTHING, ratio

_MEANS = {
    "benign": "normal for this guest from now on: nothing is held against it",
    "attack": "no part of what is normal for this guest: what it taught is taken back",
}


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@click.argument("verdict", type=click.Choice(["benign", "attack"]))
@click.option("--reason", default="", metavar="TEXT", help="Why, for the journal.")
@dry_run
@with_session
def command(session: Session, *, guest: str, verdict: str, reason: str, dry_run: bool) -> None:
    """Say that what a guest did is benign, or an attack.

    The trust of a benign guest is back at once, and its open findings end; what is found
    anew counts.
    """
    said = {"verdict": verdict, "reason": reason, "dry_run": dry_run}
    done = session.connection.post(f"{guest_path(guest)}/acknowledge", said)
    session.show(done, lambda: _plain(done), lambda: _shown(done))


def _plain(done: Document) -> Iterator[Sequence[str]]:
    for name in ("guest", "name", "verdict", "reason"):
        yield name, done[name] or NOTHING
    yield "act", "dry-run" if done["dry_run"] else "done"
    for name in ("before", "after"):
        yield name, NOTHING if done[name] is None else str(done[name])
    for kind in done["ended"]:
        yield "ended", kind


def _shown(done: Document) -> RenderableType:
    return pairs(
        [
            ("guest", done["name"]),
            *([("NOT DONE", "a dry run")] if done["dry_run"] else []),
            (done["verdict"], _MEANS[done["verdict"]]),
            ("trust", f"{ratio(done['before'])} before, {ratio(done['after'])} now"),
            ("ended", ", ".join(done["ended"]) or NOTHING),
            ("band", "follows at the next ticks, as the policy's dwell has it"),
        ]
    )
