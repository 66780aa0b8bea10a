"""Times that somebody types."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click


def passed(text: str) -> str:
    """A time for the daemon, which reads ISO 8601; a span of time counts back from now."""
    # what reads spans of time takes its time to load, and is seldom needed
    from trustd.documents.scalars import parse_seconds  # noqa: PLC0415

    span = parse_seconds(text)
    return text if span is None else str(time.time() - span)


def instant(text: str) -> float:
    """A time as epoch seconds."""
    from trustd.documents.scalars import parse_instant  # noqa: PLC0415 - as above

    found = passed(text)
    at = parse_instant(found)
    try:
        return float(found) if at is None else at
    except ValueError:
        raise click.UsageError(
            f"{text!r} is no time: give 2026-12-01T08:00:00Z, with its zone, or 3h"
        ) from None


def at_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--at``."""
    option = click.option(
        "--at",
        metavar="TIME",
        help="As it was then: 2026-12-01T08:00:00Z, with its zone; or 10m, 2h30m, 3d ago.",
    )
    return option(command)
