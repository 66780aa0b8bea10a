"""Whoever may not change anything changes nothing, at any address that there is."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.decisions.running import Running
from tests.hostile.walking import requests

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
POLICY = PROJECT / "tests/decisions/dialects.yaml"
NOBODY = 65534
OPERATORS, ADMINISTRATORS = 65532, 65531
LASTING = {
    "/v1/labels",
    "/v1/policy/reload",
    "/v1/protect",
    "/v1/hold",
    "/v1/gates",
}
"""Addresses for administrators only: what is changed there stays so."""
WRITES = ("POST", "PUT", "PATCH", "DELETE")
ASKING = {"/v1/admission"}
"""Requests with a body that change nothing, and that every user of the socket may send."""
OF_ITSELF = {"refused", "run", "seen", "object", "hold", "admission"}
"""Kinds of record that trustd makes whoever asks; a refusal is one of them."""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Running]:
    """A daemon whose socket everybody may open, as a careless administrator has it."""
    limits = {"tcp": 1e6, "user": 1e6}
    # pytest's own directories are closed to other users
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        groups = {"operators": OPERATORS, "group": ADMINISTRATORS}
        text = POLICY.read_text("utf-8")
        with Running(directory, text, limits=limits, administration=groups) as running:
            running.socket.chmod(0o666)
            yield running


def walked(daemon: Running, user: int, group: int) -> list[tuple[str, str, int]]:
    """Method, address and status of everything, asked by a process of this user and group."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.walking", daemon.socket, str(user), str(group)],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout)]


def standing(daemon: Running) -> dict[str, Any]:
    """What could have been changed, and the trail of what was."""
    trail = daemon.get("/v1/audit?limit=1000")["records"]
    status = daemon.get("/v1/status")
    return {
        "trail": [each["id"] for each in trail if each["kind"] not in OF_ITSELF],
        "orders": status["orders"],
        "policy": daemon.get("/v1/policy")["id"],
        "pause": daemon.get("/v1/pause"),
        "protect": daemon.get("/v1/protect"),
        "incidents": daemon.get("/v1/incidents?state=all")["incidents"],
    }


def over_tcp(
    daemon: Running, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_unprivileged_user_changes_nothing(daemon: Running) -> None:
    """Every address that changes something refuses a user who may not, also where the socket is
    open to all; root gets through, so the refusal is of the user and not of the request."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    before = standing(daemon)
    found = walked(daemon, NOBODY, NOBODY)
    writes = {(method, path): status for method, path, status in found if method in WRITES}
    assert len(writes) >= 12
    let = {place: status for place, status in writes.items() if status != 403}
    assert {path for _, path in let} <= ASKING, let
    assert standing(daemon) == before
    assert not [each for each in found if each[2] >= 500 and each[1] != "/readyz"], found


def test_same_requests_do_something_for_root(daemon: Running) -> None:
    """The walk is not refused for its form: root's pause is a pause."""
    found = {
        (method, path): status
        for method, path, status in walked(daemon, os.geteuid(), os.getegid())
    }
    assert found["POST", "/v1/pause"] == 200
    assert found["DELETE", "/v1/pause"] == 200
    refused = {path for (method, path), status in found.items() if status == 403}
    assert refused == {"/v1/evidence"}, "whose senders are registered, root is none"


@pytest.mark.parametrize("group", [OPERATORS, ADMINISTRATORS])
def test_operator_may_do_what_ends_by_itself_and_an_administrator_all(
    daemon: Running, group: int
) -> None:
    """The kernel's word on the group decides, address by address; both pause and resume, and only
    an administrator is let at what lasts."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    found = {(method, path): status for method, path, status in walked(daemon, NOBODY, group)}
    refused = {path for (_, path), status in found.items() if status == 403}
    assert {path for _, path in found} >= LASTING
    assert found["POST", "/v1/pause"] == found["DELETE", "/v1/pause"] == 200
    others = {"/v1/evidence", "/v1/admission"}
    mine = {path for path in refused - others if not path.startswith("/v1/gates/")}
    assert mine == (LASTING if group == OPERATORS else set())


ATTACKS = {
    "DNS rebinding": ({"Host": "evil.example:9747"}, 421),
    "another origin": ({"Origin": "https://evil.example"}, 403),
    "a sandboxed frame": ({"Origin": "null"}, 403),
    "another port of this host": ({"Origin": "http://127.0.0.1:1"}, 403),
    "a browser without Origin": (
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        403,
    ),
}
FORMS = ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x")


@pytest.mark.parametrize("attack", ATTACKS)
def test_web_page_reads_and_changes_nothing(daemon: Running, attack: str) -> None:
    """No address answers a page of somebody else's, and none lets a browser share its answer."""
    headers, refusal = ATTACKS[attack]
    before = standing(daemon)
    walked = 0
    for method, _, path, body in requests(daemon.get("/openapi.json")):
        sent = None if body is None else json.dumps(body).encode()
        given = {**headers, **({"Content-Type": "application/json"} if sent else {})}
        status, answered = over_tcp(daemon, method, path, sent, given)
        assert status == refusal, (method, path, status)
        assert not [name for name in answered if name.startswith("access-control")], path
        walked += 1
    assert walked > 40
    assert standing(daemon) == before


def test_forms_and_preflights_get_nothing(daemon: Running) -> None:
    """A form that a page posts is refused whatever its type, and no preflight is ever granted;
    nor does a local program change anything over TCP."""
    before = standing(daemon)
    for method, described, path, body in requests(daemon.get("/openapi.json")):
        preflight = {
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type",
        }
        status, answered = over_tcp(daemon, "OPTIONS", path, None, preflight)
        assert status in (403, 405)
        assert not [name for name in answered if name.startswith("access-control")], path
        if method not in WRITES:
            continue
        for form in FORMS:
            status, _ = over_tcp(daemon, method, path, b"reason=x", {"Content-Type": form})
            assert 400 <= status < 500, (method, path, form)
        sent = b"" if body is None else json.dumps(body).encode()
        json_type = {"Content-Type": "application/json"}
        status, _ = over_tcp(daemon, method, path, sent, json_type)
        assert status in (401, 403), (method, described, status)
    assert standing(daemon) == before
