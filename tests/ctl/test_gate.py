"""``trustctl gate``, run by root: it starts and stops the gate that was asked for, and no other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.ctl.golden import key, played
from trustd.ctl import main

GUEST = "b1946ac9-2492-4d23-8476-5e7f0a9c3d11"
UNIT = f"trustd-gate@{GUEST}-vda.service"


def ran(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, **named: Any
) -> tuple[int, str, list[list[str]]]:
    """Exit code, output and what was run, where the daemon names this gate."""
    path = {"add": "/v1/gates", "remove": "/v1/gates/remove"}[what]
    gate = {"id": f"{GUEST}-vda", "guest": GUEST, "volume": "/x", "unit": UNIT, **named}
    answers: list[Any] = [
        {"gate": gate, "done": done, "before": "", "after": ""} for done in (False, True)
    ]
    commands: list[list[str]] = []
    body = b'{"guest": "web", "target": "vda", "dry_run": false}'
    known = {
        key("POST", path, body): {
            "status": 200,
            "type": "application/json",
            "document": answers[0],
        }
    }

    def run(words: list[str], **_: object) -> None:
        commands.append(words)
        known[key("POST", path, body)]["document"] = answers[1]

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    socket = tmp_path / "trustd.sock"
    with played(known, socket):
        done = CliRunner().invoke(main, ["--socket", str(socket), "gate", what, "web", "vda"])
    return done.exit_code, done.output, commands


@pytest.mark.parametrize(("what", "verb"), [("add", "enable"), ("remove", "disable")])
def test_root_touches_the_unit_of_the_gate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, verb: str
) -> None:
    """The unit is made of the guest's UUID and the target, behind a `--`."""
    code, output, commands = ran(monkeypatch, tmp_path, what)
    assert code == 0, output
    assert commands == [["systemctl", verb, "--now", "--", UNIT]]


@pytest.mark.parametrize(
    "named",
    [
        {"unit": "sshd.service"},
        {"unit": "--force"},
        {"unit": UNIT.replace("vda", "vdb")},
        {"unit": "\x1b]0;owned\x07"},
        {"unit": "trustd-gate@../../x-vda.service", "guest": "../../x"},
        {"unit": "trustd-gate@--x-vda.service", "guest": "--x"},
    ],
    ids=["another", "option", "disk", "escape", "path", "no UUID"],
)
@pytest.mark.parametrize("what", ["add", "remove"])
def test_root_runs_nothing_on_another_unit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, named: dict[str, str]
) -> None:
    """A daemon that names any other unit is refused, in words that are shown harmlessly."""
    code, output, commands = ran(monkeypatch, tmp_path, what, **named)
    assert (code, commands) == (1, [])
    assert "trustd names" in output
    assert "\x1b" not in output
