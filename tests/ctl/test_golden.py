"""What each command shows of what a real daemon answered once, word for word.

``python -m tests.ctl.golden --show`` writes it anew: read the difference before it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ctl.golden import ANSWERS, COMMANDS, FOLDER, FORMS, frozen, played, shown
from trustd.ctl import COMMANDS as EVERY

KEPT = json.loads(ANSWERS.read_text("utf-8"))
ELSEWHERE = {"audit", "backup", "evidence", "gate", "notify", "policy", "replay", "restore"}
"""Commands with parts that need files, change the host, or ask no daemon."""

OF_PARTS = {"audit-show", "audit-verify", "exceptions"}
"""Commands that show a part of an answer, or what they made of several."""


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("played") / "trustd.sock"
    with frozen(KEPT["now"]), played(KEPT["answers"], path):
        yield path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", COMMANDS)
def test_command_shows_what_it_showed(socket: Path, name: str, form: str) -> None:
    """Each command, for people and for programs, shows the recorded answers as it did."""
    expected = (FOLDER / f"{name}.{form}.txt").read_text("utf-8")
    assert shown(socket, COMMANDS[name], form) == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_what_the_daemon_answered(socket: Path, name: str) -> None:
    """With -o json a script has the daemon's document and nothing of trustctl's own."""
    text = shown(socket, COMMANDS[name], "json")
    if not text.startswith(("{", "[")):
        assert "[exit code" in text
        return
    document = json.loads(text.partition("\n[exit code")[0])
    answers = [each["document"] for each in KEPT["answers"].values()]
    assert document in answers or name in OF_PARTS


def test_every_command_is_here() -> None:
    """A command that is new has its golden outputs, and no file is left over."""
    asked = {arguments[0] for arguments in COMMANDS.values()}
    assert EVERY.keys() - asked - ELSEWHERE <= {"support-dump", "top"}, "which write no answer"
    files = {f"{name}.{form}.txt" for name in COMMANDS for form in FORMS}
    assert {path.name for path in FOLDER.iterdir()} == files | {ANSWERS.name}
