"""What the commands that give orders have in common: their options, and what they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from trustd.ctl.connection import Document
from trustd.ctl.session import Session
from trustd.ctl.tables import cell, pairs, table
from trustd.ctl.text import NOTHING, duration, setting

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def seconds_of(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """A duration such as 90s, 30m, 1h30m or 7d, as click's callback."""
    if value is None:
        return None
    from trustd.documents.scalars import parse_seconds  # noqa: PLC0415 - it takes its time to load

    seconds = parse_seconds(value)
    if not seconds:
        raise click.BadParameter(f"{value} is no duration such as 90s, 30m, 1h30m or 7d")
    return seconds


def lasting(*, needed: bool) -> Decorator:
    """The option ``--for``, in seconds."""
    return click.option(
        "--for",
        "seconds",
        metavar="DURATION",
        required=needed,
        callback=seconds_of,
        help="How long: 90s, 30m, 1h30m, 7d.",
    )


def reasoned(*, needed: bool) -> Decorator:
    """The option ``--reason``."""
    return click.option(
        "--reason",
        metavar="TEXT",
        required=needed,
        help="Why, for the journal and for whoever asks.",
    )


def dry_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--dry-run``."""
    option = click.option(
        "--dry-run", is_flag=True, help="Change nothing, and say what would change."
    )
    return option(command)


def given(value: str | float | None, option: str) -> str | float:
    """What an option has, which is needed here.

    Raises:
        UsageError: it is missing.
    """
    if value is None:
        raise click.UsageError(f"{option} is needed")
    return value


def taken(session: Session, path: str, reason: str, *, dry: bool, guest: str = "") -> Document:
    """Take an order back."""
    query = {"reason": reason, "dry_run": "true" if dry else "false"}
    return session.connection.delete(path, query | ({"guest": guest} if guest else {}))


def show_order(session: Session, document: Document) -> None:
    """Show what an order changed."""
    session.show(document, lambda: _plain(document), lambda: _shown(document, time.time()))


def bounded(override: Document | None) -> str:
    """An override in a few words.

    >>> bounded({"bound": "at-least", "band": "trusted"})
    'at-least trusted'
    """
    return NOTHING if override is None else f"{override['bound']} {override['band']}"


def by_whom(order: Document, now: float) -> str:
    """Until when an order holds, by whom and why.

    >>> by_whom({"until": 160.0, "by": "ada", "reason": "a test"}, 100.0)
    'for 60 s more, by ada: a test'
    """
    left = "until it is taken back"
    if order["until"] is not None:
        left = f"for {duration(order['until'] - now)} more"
    return f"{left}, by {order['by']}: {order['reason']}"


def pause_line(pause: Document | None, now: float) -> Text | None:
    """What stands above everything while enforcement is paused; None while it is not."""
    if pause is None:
        return None
    how = "what is narrowed is kept" if pause["keep"] else "everything is given back"
    return cell(f"PAUSED, {how}: {by_whom(pause, now)}", "bold red")


def _shown(order: Document, now: float) -> RenderableType:
    act = f"{order['kind']} {order['act']}"
    if order["act"] == "nothing":
        act = f"{order['kind']}: there is nothing to do"
    head = cell(f"{act}, NOT DONE: a dry run" if order["dry_run"] else act, "bold")
    parts: list[RenderableType] = [head]
    if order["until"] is not None and order["act"] == "given":
        parts.append(Text(f"for {duration(order['until'] - now)}"))
    parts += [Padding(pairs(_effect(effect)), (1, 0, 0, 0)) for effect in order["effects"]]
    if not order["effects"] and order["act"] != "nothing":
        parts.append(Text("no guest is any different for it now"))
    return Group(*parts)


def _effect(effect: Document) -> Iterator[tuple[str, str | Text]]:
    yield "guest", effect["name"]
    yield "band", _from_to(effect["band"])
    yield "mode", _from_to(effect["mode"])
    for name, style in (("gained", "green"), ("lost", "red")):
        for each in effect[name]:
            yield name, cell(f"{' '.join(each['actions'])} on {each['type']} {each['id']}", style)
    for name in ("applied", "restored", "would"):
        for each in effect[name]:
            label = "would apply" if name == "would" else name
            device = f" {each['device']}" if each["device"] else ""
            yield label, f"{each['lever']}{device} {setting(each['setting'])}"


def _from_to(pair: Sequence[str]) -> str:
    before, after = pair
    return before if before == after else f"{before} -> {after}"


def _plain(order: Document) -> Iterator[Sequence[str]]:
    yield order["kind"], order["act"], "dry-run" if order["dry_run"] else "done"
    yield "until", NOTHING if order["until"] is None else str(order["until"])
    for effect in order["effects"]:
        yield "guest", effect["guest"], effect["name"]
        yield "band", effect["guest"], *effect["band"]
        yield "mode", effect["guest"], *effect["mode"]
        for name in ("gained", "lost"):
            for each in effect[name]:
                yield name, effect["guest"], each["type"], each["id"], ",".join(each["actions"])
        for name in ("applied", "restored", "would"):
            for each in effect[name]:
                yield name, effect["guest"], each["lever"], each["device"], setting(each["setting"])


def listed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """Orders for people, or that there are none."""
    return table(columns, rows) if rows else Text("none")
