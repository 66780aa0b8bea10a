"""Debian's own Alertmanager receives, deduplicates and resolves what trustd tells."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notify.conftest import HOSTILE, UUID, Listener, notice, until
from trustd.model import Severity
from trustd.notify import Alertmanager, Declined, Dispatcher, Endpoint, Receiver
from trustd.repository import Database, NoticeStore

pytestmark = pytest.mark.slow

CONFIG = """
route: {{receiver: on, group_by: [key, host], group_wait: 0s, group_interval: 1s,
  repeat_interval: 1h}}
receivers: [{{name: "on", webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


def asked(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - of this test
        body: bytes = answer.read()
    return body


@pytest.fixture
def alertmanager(tmp_path: Path, listener: Listener) -> Iterator[str]:
    """The address of an Alertmanager that tells the listener."""
    program = shutil.which("prometheus-alertmanager")
    assert program, "install the Debian package prometheus-alertmanager"
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG.format(url=listener.url).replace("receiver: on", 'receiver: "on"'))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (tmp_path / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return asked(f"{url}/-/ready") == b"OK"
        except OSError:
            return False

    try:
        until(ready)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def active(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(asked(f"{url}/api/v2/alerts?active=true"))
    return found


def test_it_receives_deduplicates_and_resolves(
    alertmanager: str, listener: Listener, database: Database
) -> None:
    """A fall is one alert however often it is told, gets graver as one, and is resolved."""
    channel = Alertmanager(Endpoint(alertmanager, 5), "host-1")
    channel.renew = 0.2
    dispatcher = Dispatcher([Receiver("am", "alertmanager", channel)], NoticeStore(database))
    dispatcher.start()
    starts = time.time()
    dispatcher.begin(notice(starts=starts))
    until(lambda: len(active(alertmanager)) == 1)
    (alert,) = active(alertmanager)
    assert alert["labels"]["guest"] == UUID
    assert alert["labels"]["severity"] == "warning"
    assert alert["annotations"]["mode"] == "observe"
    assert alert["annotations"]["recommended"] == "Look at it."
    first = alert["updatedAt"]
    until(lambda: active(alertmanager)[0]["updatedAt"] != first)  # told again
    assert len(active(alertmanager)) == 1
    until(lambda: len(listener.sent) == 1)

    dispatcher.begin(notice(starts=starts, severity=Severity.CRITICAL))
    until(lambda: [each["labels"]["severity"] for each in active(alertmanager)] == ["critical"])
    dispatcher.end(notice().key, time.time())
    until(lambda: active(alertmanager) == [])
    until(lambda: json.loads(listener.sent[-1][1])["status"] == "resolved")
    dispatcher.close()
    told = [
        {(each["labels"]["severity"], each["status"]) for each in json.loads(body)["alerts"]}
        for _, body in listener.sent
    ]
    assert told[0] == {("warning", "firing")}
    assert ("critical", "resolved") in told[-1]
    assert ("info", "firing") not in set().union(*told)


def test_hostile_names_are_taken(alertmanager: str) -> None:
    """An alert about a guest with a hostile name is an alert like any other."""
    channel = Alertmanager(Endpoint(alertmanager, 5), "host-1")
    dispatcher_sees = notice(name=HOSTILE.encode("utf-8", "replace").decode(), starts=time.time())
    channel.send([dispatcher_sees])
    assert [each["labels"]["guest"] for each in active(alertmanager)] == [UUID]


def test_what_it_calls_bad_is_declined(alertmanager: str) -> None:
    """A request that Alertmanager calls bad is not tried again for ever."""
    endpoint = Endpoint(alertmanager, 5)
    with pytest.raises(Declined, match="400"):
        endpoint.post("/api/v2/alerts", b'[{"labels": 1}]', {"Content-Type": "application/json"})
