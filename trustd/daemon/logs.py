"""Structured log lines on standard error, or entries in the journal."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TextIO

import structlog

from trustd.config import LogFormat, LogSettings
from trustd.daemon.journal import Entries, goes_to_journal, render


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


class Libraries(logging.Handler):
    """Hands on what libraries log by the standard library, as an entry like trustd's own.

    Written by itself it could hang the loop where standard error does, and whatever it
    quotes could forge a line.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Log it."""
        try:
            said = record.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit: the library's mistake
            said = str(record.msg)
        # structlog knows no levels between the five
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger().log(
            level,
            "said by a library",
            library=record.name,
            said=said,
            exc_info=record.exc_info,
        )


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
    kind = settings.format
    if kind is LogFormat.AUTO:
        kind = LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
        if goes_to_journal(os.environ, sys.stderr):
            kind = LogFormat.JOURNAL
    # JSON escapes control characters, in an entry the length of each value stands before it,
    # and on a console each is shown as its repr: a guest's name cannot forge a line or move
    # the cursor
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if kind is LogFormat.CONSOLE:
        renderer = structlog.dev.ConsoleRenderer(repr_native_str=True)
    elif kind is LogFormat.JOURNAL:
        renderer = render
    journal = Entries(Lines(sys.stderr)) if kind is LogFormat.JOURNAL else None
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
        logger_factory=lambda *_: journal or Lines(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # of libraries only what needs somebody's attention
    logging.basicConfig(level=logging.WARNING, handlers=[Libraries()])
    logging.captureWarnings(capture=True)
    # a tick that is left out is counted and shown; the scheduler need not add to it
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
