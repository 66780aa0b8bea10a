"""``trustctl replay --since``: what a policy would have made of what the repository recorded."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from trustd.ctl.backtest_document import document_of
from trustd.ctl.backtest_table import plain, plain_each, shown
from trustd.ctl.session import ANSWER_IS_BAD, Session
from trustd.ctl.text import moment

if TYPE_CHECKING:
    from trustd.repository.recorded import Recorded


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know.

    Args:
        since, until: as they were typed.
        guests: names or UUIDs; none for all.
        each: whether every stretch is shown.
    """

    database: Path
    policy: Path
    since: str
    until: str | None
    guests: Sequence[str]
    each: bool


def backtest(session: Session, asked: Asked) -> None:
    """Go through recorded history, and show what was found; exits with 3 where it narrows more."""
    # the whole line is behind this: commands that only ask the daemon start without it
    from trustd.daemon.build import read_policy  # noqa: PLC0415
    from trustd.pipeline.backtest import Backtest  # noqa: PLC0415
    from trustd.plugins import discover  # noqa: PLC0415
    from trustd.repository.recorded import Recorded  # noqa: PLC0415

    now = time.time()
    since = _time(asked.since, now, "--since")
    until = now if asked.until is None else _time(asked.until, now, "--until")
    if since >= until:
        raise click.UsageError("--since must be before --until")
    policy = read_policy(asked.policy, discover())
    recorded = Recorded(asked.database)
    wanted = _wanted(recorded, asked.guests, until)
    course = Backtest(recorded, policy, since, until)
    with Progress(
        TextColumn("{task.fields[at]}"),
        BarColumn(),
        TimeRemainingColumn(),
        disable=session.output != "table" or not sys.stderr.isatty(),
        transient=True,
        console=session.messages,
    ) as progress:
        task = progress.add_task("", total=course.until - course.since, at="")
        for at in course.run():
            progress.update(task, completed=at - course.since, at=moment(at))
    document = document_of(course.report(), policy, asked.policy, wanted)
    rows = plain_each if asked.each else plain
    session.show(document, lambda: rows(document), lambda: shown(document, each=asked.each))
    if document["more"]:
        raise SystemExit(ANSWER_IS_BAD)


def _time(text: str, now: float, option: str) -> float:
    """A moment, or a span of time that counts back from now; epoch seconds."""
    from trustd.documents.scalars import parse_instant, parse_seconds  # noqa: PLC0415

    span = parse_seconds(text)
    at = parse_instant(text) if span is None else now - span
    if at is None:
        raise click.BadParameter(
            f"{text} is no time such as 2026-12-01T08:00:00Z, with its zone, or 30m, 24h, 30d ago",
            param_hint=option,
        )
    return at


def _wanted(recorded: Recorded, guests: Sequence[str], until: float) -> frozenset[str] | None:
    """The UUIDs of guests by any name that they had; None for all."""
    from trustd.repository import Past  # noqa: PLC0415

    past, found = Past(recorded), set()
    for key in guests:
        guest = past.named(key, until)
        if guest is None:
            raise click.BadParameter(
                f"no guest {key} was recorded in {recorded.path}", param_hint="--guest"
            )
        found.add(str(guest))
    return frozenset(found) or None
