"""What a shell is told when somebody presses Tab; live, quick, and never an error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from trustd.ctl.connection import Connection, Document

PATIENCE = 0.5
"""Seconds for which somebody who pressed Tab is kept waiting."""
MOST = 1000
_TYPED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Names that every shell takes as one word that it does nothing with."""


def guests(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Guests by name; by UUID where a shell could make something else of the name.

    A name is the choice of whoever defined the guest, and a shell inserts it as it is.
    """
    words = []
    for guest in _asked(ctx, {"limit": MOST, "sort": "name"}).get("guests", []):
        name, band = str(guest["name"]), str(guest["band"])
        typed = _TYPED.fullmatch(name) is not None
        word = name if typed else str(guest["id"])
        if word.startswith(begun):
            words.append(CompletionItem(word, help=band if _TYPED.fullmatch(band) else None))
    return words


def bands(ctx: click.Context, _param: click.Parameter, begun: str) -> Sequence[str]:
    """The bands of the policy in force, best first."""
    found = _asked(ctx, {"limit": 1}).get("bands", [])
    return [band for band in found if band.startswith(begun) and _TYPED.fullmatch(band)]


def _asked(ctx: click.Context, query: Document) -> Document:
    from trustd.ctl.session import DEFAULT_SOCKET  # noqa: PLC0415 - it completes options with bands

    path = ctx.params.get("socket") or ctx.find_root().params.get("socket") or DEFAULT_SOCKET
    try:
        return Connection(Path(path), patience=PATIENCE).get("/v1/guests", query)
    except (click.ClickException, ValueError):
        # nothing to offer; the command itself says what is wrong
        return {}
