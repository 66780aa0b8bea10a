"""AuthZEN Authorization API 1.0: evaluation and evaluations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast

import orjson
from aiohttp import hdrs, web
from multidict import CIMultiDict

from trustd.config import Dialect
from trustd.decisions.body import Malformed, TooLarge, is_text, labels, parse
from trustd.decisions.desk import POLICY, Desk
from trustd.decisions.point import UNRECORDED
from trustd.decisions.question import LONGEST, Asked, Asker, Plain, Question, whole
from trustd.model import Decision
from trustd.policy import Labels

_PLAIN_TYPE = "application/json"
JSON: dict[str, str] = {"Content-Type": _PLAIN_TYPE}
MOST_ITEMS = 10_000
PATIENCE = 10.0
"""Seconds for a body to arrive."""
_TOO_LARGE = "the body is too large: ask in several batches"
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
        wholes, everywhere = _wholes(document, items), wants_reason(document)
        plain = list(map(_plain_question, wholes))
        if all(plain) and not everywhere:
            # nothing is broken and no reason asked for: every answer is one of two
            decisions = await self._desk.point.decide_all(asker, cast("list[Plain]", plain), stop)
            answers = [_PLAIN[each.permit] for each in decisions]
            return answered({"evaluations": answers}, decisions[-1].policy)
        asked = [each or _read_question(item) for each, item in zip(plain, wholes, strict=True)]
        if stop is _SEMANTICS["deny_on_first_deny"]:
            # a broken item is a denial: nothing behind it is decided
            broken = (n for n, each in enumerate(asked, 1) if isinstance(each, Malformed))
            asked = asked[: next(broken, len(asked))]
        valid = [each for each in asked if isinstance(each, tuple)]
        policy = self._desk.point.world.policy.id
        decisions = await self._desk.point.decide_all(asker, valid, stop)
        if decisions:
            policy = decisions[-1].policy
        answers = []
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

    def _answer(self, asker: Asker, asked: Asked, decision: Decision, *, reasons: bool) -> Answer:
        if not reasons:
            return _PLAIN[decision.permit]
        context: Answer = {
            "reason": decision.reason,
            "band": decision.band,
            "mode": decision.mode,
            "policy": decision.policy,
        }
        if decision.reason != UNRECORDED:
            told = self._desk.point.explain(asker, whole(asked))
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
            # it came with its head: there is nothing to wait for, and no part to put to another
            body = request.content.read_nowait()
            if len(body) > request.client_max_size:
                raise TooLarge(_TOO_LARGE)
            return body
        async with asyncio.timeout(PATIENCE):
            return await request.read()
    except TimeoutError:
        raise Malformed(f"the body did not come within {PATIENCE:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(_TOO_LARGE) from None


def question_of(document: Document) -> Asked:
    """The question that a request or an item asks.

    Raises:
        Malformed: something is missing or of the wrong type.
    """
    return _plain_question(document) or _whole_question(document)


def _plain_question(document: Document) -> Plain | None:
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
    return texts if length <= LONGEST else None


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


def _wholes(document: Document, items: Sequence[Any]) -> Sequence[Any]:
    """Each item with the defaults that it does not replace; what is no object stays as it is."""
    defaults = {
        name: document[name] for name in ("subject", "action", "resource") if name in document
    }
    if not defaults:
        return items
    return [{**defaults, **item} if isinstance(item, dict) else item for item in items]


def _read_question(item: object) -> Question | Malformed:
    """An item's question, or what is wrong with it."""
    if not isinstance(item, dict):
        return Malformed("an item must be an object")
    try:
        return _whole_question(item)
    except Malformed as error:
        return error


def _broken(error: Malformed) -> Answer:
    problem = {"status": int(HTTPStatus.BAD_REQUEST), "message": str(error)}
    return {"decision": False, "context": {"error": problem}}


def answered(document: object, policy: str) -> web.Response:
    """An answer, with the policy that gave it."""
    return web.Response(body=orjson.dumps(document), headers=_head(policy))


@lru_cache(maxsize=2)
def _head(policy: str) -> CIMultiDict[str]:
    """The headers of every answer by one policy: to copy them costs less than to make them."""
    return CIMultiDict(JSON | {POLICY: policy})


def bad(error: Malformed) -> web.Response:
    """What is wrong with a request, as a message."""
    message = str(error)
    body = orjson.dumps(message if is_text(message) else "malformed")
    return web.Response(status=error.status, body=body, headers=JSON)


def refused() -> web.Response:
    """What everybody hears who may not ask."""
    headers = JSON | {"WWW-Authenticate": "Bearer"}
    return web.Response(status=HTTPStatus.UNAUTHORIZED, body=b'"unauthorized"', headers=headers)
