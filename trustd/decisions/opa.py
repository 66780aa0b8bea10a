"""OPA's Data API, as Ceph RGW, MinIO and oslo.policy.opa speak it.

RGW sends every secret key of the user in clear. Nothing of a body is kept or told on
but what the question is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from trustd.config import Dialect
from trustd.decisions.authzen import JSON, question_of
from trustd.decisions.body import Malformed, labels, parse
from trustd.decisions.desk import POLICY, Desk
from trustd.decisions.question import Asked, Asker, Question

Document = Mapping[str, Any]

BUCKET = "bucket"
_BY_METHOD = {"GET": "read", "HEAD": "read", "PUT": "write", "POST": "write", "DELETE": "delete"}
_SETTINGS = frozenset(
    [
        "accelerate",
        "acl",
        "cors",
        "encryption",
        "lifecycle",
        "logging",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "tagging",
        "versioning",
        "website",
    ]
)
"""Sub-resources of S3 by which a bucket's own settings are read or changed."""


class Data:
    """The one endpoint: whatever the path, ``{"result": true}`` or false."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ask(self, request: web.Request, asker: Asker) -> web.Response:
        """``POST /opa/v1/data/...``; what is no question is answered with no."""
        try:
            question = asked(await request.read(), request.match_info.get("rule", ""), asker)
        except Malformed:
            return denied()
        decision = await self._desk.point.decide(asker, question)
        body = orjson.dumps({"result": decision.permit})
        return web.Response(body=body, headers=JSON | {POLICY: decision.policy})


def routes(desk: Desk) -> tuple[tuple[str, str, Callable[..., Any]], ...]:
    """Method, path and handler of each endpoint."""
    handler = desk.ask(Dialect.OPA, Data(desk).ask, refused, denied)
    return (
        ("POST", "/opa/v1/data", handler),
        ("POST", "/opa/v1/data/{rule:.*}", handler),
    )


def denied() -> web.Response:
    """The answer to what cannot be answered."""
    return web.Response(body=b'{"result":false}', headers=JSON)


def refused() -> web.Response:
    """What everybody hears who may not ask."""
    return web.Response(status=HTTPStatus.UNAUTHORIZED, body=b'{"result":false}', headers=JSON)


def asked(body: bytes, rule: str, asker: Asker) -> Asked:
    """The question in a body, by the keys by which its sender can be told.

    Args:
        rule: the rest of the path; it names the rule that oslo.policy asks about.

    Raises:
        Malformed: it is none.
    """
    document = parse(body)
    given = document.get("input") if isinstance(document, dict) else None
    if not isinstance(given, dict):
        raise Malformed("there is no input")
    if "user_info" in given:
        return _rgw(given, asker)
    if "account" in given:
        return _minio(given, asker)
    if "credentials" in given:
        return keystone(rule.removesuffix("/allow").replace("/", ":"), given, asker)
    return question_of(given)


def keystone(rule: object, given: Document, asker: Asker) -> Question:
    """The question in the terms of oslo.policy: a rule, a target and credentials.

    The rule is the action; what stands before its first colon is the type of the object.

    Raises:
        Malformed: it is none.
    """
    credentials, target = _object(given, "credentials"), _object(given, "target")
    if not isinstance(rule, str) or not rule:
        raise Malformed("there is no rule")
    kind = rule.partition(":")[0]
    ids = (target.get(name) for name in ("id", "uuid", f"{kind}_id"))
    identity = next((each for each in ids if isinstance(each, str)), "")
    return Question(
        asker.subject,
        _text(credentials, "user_id"),
        rule,
        kind,
        identity,
        labels(credentials),
        labels(target),
    )


def _rgw(given: Document, asker: Asker) -> Question:
    """Ceph RGW: a method on a bucket, or on an object in it."""
    method, user = _text(given, "method"), _text(_object(given, "user_info"), "user_id")
    named = bool(given.get("object_name"))
    if method not in _BY_METHOD:
        raise Malformed("the method is not known")
    action = "list" if method == "GET" and not named else _BY_METHOD[method]
    params = given.get("params")
    if isinstance(params, str):
        subresources = {key for key, _ in parse_qsl(params.lstrip("?"), keep_blank_values=True)}
        if subresources & _SETTINGS:
            action = "configure"
    return Question(asker.subject, user, action, BUCKET, _rgw_bucket(given, named=named))


def _rgw_bucket(given: Document, *, named: bool) -> str:
    """The bucket's name, with its tenant before it where it has one."""
    if "bucket_info" in given:
        bucket = _object(_object(given, "bucket_info"), "bucket")
        tenant = bucket.get("tenant") or ""
        name = _text(bucket, "name")
        return f"{tenant}/{name}" if isinstance(tenant, str) and tenant else name
    # a bucket that is made, or the list of all: the path has at most one part
    parts = [part for part in _text(given, "decoded_uri").partition("?")[0].split("/") if part]
    if named or len(parts) > 1 or ".." in parts:
        raise Malformed("there is no bucket")
    return parts[0] if parts else ""


def _minio(given: Document, asker: Asker) -> Question:
    """MinIO: an action of S3 on a bucket."""
    bucket = given.get("bucket", "")
    if not isinstance(bucket, str):
        raise Malformed("there is no bucket")
    return Question(asker.subject, _text(given, "account"), _text(given, "action"), BUCKET, bucket)


def _object(given: Document, name: str) -> Document:
    found = given.get(name)
    if not isinstance(found, dict):
        raise Malformed(f"there is no {name}")
    return found


def _text(given: Document, name: str) -> str:
    found = given.get(name)
    if not isinstance(found, str) or not found:
        raise Malformed(f"there is no {name}")
    return found
