"""The access half at its addresses: why, what, by which labels and which policy."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from http import HTTPStatus

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from trustd.api.access_shapes import (
    DecisionList,
    DifferenceDoc,
    LabelChange,
    Proposal,
    ReloadRequest,
)
from trustd.api.admission import LONGEST, bad, body_of, changer, office_of, reading_office
from trustd.api.etags import send_json_tagged
from trustd.api.handlers import LIVE
from trustd.api.office import Duty, NotKnown
from trustd.api.problems import RequestProblem, told
from trustd.api.query import find
from trustd.api.reading import is_under_way, read, shared
from trustd.api.sending import send_json
from trustd.documents import Instant
from trustd.errors import PolicyError, StoreError
from trustd.model import ObjectRef

MOST, USUAL = 1000, 100
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,127}")
"""What a policy accepts as a label's name."""
_DIFFERENCE = "difference"
_EPOCH = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


async def why(request: web.Request) -> web.StreamResponse:
    """Why a guest may do something to an object, or not; or why it might at an earlier time."""
    office = reading_office(request)
    key = request.match_info["guest"]
    asked = _parameters(request, needed=("action", "type", "id"), may=("at",))
    action, target = asked["action"], ObjectRef(asked["type"], asked["id"])
    if "at" not in asked:
        guest = find(request.app[LIVE].fleet, key)
        return await send_json(request, office.why(guest, action, target))
    at = _instant(asked["at"])
    try:
        with told():
            found = await read(request, lambda: office.why_then(key, action, target, at))
    except NotKnown as error:
        raise RequestProblem(HTTPStatus.NOT_FOUND, str(error)) from error
    return await send_json(request, found)


async def then(request: web.Request) -> web.StreamResponse:
    """How a guest stood at a time that has passed, and why."""
    office, key = reading_office(request), request.match_info["guest"]
    at = _instant(_parameters(request, needed=("at",))["at"])
    try:
        with told():
            found = await read(request, lambda: office.then(key, at))
    except NotKnown as error:
        raise RequestProblem(HTTPStatus.NOT_FOUND, str(error)) from error
    return await send_json(request, found)


async def can(request: web.Request) -> web.StreamResponse:
    """What a guest may do to every object that is known."""
    office = reading_office(request)
    guest = find(request.app[LIVE].fleet, request.match_info["guest"])
    return await send_json(request, office.can(guest))


async def decisions(request: web.Request) -> web.StreamResponse:
    """The newest decisions that were recorded."""
    office = reading_office(request)
    asked = _parameters(request, may=("subject", "permit", "limit"))
    permits: dict[str | None, bool | None] = {None: None, "true": True, "false": False}
    if asked.get("permit") not in permits:
        raise bad("permit must be true or false")
    permit = permits[asked.get("permit")]
    limit = asked.get("limit", str(USUAL))
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST:
        raise bad(f"limit must be an integer from 1 to {MOST}")

    def look() -> DecisionList:
        return office.decisions(subject=asked.get("subject"), permit=permit, most=int(limit))

    with told():
        found = await read(request, look)
    return await send_json(request, found)


async def policy(request: web.Request) -> web.StreamResponse:
    """The policy in force."""
    return await send_json_tagged(request, reading_office(request).policy())


async def difference(request: web.Request) -> web.StreamResponse:
    """What another policy would change; nothing is changed.

    To load a policy may cost as much as many ticks: one at a time, for whoever operates.
    """
    office = office_of(request)
    changer(request, office, Duty.OPERATE)
    proposal = await body_of(request, Proposal)
    if is_under_way(request, _DIFFERENCE):
        raise RequestProblem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "another policy is being compared; ask again when that is done",
            {"Retry-After": "1"},
        )

    def look() -> DifferenceDoc:
        return office.difference(proposal.text, proposal.path)

    try:
        document = await shared(request, _DIFFERENCE, proposal, look)
    except PolicyError as error:
        raise RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return await send_json(request, document)


async def reload(request: web.Request) -> web.StreamResponse:
    """Take over the policy file, for whoever may."""
    office = office_of(request)
    peer = changer(request, office, Duty.ADMINISTER)
    asked = await body_of(request, ReloadRequest)
    try:
        document = await office.reload(force=asked.force, dry_run=asked.dry_run, peer=peer)
    except PolicyError as error:
        raise RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except StoreError as error:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    except TimeoutError as error:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "a tick is under way") from error
    return await send_json(request, document)


async def objects(request: web.Request) -> web.StreamResponse:
    """The objects that are known."""
    office = reading_office(request)
    asked = _parameters(request, may=("type",))
    return await send_json(request, office.objects(asked.get("type")))


async def labels(request: web.Request) -> web.StreamResponse:
    """The labels of a guest or an object."""
    office = reading_office(request)
    asked = _parameters(request, needed=("type", "id"))
    return await send_json(request, office.labels(asked["type"], asked["id"]))


async def relabel(request: web.Request) -> web.StreamResponse:
    """Change labels, for whoever may."""
    office = office_of(request)
    peer = changer(request, office, Duty.ADMINISTER)
    change = await body_of(request, LabelChange)
    _check(change)
    if change.type == "guest":
        # by UUID or name; kept by UUID
        guest = find(request.app[LIVE].fleet, change.id)
        change = replace(change, type="guest", id=guest.id)
    with told():
        labels_now = await asyncio.to_thread(office.relabel, change, peer)
    return await send_json(request, labels_now)


def _check(change: LabelChange) -> None:
    if not change.type or not change.id or len(change.type) + len(change.id) > LONGEST:
        raise bad("type and id must be given, and not be longer than any identity is")
    if not change.set and not change.remove:
        raise bad("there is nothing to set or to remove")
    for name in (*change.set, *change.remove):
        if not _NAME.fullmatch(name):
            raise bad(f"no label can be called {name[:128]!r}")
    for name, value in change.set.items():
        if not value or len(value) > LONGEST or not value.isprintable():
            raise bad(f"the label {name} must be a text of 1 to {LONGEST} printable characters")
    both = set(change.set) & set(change.remove)
    if both:
        raise bad(f"set and removed at once: {', '.join(sorted(both))}")


def _parameters(
    request: web.Request, *, needed: tuple[str, ...] = (), may: tuple[str, ...] = ()
) -> dict[str, str]:
    query = request.query
    unknown = sorted(set(query) - set(needed) - set(may))
    if unknown:
        known = ", ".join((*needed, *may))
        raise bad(f"no parameter is called {unknown[0][:128]!r}; known are {known}")
    found: dict[str, str] = {}
    for name in query:
        if len(query.getall(name)) > 1 or len(query[name]) > LONGEST:
            raise bad(f"{name} must be given once, with at most {LONGEST} characters")
        found[name] = query[name]
    missing = [name for name in needed if name not in found]
    if missing:
        raise bad(f"the parameter {missing[0]} is missing")
    return found


def _instant(text: str) -> float:
    """Epoch seconds of a time that has passed."""
    try:
        at = TypeAdapter(Instant).validate_python(float(text) if _EPOCH.fullmatch(text) else text)
    except ValidationError as error:
        raise bad(f"at: {error.errors(include_url=False)[0]['msg']}") from error
    if at > time.time():
        raise bad("at must be a time that has passed")
    return at
