"""Explanation and feedback, between the API and the line's thread."""

from __future__ import annotations

import time

import structlog
from aiohttp import web

from trustd.api.feedback import FEEDBACK
from trustd.api.feedback_shapes import AcknowledgedDoc, Acknowledgement
from trustd.api.peer import Peer
from trustd.daemon.between import Between
from trustd.model import Assessment, GuestId
from trustd.pipeline import Account, Line, Word

log = structlog.get_logger()


class Feedback:
    """Asks the scoring engine, and tells it, when no tick is under way."""

    def __init__(self, line: Line, between: Between) -> None:
        self._line = line
        self._between = between

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[FEEDBACK] = self

    async def explain(self, guest: GuestId) -> Account:
        """The stored terms of a guest's trust, and its way back."""
        return await self._between.do(lambda: self._line.explain(guest))

    async def acknowledge(
        self, guest: Assessment, word: Acknowledgement, peer: Peer
    ) -> AcknowledgedDoc:
        """Take somebody's word on a guest."""
        at, name = time.time(), guest.guest.name
        by = {"uid": peer.uid, "pid": peer.pid}
        said = Word(at, guest.id, name, word.verdict, word.reason, by)
        dry_run = word.dry_run
        heard = await self._between.do(lambda: self._line.acknowledge(said, dry_run=dry_run))
        if not dry_run:
            log.info(
                "acknowledged",
                guest=guest.id,
                verdict=word.verdict,
                reason=word.reason,
                before=heard.before,
                after=heard.after,
                **by,
            )
        return AcknowledgedDoc(
            guest.id,
            name,
            word.verdict,
            word.reason,
            at,
            heard.before,
            heard.after,
            heard.ended,
            dry_run,
        )
