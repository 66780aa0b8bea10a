"""oslo.policy's ``http:`` check, as Nova, Cinder, Glance, Neutron and Keystone speak it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from trustd.config import Dialect
from trustd.decisions.body import Malformed, parse
from trustd.decisions.desk import POLICY, Desk
from trustd.decisions.opa import keystone
from trustd.decisions.question import Asker

_PARTS = ("rule", "target", "credentials")
_FORM = "application/x-www-form-urlencoded"


class Check:
    """The one endpoint: the text ``True`` allows, everything else does not."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ask(self, request: web.Request, asker: Asker) -> web.Response:
        """``POST /oslo/...``; what is no question is answered with no."""
        try:
            given = parts(await request.read(), form=request.content_type == _FORM)
            question = keystone(given["rule"], given, asker)
        except Malformed:
            return denied()
        decision = await self._desk.point.decide(asker, question)
        return web.Response(text=str(decision.permit), headers={POLICY: decision.policy})


def routes(desk: Desk) -> tuple[tuple[str, str, Callable[..., Any]], ...]:
    """Method, path and handler of each endpoint."""
    handler = desk.ask(Dialect.OSLO, Check(desk).ask, refused, denied)
    return (("POST", "/oslo", handler), ("POST", "/oslo/{rest:.*}", handler))


def denied() -> web.Response:
    """The answer to what cannot be answered."""
    return web.Response(text="False")


def refused() -> web.Response:
    """What everybody hears who may not ask."""
    return web.Response(status=HTTPStatus.UNAUTHORIZED, text="False")


def parts(body: bytes, *, form: bool) -> Mapping[str, Any]:
    """Rule, target and credentials, from a form of JSON texts or from one JSON object.

    Raises:
        Malformed: one is missing, or is not JSON.

    >>> parts(b"rule=%22a:b%22&target={}&credentials={}", form=True)
    {'rule': 'a:b', 'target': {}, 'credentials': {}}
    """
    given: Any = _fields(body) if form else parse(body)
    if not isinstance(given, dict) or not given.keys() >= set(_PARTS):
        raise Malformed("rule, target and credentials must be given")
    return {name: given[name] for name in _PARTS}


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=16, errors="strict"
        )
    except ValueError as error:
        raise Malformed(f"not a form: {error}") from None
    if len(dict(pairs)) != len(pairs):
        raise Malformed("a field is given twice")
    return {name: parse(value.encode()) for name, value in pairs if name in _PARTS}
