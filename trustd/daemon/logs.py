"""Structured log lines on standard error."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TextIO

import structlog

from trustd.config import LogFormat, LogSettings


class Lines:
    """Writes log lines, and never fails: a journal that is down ends no tick.

    Args:
        file: where they go.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        """Write one line at once."""
        # nobody is left who could be told why it cannot be written
        with self._lock, suppress(OSError, ValueError):
            self._file.write(f"{_encodable(line)}\n")
            self._file.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = msg


def _harmless(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """A traceback, whose messages may quote a guest, without control characters."""
    trace = event.get("exception")
    if isinstance(trace, str):
        event["exception"] = "".join(
            each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in trace
        )
    return event


def _encodable(line: str) -> str:
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def configure(settings: LogSettings) -> None:
    """Set the level and the look of every log line of this process."""
    console = settings.format is LogFormat.CONSOLE or (
        settings.format is LogFormat.AUTO and sys.stderr.isatty()
    )
    # JSON escapes control characters; on a console each value is shown as its repr,
    # so a guest's name cannot move the cursor either
    renderer = (
        structlog.dev.ConsoleRenderer(repr_native_str=True)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _harmless,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        logger_factory=lambda *_: Lines(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # libraries log by the standard library: only what needs somebody's attention
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    # a tick that is left out is counted and shown; the scheduler need not add to it
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
