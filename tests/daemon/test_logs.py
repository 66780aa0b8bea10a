"""Log lines, whatever stands in them and wherever they go."""

from __future__ import annotations

import io
import json
import os
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
    yield
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


def test_log_that_cannot_be_written_fails_nothing():
    """A journal that went away, or a log that was closed, costs the line and nothing else."""
    reading, writing = os.pipe()
    os.close(reading)
    file = os.fdopen(writing, "w")
    Lines(file).msg("to nobody")
    with suppress(BrokenPipeError):
        file.close()
    Lines(file).msg("to a closed file")
