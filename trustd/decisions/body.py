"""Reading what a client sends, strictly: what is not clearly said is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from trustd.errors import TrustdError
from trustd.policy import Labels

_BLANKS = b" \t\r\n"
MOST_VALUES = 256
"""Values of one property, and properties of one thing, beyond which the rest is left out."""


class Malformed(TrustdError):
    """What was sent cannot be a question."""

    status = HTTPStatus.BAD_REQUEST


class TooLarge(Malformed):
    """More was sent than is read."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def parse(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON may be
    """The value of a JSON text in which no object has a key twice.

    Raises:
        Malformed: it is not.

    >>> parse(b'{"a": 1}')
    {'a': 1}
    >>> parse(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    trustd.decisions.body.Malformed: a key is given twice
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from None
    # Which of two equal keys counts, two readers may see differently. What is written again
    # as it was, and most is, had none. Else there are as many keys as quotes before colons, if
    # nothing is escaped. A text that begins with a blank and a colon looks like one more, and
    # then each object is looked at.
    try:
        again = orjson.dumps(value)
        if again != body and (
            b"\\" in body or body.translate(None, _BLANKS).count(b'":') != again.count(b'":')
        ):
            json.loads(body, object_pairs_hook=_once)
    except (RecursionError, orjson.JSONEncodeError):
        raise Malformed("nested too deeply") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Malformed("a key is given twice")


def labels(properties: Mapping[str, Any]) -> Labels:
    """Properties as labels: texts, numbers, truth values, and lists of them.

    >>> labels({"job": "clerk", "level": 3, "vip": True, "in": ["a", "b"], "more": {"x": 1}})
    {'job': 'clerk', 'level': '3', 'vip': 'true', 'in': ('a', 'b')}
    """
    found: dict[str, str | tuple[str, ...]] = {}
    for name, value in list(properties.items())[:MOST_VALUES]:
        if isinstance(value, list):
            texts = (_text(item) for item in value[:MOST_VALUES])
            found[name] = tuple(text for text in texts if text is not None)
        elif (text := _text(value)) is not None:
            found[name] = text
    return found


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def is_text(value: object) -> bool:
    r"""Whether a value is a text that can be told on: no half of a character in it.

    >>> is_text("a"), is_text("\ud800"), is_text(None)
    (True, False, False)
    """
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False
