"""What each channel sends, and what it makes of a receiver that is broken."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.notify.conftest import AT, HOSTILE, UUID, Listener, notice
from trustd.notify import (
    Alertmanager,
    Command,
    Credential,
    Declined,
    Endpoint,
    Journald,
    NotifyError,
    Webhook,
)
from trustd.notify.text import cleaned


def secret(place: Path, text: str = "s3cret\n") -> Credential:
    path = place / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return Credential(path)


def test_a_webhook_gets_a_signed_cloud_event(listener: Listener, tmp_path: Path) -> None:
    """The event has CloudEvents' attributes, and the signature covers time and body."""
    hook = Webhook(Endpoint(listener.url, 60), "host-1", secret(tmp_path), clock=lambda: AT + 7.9)
    hook.send([notice()])
    ((headers, body),) = listener.sent
    event = json.loads(body)
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    made = hmac.new(b"s3cret", b"1790000007." + body, hashlib.sha256).hexdigest()
    assert headers["Trustd-Signature"] == f"t=1790000007,v1={made}"
    assert event["specversion"] == "1.0"
    assert event["type"] == "org.trustd.notice.begun"
    assert event["source"] == "/trustd/host-1"
    assert event["time"] == "2026-09-21T14:13:20.000Z"
    assert event["data"]["mode"] == "observe"
    assert event["data"]["guests"] == [{"id": UUID, "name": "web-1"}]
    assert event["data"]["recommended"] == ["Look at it."]


def test_the_same_news_has_the_same_identity(listener: Listener) -> None:
    """A receiver can tell a repetition from news by the event's id."""
    hook = Webhook(Endpoint(listener.url, 60), "host-1")
    for each in (notice(), notice(), notice().over(AT + 5)):
        hook.send([each])
    first, again, over = [json.loads(body) for _, body in listener.sent]
    assert first["id"] == again["id"] != over["id"]
    assert over["type"] == "org.trustd.notice.ended"


def test_alertmanager_is_told_when_an_alert_would_lapse(listener: Listener) -> None:
    """What lasts ends later than now; what is over ended when it did."""
    channel = Alertmanager(Endpoint(listener.url, 60), "host-1", clock=lambda: AT + 60)
    channel.send([notice()])
    channel.send([notice().over(AT + 30)])
    begun, over = [
        [each for each in json.loads(body) if each["labels"]["severity"] == "warning"]
        for _, body in listener.sent
    ]
    assert begun[0]["endsAt"] > "2026-09-21T14:15"
    assert over[0]["endsAt"] == "2026-09-21T14:13:50.000Z"
    assert begun[0]["labels"] == over[0]["labels"]


def test_a_token_is_shown(listener: Listener, tmp_path: Path) -> None:
    """A receiver behind a bearer token gets it from its file."""
    Alertmanager(Endpoint(listener.url, 5, secret(tmp_path)), "h").send([notice()])
    assert listener.sent[0][0]["Authorization"] == "Bearer s3cret"


def test_a_secret_that_everybody_can_read_is_refused(listener: Listener, tmp_path: Path) -> None:
    """Nothing is sent with a secret that is none, and the error does not show it."""
    known = secret(tmp_path)
    known.path.chmod(0o644)
    with pytest.raises(NotifyError, match="chmod") as error:
        Webhook(Endpoint(listener.url, 60), "h", known).send([notice()])
    assert not listener.sent
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("status", [302, 401, 404, 500, 503])
def test_a_receiver_that_fails_is_tried_again(listener: Listener, status: int) -> None:
    """Errors and redirects are failures, and no redirect is followed."""
    listener.status = status
    with pytest.raises(NotifyError, match=str(status)) as error:
        Webhook(Endpoint(listener.url, 60), "h").send([notice()])
    assert not isinstance(error.value, Declined)
    assert len(listener.sent) == 1


def test_a_notice_that_will_not_do_is_not_tried_again(listener: Listener) -> None:
    """A receiver that calls the request bad will do so the next time."""
    listener.status = 400
    with pytest.raises(Declined):
        Webhook(Endpoint(listener.url, 60), "h").send([notice()])


