"""``trustctl guests``: every guest, the least trusted first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trustd.ctl.completing import bands
from trustd.ctl.connection import Document
from trustd.ctl.ordering import pause_line
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session
from trustd.ctl.tables import band_style, cell, freshness_style, table
from trustd.ctl.text import NOTHING, duration, ratio

COLUMNS = ("GUEST", ">TRUST", ">UNCERT", "BAND", ">SINCE", ">AGE", "STATE", "DRIVERS", "RESTRICTED")
SORTS = ("trust", "uncertainty", "name", "age", "since")


@click.command()
@click.option(
    "--band",
    multiple=True,
    shell_complete=bands,
    help="Only guests in this band; may be repeated.",
)
@click.option("--label", multiple=True, metavar="KEY[:VALUE]", help="Only guests with this label.")
@click.option("--role", multiple=True, help="Only guests in this role; may be repeated.")
@click.option("--sort", type=click.Choice(SORTS), default="trust", show_default=True)
@click.option("--reverse", is_flag=True, help="Turn the order round.")
@click.option(
    "--require",
    metavar="BAND",
    shell_complete=bands,
    help="Exit with 3 where a guest that is shown is in a lower band than this.",
)
@with_session
def command(
    session: Session,
    *,
    band: Sequence[str],
    label: Sequence[str],
    role: Sequence[str],
    sort: str,
    reverse: bool,
    require: str | None,
) -> None:
    """List the guests, the least trusted first, with what made them so."""
    asked = {"band": band, "label": label, "role": role, "sort": f"{'-' if reverse else ''}{sort}"}
    document = session.connection.guests(asked)
    bands = document["bands"]
    if require is not None and require not in bands:
        raise click.BadParameter(f"known bands are {', '.join(bands)}", param_hint="--require")
    session.show(
        document,
        lambda: (plain_row(guest) for guest in document["guests"]),
        lambda: guest_view(document, time.time()),
    )
    if require is not None:
        low = bands[bands.index(require) + 1 :]
        if any(guest["band"] in low for guest in document["guests"]):
            raise SystemExit(ANSWER_IS_BAD)


def guest_view(document: Document, now: float) -> RenderableType:
    """Guests for people, under what concerns all of them."""
    guests, paused = guest_table(document, now), pause_line(document["pause"], now)
    return guests if paused is None else Group(paused, guests)


def guest_table(document: Document, now: float) -> Table:
    """Guests for people.

    Args:
        now: epoch seconds.
    """
    return table(COLUMNS, (_row(guest, document["bands"], now) for guest in document["guests"]))


def plain_row(guest: Document) -> Sequence[str]:
    """A guest for programs: exact numbers, and epoch seconds."""
    return (
        guest["id"],
        guest["name"],
        _exact(guest["trust"]),
        _exact(guest["uncertainty"]),
        guest["band"],
        _exact(guest["since"]),
        guest["freshness"],
        _exact(guest["age"]),
        guest["state"],
        ",".join(driver["name"] for driver in guest["drivers"]) or NOTHING,
        restricted(guest),
    )


def restricted(guest: Document) -> str:
    """What narrows the guest; what only would says so.

    >>> restricted({"restricted": ["cpu-quota"], "mode": "observe"})
    'would: cpu-quota'
    """
    levers = ",".join(guest["restricted"])
    if not levers:
        return NOTHING
    return f"would: {levers}" if guest["mode"] == "observe" else levers


def _row(guest: Document, bands: Sequence[str], now: float) -> Iterator[str | Text]:
    style = band_style(guest["band"], bands)
    fresh = guest["freshness"]
    yield guest["name"]
    yield cell(ratio(guest["trust"]), style)
    yield ratio(guest["uncertainty"])
    yield cell(guest["band"], style)
    yield duration(None if guest["since"] is None else now - guest["since"])
    yield cell(duration(guest["age"]), freshness_style(fresh))
    yield cell(
        guest["state"] if fresh == "fresh" else f"{guest['state']}, {fresh}", freshness_style(fresh)
    )
    yield ", ".join(driver["name"] for driver in guest["drivers"][:3]) or NOTHING
    yield restricted(guest)


def _exact(value: Any) -> str:  # noqa: ANN401 - a JSON number or null
    return NOTHING if value is None else str(value)
