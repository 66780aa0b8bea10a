"""AuthZEN Authorization API 1.0: evaluation and evaluations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import hdrs, web

from trustd.config import Dialect
from trustd.decisions.body import Malformed, TooLarge, is_text, labels, parse
from trustd.decisions.desk import POLICY, Desk
from trustd.decisions.point import UNRECORDED
from trustd.decisions.question import LONGEST, Asker, Question
from trustd.model import Decision
from trustd.policy import Labels

_PLAIN_TYPE = "application/json"
JSON: dict[str, str] = {"Content-Type": _PLAIN_TYPE}
MOST_ITEMS = 10_000
PATIENCE = 10.0
"""Seconds for a body to arrive."""
REASONS = "trustd_reasons"
"""A member of ``context`` by which a caller asks for the reason of a decision."""

Document = Mapping[str, Any]
Answer = dict[str, Any]

_SEMANTICS: Mapping[str, Callable[[Decision], bool] | None] = {
    "execute_all": None,
    "deny_on_first_deny": lambda decision: not decision.permit,
    "permit_on_first_permit": lambda decision: decision.permit,
}
_PLAIN: Mapping[bool, Answer] = {True: {"decision": True}, False: {"decision": False}}


class Evaluation:
    """The two endpoints that decide."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def one(self, request: web.Request, asker: Asker) -> web.Response:
        """``POST /access/v1/evaluation``."""
        try:
            document = await read(request)
            return await self._single(asker, document)
        except Malformed as error:
            return bad(error)

    async def many(self, request: web.Request, asker: Asker) -> web.Response:
        """``POST /access/v1/evaluations``."""
        try:
            document = await read(request)
            items, stop = _batch(document)
            if not items:
                return await self._single(asker, document)
            return await self._several(asker, document, items, stop)
        except Malformed as error:
            return bad(error)

    async def _single(self, asker: Asker, document: Document) -> web.Response:
        question = question_of(document)
        decision = await self._desk.point.decide(asker, question)
        answer = self._answer(asker, question, decision, reasons=wants_reason(document))
        return answered(answer, decision.policy)

    async def _several(
        self,
        asker: Asker,
        document: Document,
        items: Sequence[Any],
        stop: Callable[[Decision], bool] | None,
    ) -> web.Response:
        asked = _questions(document, items)
        if stop is _SEMANTICS["deny_on_first_deny"]:
            # a broken item is a denial: nothing behind it is decided
            broken = (n for n, each in enumerate(asked, 1) if isinstance(each, Malformed))
            asked = asked[: next(broken, len(asked))]
        valid = [each for each in asked if isinstance(each, Question)]
        policy = self._desk.point.world.policy.id
        decisions = await self._desk.point.decide_all(asker, valid, stop)
        if decisions:
            policy = decisions[-1].policy
        everywhere = wants_reason(document)
        if len(valid) == len(asked) and not everywhere and "context" not in _members(items):
            # nothing broken and no reasons asked for: every answer is one of two
            return answered({"evaluations": [_PLAIN[d.permit] for d in decisions]}, policy)
        answers: list[Answer] = []
        left = iter(decisions)
        for item, each in zip(items, asked, strict=False):
            if isinstance(each, Malformed):
                answers.append(_broken(each))
                continue
            decision = next(left, None)
            if decision is None:
                break
            if everywhere or ("context" in item and wants_reason(item)):
                answers.append(self._answer(asker, each, decision, reasons=True))
            else:
                answers.append(_PLAIN[decision.permit])
            if stop is not None and stop(decision):
                break
        return answered({"evaluations": answers}, policy)

    def _answer(
        self, asker: Asker, question: Question, decision: Decision, *, reasons: bool
    ) -> Answer:
        if not reasons:
            return _PLAIN[decision.permit]
        context: Answer = {
            "reason": decision.reason,
            "band": decision.band,
            "mode": decision.mode,
            "policy": decision.policy,
        }
        if decision.reason != UNRECORDED:
            told = self._desk.point.explain(asker, question)
            # the world may have moved on since: then the decision's own words must do
            if told.decision == decision:
                context |= {"text": told.text, "nearest": told.nearest}
        return {"decision": decision.permit, "context": context}


def routes(desk: Desk) -> tuple[tuple[str, str, Callable[..., Any]], ...]:
    """Method, path and handler of each endpoint."""
    here = Evaluation(desk)

    def asked(handler: Callable[..., Any]) -> Callable[..., Any]:
        return desk.ask(Dialect.AUTHZEN, handler, refused)

    return (
        ("POST", "/access/v1/evaluation", asked(here.one)),
        ("POST", "/access/v1/evaluations", asked(here.many)),
    )


async def read(request: web.Request) -> Document:
    """The JSON object that a request carries.

    Raises:
        Malformed: it carries none.
    """
    # the plain header is looked at first: to parse it costs more than to decide
    if (
        request.headers.get(hdrs.CONTENT_TYPE) != _PLAIN_TYPE
        and request.content_type != _PLAIN_TYPE
    ):
        raise Malformed("the Content-Type must be application/json")
    document = parse(await _body(request))
    if not isinstance(document, dict):
        raise Malformed("the body must be a JSON object")
    return document


