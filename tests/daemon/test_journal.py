"""Log entries for systemd's journal, and the catalog that explains them."""

from __future__ import annotations

import io
import logging
import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from tests.daemon.test_logs import HOSTILE
from trustd.config import LogFormat, LogSettings
from trustd.daemon.journal import Entries, goes_to_journal, render
from trustd.daemon.logs import configure
from trustd.daemon.message_ids import MESSAGE_IDS
from trustd.notify.journald import MESSAGE_ID

CATALOG = Path(__file__).parents[2] / "contrib/systemd/trustd.catalog"
SOURCES = Path(__file__).parents[2] / "trustd"


def fields(entry):
    """An entry's fields, read as journald does."""
    found = {}
    while entry:
        name, _, rest = entry.partition(b"\n")
        length = int.from_bytes(rest[:8], "little")
        found[name.decode()] = rest[8 : 8 + length].decode()
        assert rest[8 + length : 9 + length] == b"\n"
        entry = rest[9 + length :]
    return found


def rendered(**event):
    (message, entry), _ = render(None, "", {"level": "info", **event})
    return message, fields(entry)


@pytest.fixture
def journal(tmp_path):
    """A journal's socket."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        listener.bind(str(path))
        yield path, listener


class Kept:
    def __init__(self):
        self.lines = []

    def msg(self, line):
        self.lines.append(line)


def test_every_value_is_a_field():
    """Each value of an entry is a field of its own, with the number of its kind of message."""
    message, found = rendered(event="listening", socket="/run/x", tcp=["::1", 9747], level="error")
    assert found == {
        "MESSAGE": message,
        "MESSAGE_ID": MESSAGE_IDS["listening"],
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "trustd",
        "TRUSTD_EVENT": "listening",
        "TRUSTD_SOCKET": "/run/x",
        "TRUSTD_TCP": '["::1", 9747]',
    }
    assert message == 'listening: socket=/run/x tcp="[\\"::1\\", 9747]"'


@pytest.mark.parametrize("name", [*HOSTILE, "x\nMESSAGE_ID=1", "a\nTRUSTD_EVENT\nb"])
def test_hostile_name_forges_no_field(name):
    """Whatever a guest is called, that is one field, and one line of the message."""
    message, found = rendered(event="guest seen", guest=name)
    assert found["TRUSTD_GUEST"] == name.encode("utf-8", "replace").decode()
    assert found["TRUSTD_EVENT"] == "guest seen"
    assert "MESSAGE_ID" not in found
    assert message.isprintable()


def test_entry_of_any_length_arrives(journal):
    """What no datagram holds comes as a file that is sealed, as the journal's protocol has it."""
    path, listener = journal
    kept = Kept()
    entries = Entries(kept, path)
    entries.msg("short", b"A\n")
    assert listener.recv(100) == b"A\n"
    entries.msg("long", b"x" * 10_000_000)
    data, (file,), _, _ = socket.recv_fds(listener, 100, 1)
    try:
        assert data == b""
        assert os.pread(file, 10_000_001, 0) == b"x" * 10_000_000
        with pytest.raises(PermissionError):
            os.pwrite(file, b"y", 0)
    finally:
        os.close(file)
    assert kept.lines == []


def test_where_there_is_no_journal_the_text_is_a_line(tmp_path):
    """Nothing is lost because nobody takes entries."""
    kept = Kept()
    Entries(kept, tmp_path / "none").msg("nobody", b"A\n")
    assert kept.lines == ["nobody"]


