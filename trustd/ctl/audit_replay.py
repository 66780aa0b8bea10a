"""``trustctl audit replay``: the state that the audit trail adds up to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path

import click
import orjson
from rich.console import Group, RenderableType

from trustd.ctl.connection import Document
from trustd.ctl.exported import of_file
from trustd.ctl.instants import at_option, instant
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import pairs, table
from trustd.ctl.text import NOTHING, harmless, moment
from trustd.errors import StoreError
from trustd.repository.present import replayed


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@at_option
@with_session
def replay(session: Session, file: Path | None, at: str | None) -> None:
    """Show what the records add up to: guests, bands, orders, labels, policy, narrowed devices.

    The daemon's trail, or an exported FILE. Check it first: what was tampered with adds up too.
    """
    until = None if at is None else instant(at)
    if file is None:
        query = {} if until is None else {"at": until}
        document = session.connection.get("/v1/audit/state", query)
    else:
        # what serves HTTP takes its time to load, and an exported trail is seldom replayed
        from trustd.api.audit_views import state  # noqa: PLC0415

        try:
            _, records = of_file(file)
        except StoreError as error:
            raise click.ClickException(harmless(str(error))) from error
        present = replayed(records, until=inf if until is None else until)
        document = orjson.loads(orjson.dumps(state(present)))
    session.show(document, lambda: _state_rows(document), lambda: _state(document))


def _state_rows(state: Document) -> Iterator[Sequence[str]]:
    yield "policy", state["policy"] or NOTHING
    for each in state["guests"]:
        protected = "protected" if each["protected"] else NOTHING
        yield (
            "guest",
            each["guest"],
            *(each[name] or NOTHING for name in ("name", "state", "band")),
            protected,
            ",".join(each["roles"]) or NOTHING,
            ",".join(each["narrowed"]) or NOTHING,
        )
    for each in state["orders"]:
        yield "order", each["kind"], each["guest"] or NOTHING, json.dumps(each["given"])
    for kind in ("objects", "given"):
        for each in state[kind]:
            yield kind, each["type"], each["id"], json.dumps(each["labels"])
    for number in state["incidents"]:
        yield "incident", str(number)


def _state(found: Document) -> RenderableType:
    names = {each["guest"]: each["name"] for each in found["guests"]}
    return Group(
        pairs(
            (
                ("up to", f"record {found['last']}, {moment(found['at'])}"),
                ("run", moment(found["run"]) if found["run"] else NOTHING),
                ("policy", found["policy"] or NOTHING),
                ("incidents", ", ".join(map(str, found["incidents"])) or NOTHING),
            )
        ),
        table(
            ("GUEST", "STATE", "BAND", "ROLES", "NARROWED"),
            (
                (
                    each["name"] or each["guest"],
                    each["state"],
                    each["band"] + (" (protected)" if each["protected"] else ""),
                    ", ".join(each["roles"]),
                    ", ".join(each["narrowed"]) or NOTHING,
                )
                for each in found["guests"]
            ),
        ),
        table(
            ("ORDER", "GUEST", "BY", "WHY"),
            (
                (
                    each["kind"],
                    names.get(each["guest"]) or each["guest"] or "all",
                    str(each["given"].get("by", NOTHING)),
                    str(each["given"].get("reason", NOTHING)),
                )
                for each in found["orders"]
            ),
        ),
        table(
            ("LABELS OF", "", "GIVEN HERE"),
            (
                (each["type"], each["id"], ", ".join(f"{k}={v}" for k, v in each["labels"].items()))
                for each in found["given"]
            ),
        ),
    )
