"""Why a guest stands where it stands, and an operator's word on it."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from trustd.api.admission import LONGEST, bad, body_of, changer, office_of
from trustd.api.feedback_shapes import (
    AcknowledgedDoc,
    Acknowledgement,
    OpenFindingDoc,
    StandingDoc,
    TermDoc,
)
from trustd.api.handlers import LIVE
from trustd.api.peer import Peer
from trustd.api.problems import RequestProblem, told
from trustd.api.query import find
from trustd.api.sending import send_json
from trustd.api.views import LONGEST_NAME, LONGEST_TEXT, explanation, number
from trustd.errors import NoSuchGuest
from trustd.metrics import legible
from trustd.model import Assessment, GuestId
from trustd.trust import Explanation, OpenFinding, Term


class Feedback(Protocol):
    """Whoever asks the scoring engine, and tells it."""

    async def explain(self, guest: GuestId) -> Explanation:
        """The stored terms of a guest's trust.

        Raises:
            NoSuchGuest: it is not watched.
            TimeoutError: the line had no time for it.
        """

    async def acknowledge(
        self, guest: Assessment, word: Acknowledgement, peer: Peer
    ) -> AcknowledgedDoc:
        """Take somebody's word on a guest; stored and journalled when it returns.

        Raises:
            NoSuchGuest: it is not watched.
            StoreError: it is not stored; it says whether it counts.
            TimeoutError: the line had no time for it, and nothing was changed.
        """


FEEDBACK = web.AppKey("feedback", Feedback)


async def explain(request: web.Request) -> web.StreamResponse:
    """Why a guest is where it is, and what would change that."""
    live, feedback = request.app[LIVE], request.app.get(FEEDBACK)
    asked = request.match_info["guest"]
    found = find(live.fleet, asked)
    if feedback is None:
        return await send_json(request, explanation(found))
    try:
        told = await feedback.explain(found.id)
    except (NoSuchGuest, TimeoutError):
        # what the last tick said is an answer too, and the best there is
        return await send_json(request, explanation(found))
    # a tick may have ended meanwhile: both halves should be of the same one
    document = explanation(find(live.fleet, found.id))
    return await send_json(request, replace(document, standing=standing(told)))


async def acknowledge(request: web.Request) -> web.StreamResponse:
    """Take an operator's word, for whoever may change something."""
    peer = changer(request, office_of(request))
    feedback = request.app.get(FEEDBACK)
    if feedback is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon scores nothing")
    word = await body_of(request, Acknowledgement)
    if len(word.reason) > LONGEST or not word.reason.isprintable():
        raise bad(f"reason must be a text of at most {LONGEST} printable characters")
    guest = find(request.app[LIVE].fleet, request.match_info["guest"])
    with told():
        return await send_json(request, await feedback.acknowledge(guest, word, peer))


def standing(told: Explanation) -> StandingDoc:
    """The engine's account of a guest as the API gives it."""
    return StandingDoc(
        trust=number(told.trust),
        ceiling=told.ceiling,
        repeats=told.repeats,
        terms=[_term(term) for term in told.terms],
        findings=[_finding(found) for found in told.findings],
        restore=[legible(line, LONGEST_TEXT) for line in told.restore],
        earliest=number(told.earliest),
    )


def _term(term: Term) -> TermDoc:
    return TermDoc(
        signal=term.signal,
        unit=term.unit,
        value=number(term.value),
        expected=number(term.expected),
        rarity=number(term.rarity),
        fleet_rarity=number(term.fleet_rarity),
        evidence=number(term.evidence),
        record=number(term.record),
        since=number(term.since),
        share=number(term.share),
    )


def _finding(found: OpenFinding) -> OpenFindingDoc:
    finding = found.finding
    return OpenFindingDoc(
        kind=legible(finding.kind, LONGEST_NAME),
        key=legible(finding.key, LONGEST_NAME),
        severity=found.severity,
        source=legible(finding.source, LONGEST_NAME),
        summary=legible(finding.summary, LONGEST_TEXT),
        ceiling=found.ceiling,
        opened=number(found.opened),
    )
