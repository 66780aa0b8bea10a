"""``trustctl evidence``: what services report of guests, and reporting as one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import RenderableType

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document
from trustd.ctl.ordering import dry_run
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs, table
from trustd.ctl.text import NOTHING, moment

_BY = ("uuid", "name", "mac", "ip", "disk")
_COUNTS = {
    "new": "from the next tick on",
    "again": "as what is open already, which holds the longer",
    "resolved": "its ceiling ends; what it said fades by itself",
    "ok": "as good evidence",
    "duplicate": "no more: its id came before",
}


@click.group()
def command() -> None:
    """List what other services reported of guests, and report as one of them."""


@command.command("list")
@click.option("--guest", metavar="NAME|UUID", help="Only of this guest.")
@click.option("--sender", metavar="NAME", help="Only what this service said.")
@click.option("--family", metavar="FAMILY", help="Only of this family of evidence.")
@click.option("--severity", type=click.Choice(["info", "minor", "major", "critical"]))
@click.option("--state", type=click.Choice(["open", "resolved", "ok", "expired"]))
@click.option(
    "--last", default=50, show_default=True, type=click.IntRange(1, 500), help="The most of it."
)
@with_session
def show(session: Session, /, *, last: int, **wanted: str | None) -> None:
    """List what was said, a finding once however often; that which was first said last in front."""
    query = {name: value for name, value in wanted.items() if value is not None}
    found = session.connection.get("/v1/evidence", {**query, "limit": last})
    session.show(
        found,
        lambda: (_fields(each) for each in found["evidence"]),
        lambda: table(
            ("LAST", "SENDER", "GUEST", "FINDING", "SEVERITY", "STATE", ">TIMES", "SUMMARY"),
            (_cells(each) for each in found["evidence"]),
        ),
    )


def _fields(each: Document) -> Sequence[str]:
    names = ("last", "sender", "guest", "name", "kind", "key", "severity", "state", "times")
    return [str(each[name]) or NOTHING for name in (*names, "until", "summary")]


def _cells(each: Document) -> Sequence[str]:
    return (
        moment(each["last"]),
        each["sender"],
        each["name"],
        " ".join(filter(None, (each["kind"].removeprefix(f"{each['sender']}:"), each["key"]))),
        each["severity"],
        each["state"],
        str(each["times"]),
        each["summary"].removeprefix(f"{each['sender']}: "),
    )


@command.command()
@click.argument("guest", metavar="NAME|UUID|BY:VALUE", shell_complete=guests)
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
@dry_run
@with_session
def add(session: Session, /, *, guest: str, dry_run: bool, **said: Any) -> None:  # noqa: ANN401 - whatever a report has
    """Report what a guest did: a finding, its end, or that all is well.

    For users that are registered in decisions.callers with the dialect evidence, within what
    the policy lets them say (sources). BY is mac, ip or disk, or uuid or name.
    """
    only_open = () if said["state"] == "open" else ("severity", "expires_in")
    sent = {name: value for name, value in said.items() if name not in only_open}
    path = "/v1/evidence?dry_run=true" if dry_run else "/v1/evidence"
    done = session.connection.post(path, {"guest": _ref(session, guest), **sent})
    (receipt,) = done["reports"]
    session.show(done, lambda: _plain(receipt), lambda: _shown(done, receipt))


def _ref(session: Session, guest: str) -> dict[str, str]:
    how, colon, value = guest.partition(":")
    if colon and how in _BY and value:
        return {how: value}
    return {"uuid": session.guest_id(guest)}


def _plain(receipt: Document) -> Iterator[Sequence[str]]:
    for name, value in receipt.items():
        yield name, str(value) or NOTHING


def _shown(done: Document, receipt: Document) -> RenderableType:
    counts = "would count" if done["dry_run"] else "counts"
    return pairs(
        [
            ("guest", receipt["name"]),
            ("from", done["sender"]),
            ("finding", " ".join(filter(None, (receipt["kind"], receipt["key"])))),
            ("severity", receipt["severity"]),
            ("believed", f"{receipt['confidence']:.0%}"),
            (counts, f"{receipt['counts']}: {_COUNTS[receipt['counts']]}"),
        ]
    )