async def _body(request: web.Request) -> bytes:
    try:
        if request.content.is_eof():
            # it came with its head: there is nothing to wait for
            return await request.read()
        async with asyncio.timeout(PATIENCE):
            return await request.read()
    except TimeoutError:
        raise Malformed(f"the body did not come within {PATIENCE:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge("the body is too large: ask in several batches") from None


def question_of(document: Document) -> Question:
    """The question that a request or an item asks.

    Raises:
        Malformed: something is missing or of the wrong type.
    """
    return _plain_question(document) or _whole_question(document)


def _plain_question(document: Document) -> Question | None:
    """The question where nothing but texts makes it up, as in almost all; else None."""
    try:
        subject, action = document["subject"], document["action"]
        resource = document["resource"]
        texts = (
            subject["type"],
            subject["id"],
            action["name"],
            resource["type"],
            resource["id"],
        )
        # one pass over all five tells whether they are texts, and not too long
        length = len("".join(texts))
    except (KeyError, TypeError):
        return None
    # nothing stands beside them: counting keys is quicker than looking for each that may
    if len(subject) + len(action) + len(resource) != len(texts) or "context" in document:
        return None
    # a named tuple's own constructor is Python, and costs as much as all of this
    return tuple.__new__(Question, (*texts, None, None)) if length <= LONGEST else None


def _whole_question(document: Document) -> Question:
    kind, identity, brought = entity(document, "subject")
    action = named(document)
    object_type, object_, attached = entity(document, "resource")
    member(document, "context")
    return Question(kind, identity, action, object_type, object_, brought, attached)


def entity(document: Document, name: str, *, whole: bool = True) -> tuple[str, str, Labels | None]:
    """Type, id and properties of a subject or a resource.

    Args:
        whole: whether it must have an id; else an id is passed over.
    """
    given = member(document, name, needed=True)
    properties = member(given, "properties", of=name)
    found = labels(properties) if properties else None
    return text(given, "type", of=name), text(given, "id", of=name) if whole else "", found


def named(document: Document) -> str:
    """The name of the action."""
    action = member(document, "action", needed=True)
    member(action, "properties", of="action")
    return text(action, "name", of="action")


def member(document: Document, name: str, *, needed: bool = False, of: str = "") -> Document:
    """A member that is an object; an empty one where it may be absent and is."""
    found = document.get(name)
    if found is None and name not in document and not needed:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{of}{'.' if of else ''}{name} must be an object")
    return found


def text(document: Document, name: str, *, of: str) -> str:
    """A member that is a text."""
    found = document.get(name)
    if not isinstance(found, str):
        raise Malformed(f"{of}.{name} must be a string")
    if len(found) > LONGEST:
        raise Malformed(f"{of}.{name} must have at most {LONGEST} characters")
    return found


def wants_reason(document: Document) -> bool:
    """Whether a request asks for reasons."""
    context = document.get("context") if isinstance(document, dict) else None
    return isinstance(context, dict) and context.get(REASONS) is True


def _batch(document: Document) -> tuple[Sequence[Any], Callable[[Decision], bool] | None]:
    """The items of a batch, none for a single question, and what ends it."""
    items = document.get("evaluations", [])
    if not isinstance(items, list):
        raise Malformed("evaluations must be a list")
    if len(items) > MOST_ITEMS:
        raise Malformed(f"evaluations must have at most {MOST_ITEMS} items")
    semantic = member(document, "options").get("evaluations_semantic", "execute_all")
    if not isinstance(semantic, str) or semantic not in _SEMANTICS:
        raise Malformed(f"options.evaluations_semantic must be one of {', '.join(_SEMANTICS)}")
    if items:
        for name in ("subject", "action", "resource", "context"):
            member(document, name)
    return items, _SEMANTICS[semantic]


def _questions(document: Document, items: Sequence[Any]) -> list[Question | Malformed]:
    """Each item's question, or what is wrong with it; an item's parts replace the defaults."""
    defaults = {
        name: document[name] for name in ("subject", "action", "resource") if name in document
    }
    found: list[Question | Malformed] = []
    for item in items:
        whole = {**defaults, **item} if defaults and isinstance(item, dict) else item
        question: Question | Malformed | None = _plain_question(whole)
        if question is None:
            try:
                if not isinstance(item, dict):
                    raise Malformed("an item must be an object")  # noqa: TRY301 - as any other
                question = _whole_question(whole)
            except Malformed as error:
                question = error
        found.append(question)
    return found


def _members(items: Sequence[Any]) -> Collection[str]:
    """Every member that some item has."""
    return set().union(*items)


def _broken(error: Malformed) -> Answer:
    problem = {"status": int(HTTPStatus.BAD_REQUEST), "message": str(error)}
    return {"decision": False, "context": {"error": problem}}


def answered(document: object, policy: str) -> web.Response:
    """An answer, with the policy that gave it."""
    return web.Response(body=orjson.dumps(document), headers=JSON | {POLICY: policy})


def bad(error: Malformed) -> web.Response:
    """What is wrong with a request, as a message."""
    message = str(error)
    body = orjson.dumps(message if is_text(message) else "malformed")
    return web.Response(status=error.status, body=body, headers=JSON)


def refused() -> web.Response:
    """What everybody hears who may not ask."""
    headers = JSON | {"WWW-Authenticate": "Bearer"}
    return web.Response(status=HTTPStatus.UNAUTHORIZED, body=b'"unauthorized"', headers=headers)
