"""Structured log lines on standard error."""

from __future__ import annotations

import logging
import sys

import structlog

from trustd.config import LogFormat, LogSettings


def configure(settings: LogSettings) -> None:
    """Set the level and the look of every log line of this process."""
    console = settings.format is LogFormat.CONSOLE or (
        settings.format is LogFormat.AUTO and sys.stderr.isatty()
    )
    # JSON escapes control characters; the console's renderer prints a repr of
    # each value, so a guest's name cannot move the cursor either
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # libraries log by the standard library: only what needs somebody's attention
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    # a tick that is left out is counted and shown; the scheduler need not add to it
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
