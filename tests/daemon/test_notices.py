"""A whole daemon tells its receivers, over kill -9 too, and trustctl shows and tries them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.decisions.running import Running
from tests.notify.conftest import Listener, black_hole, listener, until

pytestmark = pytest.mark.slow

__all__ = ["black_hole", "listener"]  # fixtures

POLICY = Path(__file__).parents[1] / "decisions/dialects.yaml"


def test_a_daemon_tells_once_over_kills_and_broken_receivers(
    tmp_path: Path, listener: Listener, black_hole: str
) -> None:
    """The lost hypervisor is told once, ticks go on, and nothing is told again after kill -9."""
    receivers = [
        {"name": "hook", "kind": "webhook", "url": listener.url},
        {"name": "hole", "kind": "webhook", "url": black_hole, "timeout": "1s"},
    ]
    running = Running(tmp_path, POLICY.read_text(), notify={"receivers": receivers})
    running.start()
    try:
        until(lambda: len(listener.sent) == 1)
        event = json.loads(listener.sent[0][1])
        assert (event["subject"], event["type"]) == ("hypervisor", "org.trustd.notice.begun")

        def stored() -> bool:
            with closing(sqlite3.connect(tmp_path / "state/trustd.db")) as connection:
                rows = connection.execute("SELECT receiver FROM notice_told").fetchall()
            return rows == [("hook",)]

        # what was told a moment before a kill is told again: nothing waits for the disk
        until(stored)
        for _ in range(2):
            running.kill()
            running.start()
            tick = running.get("/v1/status")["tick"]
            until(lambda: running.get("/v1/status")["tick"] > tick + 2)  # noqa: B023 - read at once
        assert len(listener.sent) == 1

        until(lambda: "1 s" in running.get("/v1/notices")["receivers"][1]["error"])
        listed = running.trustctl("notify", "list", "-o", "plain")
        assert listed.returncode == 3
        assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["hook", "hole"]

        tried = running.trustctl("notify", "test", "hook", "-o", "plain")
        assert (tried.returncode, tried.stdout) == (0, "hook\ttold\t-\n")
        states = [json.loads(body)["data"]["state"] for _, body in listener.sent[1:]]
        assert states == ["begun", "ended"]
        assert running.trustctl("notify", "test", "-o", "plain").returncode == 3
        assert running.trustctl("notify", "test", "nobody").returncode == 1

        assert running.tcp().send("GET", "/v1/notices").status == 403
        asked = running.tcp().send("POST", "/v1/notices/test", b'{"receiver": "hook"}')
        assert asked.status == 403
    finally:
        running.stop()
