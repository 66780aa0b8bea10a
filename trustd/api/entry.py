"""Whether a guest may start, arrive or be restored, and whether others may manage it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol
from uuid import UUID

from aiohttp import web

from trustd.api.admission import LONGEST, bad, body_of, office_of
from trustd.api.entry_shapes import EntryDoc, EntryQuestion
from trustd.api.handlers import LIVE
from trustd.api.office import Duty
from trustd.api.peer import Peer, peer_of
from trustd.api.problems import RequestProblem
from trustd.api.sending import send_json
from trustd.errors import NoSuchGuest, StoreError


class Doorkeeper(Protocol):
    """Whoever lets guests in. Called on the loop."""

    async def enter(self, question: EntryQuestion, peer: Peer) -> EntryDoc:
        """Whether a guest may come; a place is kept for one that may.

        Raises:
            NoSuchGuest: the definition does not say whose it is.
            StoreError: what is known of a guest cannot be read.
        """

    async def manage(self, question: EntryQuestion, peer: Peer) -> EntryDoc:
        """Whether somebody may manage a guest; nothing is kept of it but a record.

        Raises:
            StoreError: what is known of a guest cannot be read.
        """


DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)


async def admission(request: web.Request) -> web.StreamResponse:
    """Let a guest in, or not."""
    peer = peer_of(request)
    if peer is None:
        raise RequestProblem(HTTPStatus.FORBIDDEN, "this is answered over the unix socket only")
    doorkeeper = request.app.get(DOORKEEPER)
    if doorkeeper is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon lets nobody in or out")
    question = await body_of(request, EntryQuestion)
    # what this run has not seen it cannot answer: the caller's setting counts until then
    _ = request.app[LIVE].fleet
    try:
        if question.operation == "manage":
            return await send_json(request, await doorkeeper.manage(_managed(question), peer))
        _let_pass(request, question, peer)
        return await send_json(request, await doorkeeper.enter(question, peer))
    except NoSuchGuest as error:
        raise bad(str(error)) from error
    except StoreError as error:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


def _let_pass(request: web.Request, question: EntryQuestion, peer: Peer) -> None:
    """Only libvirt's hook gives and takes places: others could keep guests from starting."""
    office = office_of(request)
    # no group counts here, not even the one of administrators
    if not office.may_change(peer, (), Duty.ADMINISTER):
        office.refused(peer, {"method": request.method, "path": request.path})
        raise RequestProblem(
            HTTPStatus.FORBIDDEN, f"{question.operation} is for root and the daemon's own user"
        )


def _managed(question: EntryQuestion) -> EntryQuestion:
    try:
        identity = str(UUID(question.guest))
    except ValueError:
        raise bad("guest must be a UUID") from None
    if not question.action:
        raise bad("action is missing")
    if len(question.user) > LONGEST or not question.user.isprintable():
        raise bad(f"user must be a text of at most {LONGEST} printable characters")
    return EntryQuestion("manage", "", identity, question.action, question.user)