def test_a_journal_that_hangs_holds_nobody_up(journal, monkeypatch):
    """While its queue is full entries are dropped, after one short wait without any, and nothing
    is written to standard error, which it would hang too; then it is told how many there were."""
    path, listener = journal
    kept, waits = Kept(), []
    real = socket.socket.settimeout

    def settimeout(self, seconds):
        waits.append(seconds)
        real(self, seconds)

    entries = Entries(kept, path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as somebody:
        somebody.setblocking(False)  # any local user may write there
        queued = 0
        with suppress(BlockingIOError):
            while True:
                somebody.sendto(b"B\n", str(path))
                queued += 1
        monkeypatch.setattr(socket.socket, "settimeout", settimeout)
        for _ in range(50):
            entries.msg("dropped", b"A\n")
        monkeypatch.undo()
        assert 0 < waits[0] <= 0.1
        assert set(waits[1:]) == {0.0}
        for _ in range(queued):
            assert listener.recv(100) == b"B\n"
    entries.msg("again", b"C\n")
    assert listener.recv(100) == b"C\n"
    assert fields(listener.recv(1000))["TRUSTD_DROPPED"] == "50"
    entries.msg("again", b"D\n")
    assert listener.recv(100) == b"D\n"
    assert kept.lines == []


def test_a_journal_that_died_is_not_written_to_by_its_stream(tmp_path):
    """Nobody listens behind the socket: entries are dropped, and told when somebody does again."""
    path, kept = tmp_path / "socket", Kept()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
    entries = Entries(kept, path)
    entries.msg("dropped", b"A\n")
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        listener.bind(str(path))
        entries.msg("again", b"C\n")
        assert listener.recv(100) == b"C\n"
        assert fields(listener.recv(1000))["TRUSTD_DROPPED"] == "1"
    assert kept.lines == []


def test_journal_is_found_by_what_standard_error_is(tmp_path):
    """Entries go to the journal where standard error is connected to it, and only there."""
    with (tmp_path / "file").open("w") as file:
        about = os.fstat(file.fileno())
        own = f"{about.st_dev}:{about.st_ino}"
        assert goes_to_journal({"JOURNAL_STREAM": own}, file)
        assert not goes_to_journal({"JOURNAL_STREAM": "1:1"}, file)
        assert not goes_to_journal({}, file)
    assert not goes_to_journal({"JOURNAL_STREAM": "1:1"}, io.StringIO())


def test_log_goes_to_the_journal(journal, monkeypatch):
    """With the format journal, what is logged arrives as an entry, a traceback with it."""
    path, listener = journal
    monkeypatch.setattr("trustd.daemon.logs.Entries", lambda lines: Entries(lines, path))
    before = structlog.get_config()
    try:
        configure(LogSettings(format=LogFormat.JOURNAL))
        structlog.get_logger().error("failed", job="tick", exc_info=ValueError("\x1b[2J"))
    finally:
        logging.captureWarnings(capture=False)
        structlog.configure(**before)
    found = fields(listener.recv(100_000))
    assert found["TRUSTD_JOB"] == "tick"
    assert found["PRIORITY"] == "3"
    assert "ValueError" in found["MESSAGE"]
    assert "\x1b" not in found["MESSAGE"]


def test_a_library_is_not_held_up_either(journal, monkeypatch, capfd):
    """What libraries log is an entry too, and while the journal hangs it is dropped: the loop in
    which they log stands still at no line of theirs."""
    path, listener = journal
    monkeypatch.setattr("trustd.daemon.logs.Entries", lambda lines: Entries(lines, path))
    monkeypatch.setattr(logging.root, "handlers", [])
    before = structlog.get_config()
    try:
        configure(LogSettings(format=LogFormat.JOURNAL))
        said = logging.getLogger("asyncio")
        said.error("Task exception was never retrieved")
        found = fields(listener.recv(10_000))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as somebody:
            somebody.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    somebody.sendto(b"B\n", str(path))
        begun = time.monotonic()
        for _ in range(50):
            said.error("into a journal that hangs")
        assert time.monotonic() - begun < 20.0
    finally:
        logging.captureWarnings(capture=False)
        structlog.configure(**before)
    assert found["TRUSTD_LIBRARY"] == "asyncio"
    assert found["TRUSTD_SAID"] == "Task exception was never retrieved"
    assert found["PRIORITY"] == "3"
    assert capfd.readouterr().err == ""


def test_catalog_knows_every_message_and_no_other():
    """Each number of a message has its entry in the catalog, with a subject and a text."""
    text = CATALOG.read_text("utf-8")
    entry = r"^-- ([0-9a-f]{32})\nSubject: .+\nDefined-By: trustd\n\n.+"
    found = re.findall(entry, text, re.MULTILINE)
    assert len(found) == text.count("\n-- ")
    assert sorted(found) == sorted({*MESSAGE_IDS.values(), MESSAGE_ID})


def test_every_numbered_message_is_logged():
    """No number is for a message that is never written."""
    source = "".join(
        path.read_text("utf-8") for path in SOURCES.rglob("*.py") if path.name != "message_ids.py"
    )
    assert [name for name in MESSAGE_IDS if f'"{name}"' not in source] == []
