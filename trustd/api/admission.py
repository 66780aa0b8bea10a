"""Who may ask what over the API, and whether what they send makes sense."""

from __future__ import annotations

from dataclasses import fields
from http import HTTPStatus
from typing import TypeVar

import orjson
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from trustd.api.access_shapes import LabelChange, Proposal, ReloadRequest
from trustd.api.entry_shapes import EntryQuestion
from trustd.api.feedback_shapes import Acknowledgement
from trustd.api.gate_shapes import GateRequest
from trustd.api.incident_shapes import IncidentRequest
from trustd.api.notice_shapes import TrialRequest
from trustd.api.office import OFFICE, Duty, Office
from trustd.api.override_shapes import (
    AcceptRequest,
    OverrideRequest,
    PauseRequest,
    ProtectRequest,
)
from trustd.api.peer import Peer, groups_of, peer_of
from trustd.api.problems import RequestProblem

D = TypeVar(
    "D",
    LabelChange,
    Proposal,
    ReloadRequest,
    Acknowledgement,
    EntryQuestion,
    GateRequest,
    TrialRequest,
    IncidentRequest,
    OverrideRequest,
    ProtectRequest,
    PauseRequest,
    AcceptRequest,
)

LONGEST = 1024
"""Characters of a text in a request at most."""


def office_of(request: web.Request) -> Office:
    """The access half of this daemon."""
    office = request.app.get(OFFICE)
    if office is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon decides nothing")
    return office


def over_the_socket(request: web.Request) -> None:
    """Refuse whoever does not open the unix socket: any local user reaches TCP."""
    if peer_of(request) is None:
        raise RequestProblem(HTTPStatus.FORBIDDEN, "this is answered over the unix socket only")


def reading_office(request: web.Request) -> Office:
    """The office, for whoever may open the unix socket.

    Others would learn here what the refusal of a decision keeps from them.
    """
    over_the_socket(request)
    return office_of(request)


_GROUPS = {
    Duty.OPERATE: "the groups in the settings administration.operators and administration.group",
    Duty.ADMINISTER: "the group in the setting administration.group",
}


def changer(request: web.Request, office: Office, duty: Duty) -> Peer:
    """Whoever asks for a change and may have it; others are journalled."""
    peer = peer_of(request)
    if peer is None or not office.may_change(peer, groups_of(request), duty):
        office.refused(peer, {"method": request.method, "path": request.path})
        raise RequestProblem(
            HTTPStatus.FORBIDDEN,
            "this is done over the unix socket, by root, by the daemon's own user or by"
            f" {_GROUPS[duty]}",
        )
    return peer


async def body_of(request: web.Request, shape: type[D]) -> D:
    """The request's body as the document that it has to be.

    Raises:
        RequestProblem: it is another.
    """
    if request.content_type != "application/json":
        raise RequestProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    body = await request.read()
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad(f"this is no JSON: {error}") from error
    try:
        # strict: no number for a text
        made = TypeAdapter(shape).validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise bad(f"{place}: {first['msg']}" if place else first["msg"]) from error
    unknown = sent.keys() - {field.name for field in fields(shape)}
    if unknown:
        raise bad(f"nothing is called {min(unknown)[:128]!r} here")
    return made


def bad(what: str) -> RequestProblem:
    """The problem of a request that makes no sense."""
    return RequestProblem(HTTPStatus.BAD_REQUEST, what)
