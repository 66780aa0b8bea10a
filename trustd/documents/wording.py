"""Pydantic's errors in the words of somebody who writes YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from trustd.documents.document import Document, Keys, did_you_mean, nearest_or_all
from trustd.errors import Problem

_QUOTED = re.compile(r"'([^']*)'")
_CHOICES = frozenset(("enum", "literal_error", "union_tag_invalid"))


def problem_of(
    document: Document, model: type[BaseModel], detail: ErrorDetails, keys: Keys
) -> Problem:
    """One error at its place.

    Args:
        keys: where in the document it is; the last one may be missing there.
    """
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(document, model, detail, keys)
    if kind in _CHOICES:
        return _no_choice(document, detail, keys)
    message, hint = _worded(detail, keys)
    return document.problem(keys, message, hint)


def _unknown(
    document: Document, model: type[BaseModel], detail: ErrorDetails, keys: Keys
) -> Problem:
    known = known_keys(model, detail["loc"][:-1])
    hint = nearest_or_all(keys[-1], known)
    if keys[-1] == "<<":
        hint = "merge keys are not part of YAML 1.2"
    return document.problem(keys, f'unknown key "{keys[-1]}"', hint, at_key=True)


def _no_choice(document: Document, detail: ErrorDetails, keys: Keys) -> Problem:
    given, context = detail["input"], detail.get("ctx", {})
    if detail["type"] == "union_tag_invalid":
        given = context["tag"]
        keys = (*keys, context["discriminator"].strip("'"))
    choices = _QUOTED.findall(str(context.get("expected") or context.get("expected_tags")))
    message = f'"{given}" is not one of {", ".join(choices)}'
    return document.problem(keys, message, did_you_mean(given, choices))


_WORDS = {
    "string_type": "must be a text",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a mapping of keys",
    "mapping_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
}


def _worded(detail: ErrorDetails, keys: Keys) -> tuple[str, str]:
    """A message, and a hint where there is one."""
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return f'the key "{keys[-1]}" is missing', ""
    if kind == "union_tag_not_found":
        return f"the key {context['discriminator']} is missing".replace("'", '"'), ""
    if kind == "too_short":
        return f"must have at least {context['min_length']} entries", ""
    if kind == "string_type" and isinstance(given, int | float | bool):
        written = str(given).lower() if isinstance(given, bool) else given
        return "must be a text", f'put it in quotes: "{written}"'
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return _WORDS.get(kind, message), ""


@cache
def _schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema(by_alias=True)


def known_keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that a model knows at a place, by its JSON Schema."""
    whole = _schema(model)
    places = [whole]
    for step in loc:
        places = [inner for place in places for inner in _inside(whole, place, step)] or places
    names = {
        n for place in places for s in _branches(whole, place) for n in s.get("properties", ())
    }
    return sorted(names)


def _branches(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """A schema with references and alternatives followed."""
    if "$ref" in schema:
        yield from _branches(whole, whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
        return
    yield schema
    for key in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(key, ()):
            yield from _branches(whole, one)


def _inside(
    whole: Mapping[str, Any], schema: Mapping[str, Any], step: str | int
) -> Iterable[Mapping[str, Any]]:
    for branch in _branches(whole, schema):
        mapping = branch.get("discriminator", {}).get("mapping", {})
        if isinstance(step, int):
            if "items" in branch:
                yield branch["items"]
        elif step in branch.get("properties", {}):
            yield branch["properties"][step]
        elif step in mapping:
            yield {"$ref": mapping[step]}
        elif isinstance(branch.get("additionalProperties"), dict):
            yield branch["additionalProperties"]
