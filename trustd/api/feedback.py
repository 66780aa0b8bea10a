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
    BandStepDoc,
    OpenFindingDoc,
    StandingDoc,
    TermDoc,
)
from trustd.api.handlers import LIVE
from trustd.api.office import Duty
from trustd.api.override_shapes import MovedDoc
from trustd.api.peer import Peer
from trustd.api.problems import RequestProblem, told
from trustd.api.query import find
from trustd.api.sending import send_json
from trustd.api.views import LONGEST_NAME, LONGEST_TEXT, explanation, number
from trustd.errors import NoSuchGuest
from trustd.metrics import legible
from trustd.model import Assessment, GuestId
from trustd.pipeline import Account, Step
from trustd.trust import OpenFinding, Term


class Feedback(Protocol):
    """Whoever asks the scoring engine, and tells it."""

    async def explain(self, guest: GuestId) -> Account:
        """The stored terms of a guest's trust, and its way back.

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
    peer = changer(request, office_of(request), Duty.OPERATE)
    feedback = request.app.get(FEEDBACK)
    if feedback is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon scores nothing")
    word = await body_of(request, Acknowledgement)
    if len(word.reason) > LONGEST or not word.reason.isprintable():
        raise bad(f"reason must be a text of at most {LONGEST} printable characters")
    guest = find(request.app[LIVE].fleet, request.match_info["guest"])
    with told():
        return await send_json(request, await feedback.acknowledge(guest, word, peer))


def standing(account: Account) -> StandingDoc:
    """The engine's account of a guest as the API gives it."""
    told = account.explanation
    return StandingDoc(
        trust=number(told.trust),
        ceiling=told.ceiling,
        repeats=told.repeats,
        terms=[_term(term) for term in told.terms],
        findings=[_finding(found) for found in told.findings],
        restore=[legible(line, LONGEST_TEXT) for line in told.restore],
        earliest=number(told.earliest),
        steps=[_step(step) for step in account.steps],
    )


def _step(step: Step) -> BandStepDoc:
    return BandStepDoc(
        band=step.band,
        enter=step.enter,
        dwell=step.dwell,
        earliest=number(step.earliest),
        gives=[
            MovedDoc(ref.type, legible(ref.id, LONGEST_TEXT), sorted(actions))
            for ref, actions in step.gives
        ],
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
