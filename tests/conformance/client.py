"""A client of the AuthZEN Authorization API 1.0, and questions to the policy ``authzen.yaml``."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SEARCH = "/access/v1/search/"
METADATA = "/.well-known/authzen-configuration"
PERMIT, DENY = {"decision": True}, {"decision": False}


@dataclass(frozen=True)
class Answer:
    """A response: its status, headers and JSON document."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Asks a service at ``http://HOST:PORT`` or ``unix:PATH``."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.token = token

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        if self.url.startswith("unix:"):
            connection: http.client.HTTPConnection = _Unix(self.url.removeprefix("unix:"))
        else:
            connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, path: str, document: Any, **headers: str) -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.send("POST", path, body, {"Content-Type": "application/json", **headers})


def asked(
    subject: str = "alice", action: str = "can_view", record: str = "r1", **more: Any
) -> dict[str, Any]:
    """A question about a user and a record."""
    return {
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": "record", "id": record},
        **more,
    }


def decided(client: Client, document: Any) -> bool:
    answer = client.post(EVALUATION, document)
    assert answer.status == 200, (answer.status, answer.body)
    assert set(answer.document) == {"decision"}, answer.document
    found = answer.document["decision"]
    assert isinstance(found, bool)
    return found


def batch(client: Client, *items: Any, **more: Any) -> list[Any]:
    answer = client.post(EVALUATIONS, {"evaluations": list(items), **more})
    assert answer.status == 200, (answer.status, answer.body)
    found: list[Any] = answer.document["evaluations"]
    return found


def found_by(client: Client, what: str, document: Any) -> Any:
    answer = client.post(SEARCH + what, document)
    assert answer.status == 200, (answer.status, answer.body)
    return answer.document
