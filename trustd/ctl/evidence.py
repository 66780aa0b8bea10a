"""``trustctl evidence add``: report behaviour of a guest, as a service would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import RenderableType

from trustd.ctl.connection import Document
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs
from trustd.ctl.text import NOTHING

_BY = ("uuid", "name", "mac", "ip", "disk")
_COUNTS = {
    "new": "from the next tick on",
    "again": "as what is open already, which holds the longer",
    "resolved": "its ceiling ends; what it said fades by itself",
    "ok": "as good evidence",
    "duplicate": "no more: its id came before",
}


@click.command()
@click.argument("act", type=click.Choice(["add"]))
@click.argument("guest", metavar="NAME|UUID|BY:VALUE")
@click.argument("kind", metavar="KIND")
@click.option("--family", required=True, metavar="FAMILY", help="The family of evidence.")
@click.option(
    "--severity",
    type=click.Choice(["info", "minor", "major", "critical"]),
    default="minor",
    help="How grave it is.  [default: minor]",
)
@click.option(
    "--expires-in",
    type=click.FloatRange(min=0, min_open=True),
    default=3600.0,
    metavar="SECONDS",
    help="How long it holds unless it is said again.  [default: 3600]",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1),
    default=1.0,
    metavar="0..1",
    help="How sure it is.  [default: 1]",
)
@click.option("--key", default="", metavar="TEXT", help="Tells findings of one kind apart.")
@click.option("--summary", default="", metavar="TEXT", help="One sentence for people.")
@click.option(
    "--state",
    type=click.Choice(["open", "resolved", "ok"]),
    default="open",
    help="Whether it goes on, is over, or all is well.  [default: open]",
)
@click.option("--id", default="", metavar="TEXT", help="Said twice, it counts once.")
@with_session
def command(session: Session, /, *, act: str, guest: str, **said: Any) -> None:  # noqa: ARG001, ANN401 - add is all there is
    """Report what a guest did: a finding, its end, or that all is well.

    For users that are registered in decisions.callers with the dialect evidence, within what
    the policy lets them say (sources). BY is mac, ip or disk, or uuid or name.
    """
    only_open = () if said["state"] == "open" else ("severity", "expires_in")
    sent = {name: value for name, value in said.items() if name not in only_open}
    done = session.connection.post("/v1/evidence", {"guest": _ref(session, guest), **sent})
    (receipt,) = done["reports"]
    session.show(done, lambda: _plain(receipt), lambda: _shown(done["sender"], receipt))


def _ref(session: Session, guest: str) -> dict[str, str]:
    how, colon, value = guest.partition(":")
    if colon and how in _BY and value:
        return {how: value}
    return {"uuid": session.guest_id(guest)}


def _plain(receipt: Document) -> Iterator[Sequence[str]]:
    for name, value in receipt.items():
        yield name, str(value) or NOTHING


def _shown(sender: str, receipt: Document) -> RenderableType:
    return pairs(
        [
            ("guest", receipt["name"]),
            ("from", sender),
            ("finding", " ".join(filter(None, (receipt["kind"], receipt["key"])))),
            ("severity", receipt["severity"]),
            ("believed", f"{receipt['confidence']:.0%}"),
            ("counts", f"{receipt['counts']}: {_COUNTS[receipt['counts']]}"),
        ]
    )