@pytest.mark.parametrize("kind", ["dripping", "black_hole"])
def test_a_slow_receiver_is_given_up_in_time(kind: str, request: pytest.FixtureRequest) -> None:
    """The deadline holds for all of it, however often a byte comes."""
    url = request.getfixturevalue(kind)
    began = time.monotonic()
    with pytest.raises(NotifyError):
        Webhook(Endpoint(url, 0.3), "h").send([notice()])
    assert time.monotonic() - began < 20


def test_refused_connections_and_tls_errors_are_foreseen(listener: Listener) -> None:
    """Nobody listens, or somebody who does not speak TLS: an error in words."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", listener.url.replace("http:", "https:")):
        with pytest.raises(NotifyError):
            Webhook(Endpoint(url, 2), "h").send([notice()])


def test_a_command_gets_the_notice_and_nothing_of_it_as_words(tmp_path: Path) -> None:
    """The notice is JSON on the input; arguments and environment are the operator's."""
    out = tmp_path / "out"
    program = (
        "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps("
        "[json.load(sys.stdin), sys.argv[2:], dict(os.environ)]))"
    )
    Command([sys.executable, "-c", program, str(out), "$(id)"], 20).send([notice(name="$(id)")])
    told, words, environment = json.loads(out.read_text())
    assert told["title"] == "$(id) is restricted"
    assert words == ["$(id)"]
    assert not [each for each in environment.values() if "restricted" in each or "$(" in each]


def test_a_command_that_fails_or_hangs_is_an_error() -> None:
    """Its status, its absence and its deadline are failures; it is killed with its children."""
    with pytest.raises(NotifyError, match="status 3"):
        Command(["/bin/sh", "-c", "exit 3"], 10).send([notice()])
    with pytest.raises(NotifyError, match="started"):
        Command(["/nowhere/program"], 10).send([notice()])
    with pytest.raises(NotifyError, match="killed"):
        Command(["/bin/sh", "-c", "sleep 7654.25 & wait"], 0.3).send([notice()])
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert not [line for line in running.stdout.splitlines() if line == "sleep 7654.25"]


def fields(entry: bytes) -> list[tuple[str, str]]:
    """The fields of a journal entry as the journal reads them."""
    found = []
    while entry:
        name, entry = entry.split(b"\n", 1)
        size = int.from_bytes(entry[:8], "little")
        found.append((name.decode(), entry[8 : 8 + size].decode()))
        assert entry[8 + size : 9 + size] == b"\n"
        entry = entry[9 + size :]
    return found


def test_the_journal_gets_fields(tmp_path: Path) -> None:
    """Guest, severity, mode and state are fields to filter by."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        Journald(2, path).send([notice(), notice().over(AT + 1)])
        begun, over = (dict(fields(journal.recv(1 << 18))) for _ in range(2))
    assert begun["TRUSTD_GUEST"] == UUID
    assert begun["PRIORITY"] == "4"
    assert begun["TRUSTD_MODE"] == "observe"
    assert (begun["TRUSTD_STATE"], over["TRUSTD_STATE"]) == ("begun", "ended")
    with pytest.raises(NotifyError):
        Journald(0.2, tmp_path / "nowhere").send([notice()])


def test_hostile_names_are_harmless_everywhere(listener: Listener, tmp_path: Path) -> None:
    """Control and direction characters travel nowhere, texts are bounded, fields stay apart."""
    hostile = cleaned(notice(name=HOSTILE))
    out, path = tmp_path / "out", tmp_path / "socket"
    Webhook(Endpoint(listener.url, 60), "h").send([hostile])
    Alertmanager(Endpoint(listener.url, 60), "h").send([hostile])
    Command(["/usr/bin/tee", str(out)], 10).send([hostile])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        Journald(2, path).send([hostile])
        entry = journal.recv(1 << 18)
    assert [name for name, _ in fields(entry)].count("TRUSTD_GUEST") == 1
    shown = "".join(text for _, text in fields(entry)).encode()
    for told in (*(body for _, body in listener.sent), out.read_bytes(), shown):
        text = told.decode()
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\\u202e" in text or "\\\\u202e" in text
        assert len(told) < 20_000
