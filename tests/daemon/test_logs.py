"""Log lines, whatever stands in them and wherever they go."""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from contextlib import suppress

import pytest
import structlog

from trustd.config import LogFormat, LogSettings
from trustd.daemon.logs import Lines, configure

HOSTILE = [
    'x"}\n{"event": "forged", "level": "info"}',
    "\x1b[2J\x1b[31mred\x07",
    "\u202eevil\u2028line\x85end\x00",
    "\udcff\ud800",
    "a" * 100_000,
]


@pytest.fixture
def _as_it_was():
    before = structlog.get_config()
    logging.captureWarnings(capture=False)  # a command that another test ran may have set it
    yield
    logging.captureWarnings(capture=False)
    structlog.configure(**before)


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_one_line_of_json(monkeypatch, name):
    """A guest's name, whatever is in it, is one value in one line of JSON."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    monkeypatch.setattr("sys.stderr", written)
    configure(LogSettings(format=LogFormat.JSON))
    structlog.get_logger().warning("guest seen", guest=name, names={name: [name]})
    written.flush()
    text = written.buffer.getvalue().decode("ascii")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    line = json.loads(text)
    assert line["guest"] == name
    assert line["event"] == "guest seen"


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_moves_no_cursor(monkeypatch, name):
    """On a terminal a guest's name brings no control character of its own and no further line."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    monkeypatch.setattr("sys.stderr", written)
    configure(LogSettings(format=LogFormat.CONSOLE))
    structlog.get_logger().warning("guest seen", guest=name)
    structlog.get_logger().error("failed", exc_info=ValueError(name.replace("\n", "")))
    written.flush()
    text = written.buffer.getvalue().decode("utf-8")
    assert text.splitlines()[0].endswith("\x1b[0m")
    assert text.count("guest seen") == 1
    assert "\x1b[2J" not in text
    assert not {"\x07", "\x00", "\u202e", "\u2028", "\x85"} & set(text)


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_library_says_is_an_entry_like_our_own(monkeypatch, text):
    """Whatever aiohttp, asyncio or the scheduler quote is a value in one line of JSON, with its
    level, its traceback and who said it; below a warning nothing is; a warning of Python's too."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setattr(logging.root, "handlers", [])
    configure(LogSettings(format=LogFormat.JSON))
    said = logging.getLogger("aiohttp.server")
    said.info("not worth it")
    said.error("Error handling %s", text, exc_info=ValueError("a cause"))
    said.warning("two %s %s", "of one")
    said.log(35, "between two levels")
    logging.getLogger("apscheduler.executors.default").warning("missed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(text.replace("\ud800", ""), RuntimeWarning, stacklevel=1)
    written.flush()
    lines = [json.loads(line) for line in written.buffer.getvalue().decode("ascii").splitlines()]
    assert [(each["library"], each["level"]) for each in lines] == [
        ("aiohttp.server", "error"),
        ("aiohttp.server", "warning"),
        ("aiohttp.server", "warning"),
        ("py.warnings", "warning"),
    ]
    assert lines[0]["said"] == f"Error handling {text}"
    assert "ValueError: a cause" in lines[0]["exception"]
    assert lines[1]["said"] == "two %s %s"


def test_log_that_cannot_be_written_fails_nothing():
    """A journal that went away, or a log that was closed, costs the line and nothing else."""
    reading, writing = os.pipe()
    os.close(reading)
    file = os.fdopen(writing, "w")
    Lines(file).msg("to nobody")
    with suppress(BrokenPipeError):
        file.close()
    Lines(file).msg("to a closed file")
