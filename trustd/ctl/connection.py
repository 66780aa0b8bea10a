"""The daemon's API over its unix socket, with nothing that is slow to load."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from trustd.ctl.text import harmless

_PATIENCE = 15.0
"""Seconds for an answer."""
_SILENCE = 40.0
"""Seconds after which a stream that should send a comment every 15 is dead."""

Document = dict[str, Any]


class Unreachable(click.ClickException):
    """The daemon does not answer."""

    exit_code = 69


class Declined(click.ClickException):
    """The daemon answers that it cannot or will not.

    Args:
        status: of the HTTP answer.
    """

    exit_code = 1

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(harmless(detail))
        self.status = status


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    id: str
    kind: str
    data: Document


class Connection:
    """Asks the daemon, a connection a question.

    Args:
        path: the daemon's socket.
        patience: seconds for an answer.
    """

    def __init__(self, path: Path, patience: float = _PATIENCE) -> None:
        self._path = path
        self._patience = patience

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Document:
        """One document.

        Args:
            path: with its parts quoted, as :func:`guest_path` does.
            query: a list as value gives a parameter several times.

        Raises:
            Unreachable: the daemon does not answer.
            Declined: it answers with a problem.
        """
        _, document = self.ask(path, query)
        return document

    def ask(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[int, Document]:
        """As :meth:`get`, with the answer's status; a document may come with 503."""
        address = f"{path}?{urlencode(query, doseq=True)}" if query else path
        response, body = self._exchange("GET", address)
        return response.status, _document(response, body)

    def text(self, path: str) -> bytes:
        """The bytes of an answer that is no document.

        Raises:
            Unreachable: the daemon does not answer.
            Declined: it answers with a problem.
        """
        response, body = self._exchange("GET", path)
        if response.status != 200:  # noqa: PLR2004 - OK
            _document(response, body)
        return body

    def post(self, path: str, document: Document) -> Document:
        """Send a document, and have one back.

        Raises:
            Unreachable: the daemon does not answer.
            Declined: it answers with a problem.
        """
        return _document(*self._exchange("POST", path, json.dumps(document).encode()))

    def delete(self, path: str, query: Mapping[str, Any]) -> Document:
        """Take something away, and have a document back.

        Raises:
            Unreachable: the daemon does not answer.
            Declined: it answers with a problem.
        """
        return _document(*self._exchange("DELETE", f"{path}?{urlencode(query)}"))

    def guests(self, query: Mapping[str, Any] | None = None) -> Document:
        """Every guest that matches, as one page however many there are."""
        query = {"limit": 1000, **(query or {})}
        whole = page = self.get("/v1/guests", query)
        while page["next"]:
            page = self.get(page["next"])
            whole["guests"] += page["guests"]
        return {**whole, "next": None}

    def events(self, last: str = "") -> Iterator[Event]:
        """What each tick changes, as it happens, until the daemon ends it.

        Args:
            last: identity of the last event seen.
        """
        headers = {"Last-Event-ID": last} if last else {}
        with closing(_UnixHTTPConnection(self._path, _SILENCE)) as connection:
            try:
                connection.request("GET", "/v1/events", headers={"Host": "trustd", **headers})
                response = connection.getresponse()
                if response.status != 200:  # noqa: PLR2004 - OK
                    _document(response, response.read())
                yield from _parse(response)
            except (OSError, HTTPException) as error:
                raise self._unreachable(error) from error

    def _exchange(
        self, method: str, address: str, body: bytes | None = None
    ) -> tuple[HTTPResponse, bytes]:
        """One question and the whole answer to it, whatever its status."""
        headers = {"Host": "trustd"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with closing(_UnixHTTPConnection(self._path, self._patience)) as connection:
            try:
                connection.request(method, address, body, headers)
                response = connection.getresponse()
                return response, response.read()
            except (OSError, HTTPException) as error:
                raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        hints: dict[type[Exception], str] = {
            FileNotFoundError: "is trustd running? is this its socket (--socket)?",
            ConnectionRefusedError: "trustd is not running: systemctl status trustd",
            PermissionError: "you must be in the group of the socket",
            TimeoutError: "trustd does not answer: systemctl status trustd",
        }
        hint = hints.get(type(error), "the connection broke")
        reason = getattr(error, "strerror", None) or str(error) or "no answer"
        return Unreachable(f"cannot reach trustd at {self._path}: {reason}: {hint}")


def guest_path(guest: str) -> str:
    """The address of a guest by UUID or name, whatever its name.

    >>> guest_path("a/b")
    '/v1/guests/a%2Fb'
    """
    return f"/v1/guests/{quote(guest, safe='', errors='surrogateescape')}"


class _UnixHTTPConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("trustd", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _document(response: HTTPResponse, body: bytes) -> Document:
    """The document in an answer; a problem becomes an error."""
    media = response.headers.get_content_type()
    if media not in {"application/json", "application/problem+json"}:
        raise Declined(response.status, f"this is not trustd: it answers with {media}")
    document: Document = json.loads(body)
    if media == "application/problem+json":
        raise Declined(response.status, str(document.get("detail", response.reason)))
    return document


def _parse(lines: HTTPResponse) -> Iterator[Event]:
    """Events from the lines of a stream; comments and hints are passed over."""
    fields: dict[str, str] = {}
    while line := lines.readline():
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text:
            key, _, value = text.partition(":")
            fields[key] = value.removeprefix(" ")
            continue
        if "data" in fields:
            data = json.loads(fields["data"])
            yield Event(fields.get("id", ""), fields.get("event", "message"), data)
        fields = {}
