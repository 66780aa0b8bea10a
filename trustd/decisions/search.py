"""AuthZEN's searches and its metadata: whatever a decision would permit."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
from aiohttp import web

from trustd.config import Dialect
from trustd.decisions import authzen
from trustd.decisions.authzen import Document, answered, bad, entity, member, named, read
from trustd.decisions.body import Malformed
from trustd.decisions.desk import Desk
from trustd.decisions.point import AT_ONCE
from trustd.decisions.question import Asker, Question
from trustd.decisions.world import World

USUAL, MOST = 1000, 10_000
"""Results on a page where nobody says, and at most."""

Candidates = Iterable[tuple[str, Question]]
"""What may be found, by its name, in order."""


class Search:
    """The three endpoints that look for what is permitted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def subjects(self, request: web.Request, asker: Asker) -> web.Response:
        """``POST /access/v1/search/subject``."""

        def candidates(document: Document, world: World) -> tuple[str, Candidates]:
            kind, _, brought = entity(document, "subject", whole=False)
            action = named(document)
            type_, id_, attached = entity(document, "resource")
            known = world.subjects(kind)
            return kind, (
                (each, Question(kind, each, action, type_, id_, brought, attached))
                for each in known
            )

        return await self._search(request, asker, candidates)

    async def resources(self, request: web.Request, asker: Asker) -> web.Response:
        """``POST /access/v1/search/resource``."""

        def candidates(document: Document, world: World) -> tuple[str, Candidates]:
            kind, id_, brought = entity(document, "subject")
            action = named(document)
            type_, _, attached = entity(document, "resource", whole=False)
            known = world.objects(type_)
            return type_, (
                (each, Question(kind, id_, action, type_, each, brought, attached))
                for each in known
            )

        return await self._search(request, asker, candidates)

    async def actions(self, request: web.Request, asker: Asker) -> web.Response:
        """``POST /access/v1/search/action``."""

        def candidates(document: Document, world: World) -> tuple[str, Candidates]:
            kind, id_, brought = entity(document, "subject")
            type_, object_, attached = entity(document, "resource")
            known = sorted(world.policy.actions)
            return "", (
                (each, Question(kind, id_, each, type_, object_, brought, attached))
                for each in known
            )

        return await self._search(request, asker, candidates)

    async def metadata(self, _request: web.Request) -> web.Response:
        """``GET /.well-known/authzen-configuration``."""
        url = self._desk.url
        found = {
            "policy_decision_point": url,
            "access_evaluation_endpoint": f"{url}/access/v1/evaluation",
            "access_evaluations_endpoint": f"{url}/access/v1/evaluations",
        }
        for what in ("subject", "resource", "action"):
            found[f"search_{what}_endpoint"] = f"{url}/access/v1/search/{what}"
        return web.Response(body=orjson.dumps(found), headers=authzen.JSON)

    async def _search(
        self,
        request: web.Request,
        asker: Asker,
        candidates: Callable[[Document, World], tuple[str, Candidates]],
    ) -> web.Response:
        try:
            document = await read(request)
            member(document, "context")
            world = self._desk.point.world
            kind, found = candidates(document, world)
            page = _Page.of(document)
        except Malformed as error:
            return bad(error)
        names, more = await self._take(world, asker, found, page)
        results = [{"type": kind, "id": name} if kind else {"name": name} for name in names]
        answer: dict[str, Any] = {}
        if page.asked or more:
            answer["page"] = {"next_token": page.token(names[-1]) if more and names else ""}
        answer["results"] = results
        return answered(answer, world.policy.id)

    async def _take(
        self, world: World, asker: Asker, candidates: Candidates, page: _Page
    ) -> tuple[Sequence[str], bool]:
        """The names on a page, and whether there are more."""
        names: list[str] = []
        left: Iterator[tuple[str, Question]] = (
            each for each in candidates if page.after is None or each[0] > page.after
        )
        while some := list(islice(left, AT_ONCE)):
            by_question = {id(question): name for name, question in some}
            permitted = self._desk.point.permitted(world, asker, (question for _, question in some))
            names += [by_question[id(question)] for question in permitted]
            if len(names) > page.limit:
                return names[: page.limit], True
            await asyncio.sleep(0)
        return names, False


class _Page:
    """Which part of the results is asked for.

    A token says after which result to go on, how many results a page has, and of which
    question it is.
    """

    def __init__(self, *, asked: bool, limit: int, after: str | None, digest: str) -> None:
        self.asked = asked
        self.limit = limit
        self.after = after
        self._digest = digest

    @classmethod
    def of(cls, document: Document) -> _Page:
        """The page that a request asks for.

        Raises:
            Malformed: the limit is no number, or the token is not of this question.
        """
        page = member(document, "page")
        limit = page.get("limit")
        if limit is not None and (
            not isinstance(limit, int) or isinstance(limit, bool) or limit < 1
        ):
            raise Malformed("page.limit must be a positive integer")
        token = page.get("token", "")
        if not isinstance(token, str):
            raise Malformed("page.token must be a string")
        question = {
            name: document[name] for name in ("subject", "action", "resource") if name in document
        }
        canonical = orjson.dumps(question, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(canonical).hexdigest()[:16]
        after = None
        if token:
            after, before = _read_token(token, digest)
            limit = limit or before
        return cls(asked=bool(page), limit=min(limit or USUAL, MOST), after=after, digest=digest)

    def token(self, after: str) -> str:
        """The token of the page after this one."""
        written = orjson.dumps([after, self.limit, self._digest])
        return base64.urlsafe_b64encode(written).decode().rstrip("=")


def _read_token(token: str, digest: str) -> tuple[str, int]:
    try:
        padded = token + "=" * (-len(token) % 4)
        match orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
            case [str(after), int(limit), str(of)] if of == digest and limit > 0:
                return after, limit
    except (binascii.Error, ValueError):
        pass
    raise Malformed("page.token is not one of this question")


def routes(desk: Desk) -> tuple[tuple[str, str, Callable[..., Any]], ...]:
    """Method, path and handler of each endpoint."""
    here = Search(desk)

    def asked(handler: Callable[..., Any]) -> Callable[..., Any]:
        return desk.ask(Dialect.AUTHZEN, handler, authzen.refused)

    return (
        ("POST", "/access/v1/search/subject", asked(here.subjects)),
        ("POST", "/access/v1/search/resource", asked(here.resources)),
        ("POST", "/access/v1/search/action", asked(here.actions)),
        ("GET", "/.well-known/authzen-configuration", here.metadata),
    )
