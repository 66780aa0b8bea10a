"""``trustctl top``: the least trusted guests, as they change."""

from __future__ import annotations

import os
import queue
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from trustd.ctl.connection import Connection, Declined, Document, Unreachable
from trustd.ctl.guests import SORTS, guest_table, plain_row
from trustd.ctl.ordering import pause_line
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import cell
from trustd.ctl.text import harmless

_KEYS = {sort[0]: sort for sort in SORTS}
_RETRY = 1.0
_BLINK = 0.2
_FRAME = 7
"""Lines of the screen that are not guests."""


@dataclass(frozen=True, slots=True)
class _View:
    """What is on the screen."""

    sort: str
    reverse: bool
    document: Document | None = None
    trouble: str = ""

    @property
    def order(self) -> str:
        return f"-{self.sort}" if self.reverse else self.sort


@click.command()
@click.option("--sort", type=click.Choice(SORTS), default="trust", show_default=True)
@click.option("--reverse", is_flag=True, help="Turn the order round.")
@click.option("--ticks", type=click.IntRange(min=1), help="End after so many ticks.")
@with_session
def command(session: Session, *, sort: str, reverse: bool, ticks: int | None) -> None:
    """Follow the guests tick by tick.

    On a terminal the keys t, u, n, a and s sort by trust, uncertainty, name, age
    and since; r turns the order round; q ends. Elsewhere every tick is a block of
    lines, with an empty line after it.
    """
    view = _View(sort, reverse)
    if session.output == "table" and sys.stdin.isatty() and sys.stdout.isatty():
        _screen(session, view, ticks)
    else:
        _blocks(session, view, ticks)


def _blocks(session: Session, view: _View, ticks: int | None) -> None:
    """Every tick as a block."""
    for count, _ in enumerate(_ticks(session.connection), start=1):
        _block(session, session.connection.guests({"sort": view.order}))
        if count == ticks:
            return
    raise Unreachable("trustd ended the stream: it is stopping or restarting")


def _block(session: Session, document: Document) -> None:
    session.show(
        document,
        lambda: (plain_row(guest) for guest in document["guests"]),
        lambda: guest_table(document, time.time()),
    )
    click.echo()


def _ticks(connection: Connection) -> Iterator[str]:
    """The identity of each tick's event; whatever else comes makes no difference."""
    return (event.id for event in connection.events() if event.kind == "tick")


def _screen(session: Session, view: _View, ticks: int | None) -> None:
    """The terminal as one table, until a key or a number of ticks ends it."""
    news: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(session.connection, news), daemon=True).start()
    console, seen = session.console, 0
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while ticks is None or seen < ticks:
            before = view
            while not news.empty():
                view = replace(view, trouble=news.get(), document=None)
                seen += not view.trouble
            key = pressed()
            if key == "q":
                return
            if key == "r":
                view = replace(view, reverse=not view.reverse, document=None)
            elif key in _KEYS:
                view = replace(view, sort=_KEYS[key], reverse=False, document=None)
            if view is not before:
                view = _filled(session.connection, view, before, console.height - _FRAME)
                live.update(_frame(view), refresh=True)


def _listen(connection: Connection, news: queue.SimpleQueue[str]) -> None:
    """Say "" at every tick, and what is wrong while there is none; never ends."""
    while True:
        try:
            for _ in _ticks(connection):
                news.put("")
            news.put("trustd ended the stream: it is stopping or restarting")
        except click.ClickException as error:
            news.put(error.message)
        time.sleep(_RETRY)


def _filled(connection: Connection, view: _View, before: _View, rows: int) -> _View:
    """The view with its guests; with the former ones while trustd does not answer."""
    try:
        query = {"sort": view.order, "limit": max(rows, 1)}
        return replace(view, document=connection.get("/v1/guests", query))
    except (Unreachable, Declined) as error:
        return replace(view, document=before.document, trouble=view.trouble or error.message)


def _frame(view: _View) -> RenderableType:
    keys = Text(
        "t trust  u uncertainty  n name  a age  s since  r reverse  q quit", style="bright_black"
    )
    if view.document is None:
        return Group(cell(view.trouble or "waiting for the first tick", "bold red"), keys)
    document = view.document
    head = Text(
        f"tick {document['tick']}  {document['total']} guests  mode {harmless(document['mode'])}"
        f"  by {view.order}"
    )
    if view.trouble:
        head.append(f"  OLD: {harmless(view.trouble)}", style="bold red")
    now = time.time()
    paused = pause_line(document["pause"], now)
    above = [head] if paused is None else [head, paused]
    return Group(*above, guest_table(document, now), keys)


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Single keys from the terminal, which is put back as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed() -> str:
        """The next key; "" where none comes in a moment."""
        ready, _, _ = select.select([descriptor], [], [], _BLINK)
        if not ready:
            return ""
        # The end of the terminal is the end of the screen.
        return os.read(descriptor, 1).decode("ascii", "replace") or "q"

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
