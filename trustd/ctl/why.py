"""``trustctl why GUEST ACTION OBJECT``: why a guest may, or may not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from rich.console import Group, RenderableType

from trustd.ctl.completing import guests
from trustd.ctl.connection import Document, guest_path
from trustd.ctl.instants import at_option, passed
from trustd.ctl.objects import split_object
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session
from trustd.ctl.tables import cell, pairs, table
from trustd.ctl.text import NOTHING, moment, ratio

_PASSED = {True: "passed", False: "failed", None: NOTHING}
_STYLES = {True: "green", False: "red", None: ""}


@click.command()
@click.argument("guest", metavar="NAME|UUID", shell_complete=guests)
@click.argument("action")
@click.argument("target", callback=split_object, metavar="TYPE:ID")
@at_option
@with_session
def command(
    session: Session, *, guest: str, action: str, target: tuple[str, str], at: str | None
) -> None:
    """Show why a guest may do something to an object, or not; or why it might at an earlier time.

    The first gate that fails decides. Exits with 3 where the answer is no. Asking binds
    nobody behind a wall and is not recorded.
    """
    kind, identity = target
    query = {"action": action, "type": kind, "id": identity}
    if at is not None:
        query["at"] = passed(at)
    found = session.connection.get(f"{guest_path(guest)}/why", query)
    session.show(found, lambda: _plain(found), lambda: _shown(found))
    if not found["permit"]:
        raise SystemExit(ANSWER_IS_BAD)


def _plain(found: Document) -> Iterator[Sequence[str]]:
    yield "decision", "permit" if found["permit"] else "deny", found["reason"]
    for name in ("text", "nearest", "band", "role", "mode", "policy"):
        yield name, str(found[name] or NOTHING)
    for gate in found["gates"]:
        yield "gate", gate["name"], _PASSED[gate["passed"]]
    for note in found["notes"]:
        yield "note", note
    if found["recorded"]:
        yield "recorded", *_recorded(found["recorded"])


def _recorded(decision: Document) -> tuple[str, ...]:
    answer = "permit" if decision["permit"] else "deny"
    return moment(decision["at"]), answer, decision["reason"], decision["caller"] or NOTHING


def _shown(found: Document) -> RenderableType:
    answer = "permit" if found["permit"] else f"deny: {found['reason']}"
    head = [
        ("decision", cell(answer, _STYLES[found["permit"]])),
        ("because", cell(found["text"])),
        ("needs", cell(found["nearest"] or NOTHING)),
        ("band", cell(f"{found['band']}, trust {ratio(found['trust'])}, mode {found['mode']}")),
        ("guest's labels", cell(_labels(found["labels"]))),
        ("object's labels", cell(_labels(found["object_labels"]))),
        ("policy", cell(found["policy"])),
        *(("note", cell(note)) for note in found["notes"]),
    ]
    if found["recorded"]:
        head.append(("recorded", cell(", ".join(_recorded(found["recorded"])))))
    gates = (
        (cell(gate["name"]), cell(_PASSED[gate["passed"]], _STYLES[gate["passed"]]))
        for gate in found["gates"]
    )
    return Group(pairs(head), table(("GATE", ""), gates))


def _labels(labels: Document) -> str:
    return ", ".join(f"{name}: {value}" for name, value in labels.items()) or NOTHING
