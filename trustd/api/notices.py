"""Notices and their receivers at their addresses."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from trustd.api.admission import body_of, changer, office_of
from trustd.api.notice_shapes import NoticeList, TrialDoc, TrialRequest
from trustd.api.office import Duty
from trustd.api.peer import peer_of
from trustd.api.problems import RequestProblem
from trustd.api.sending import send_json


class Notices(Protocol):
    """Whoever tells notices."""

    def shown(self) -> NoticeList:
        """Every receiver, and every notice that lasts."""

    def try_out(self, receiver: str) -> TrialDoc:
        """Tell a receiver a notice and its end, and wait for it.

        Raises:
            KeyError: there is no such receiver.
        """


NOTICES = web.AppKey("notices", Notices)


async def notices(request: web.Request) -> web.StreamResponse:
    """Every receiver, and every notice that lasts."""
    if peer_of(request) is None:
        raise RequestProblem(HTTPStatus.FORBIDDEN, "this is answered over the unix socket only")
    return await send_json(request, _notices(request).shown())


async def try_out(request: web.Request) -> web.StreamResponse:
    """Tell a receiver that nothing is wrong."""
    changer(request, office_of(request), Duty.OPERATE)
    known = _notices(request)
    asked = await body_of(request, TrialRequest)
    try:
        done = await asyncio.to_thread(known.try_out, asked.receiver)
    except KeyError as error:
        raise RequestProblem(HTTPStatus.NOT_FOUND, "no receiver is called so") from error
    return await send_json(request, done)


def _notices(request: web.Request) -> Notices:
    known = request.app.get(NOTICES)
    if known is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon tells no notices")
    return known
