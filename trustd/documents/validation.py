"""A document against a pydantic model: every problem at its place, all at once.

Cross references are checked in the same pass as the fields: what is wrong is cut
out of a copy of the tree until the rest is valid, and that rest is what the
caller's own checks see. So one misspelt key does not hide ten wrong references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trustd.documents.document import Document, Keys, M, did_you_mean
from trustd.documents.tree import Node
from trustd.errors import ConfigError, DocumentError, Problem

Refer = Callable[[M, Document, Document], Iterable[Problem]]
"""The caller's cross-reference checks.

Called with the model, the document that the model was made of (places in it are
those of the model, problems are made with it), and the document as written
(names in it exist, even where what stands under them is wrong).
"""

_QUOTED = re.compile(r"'([^']*)'")
_MOST_ROUNDS = 200


def load(
    text: str,
    path: str,
    model: type[M],
    error: type[DocumentError] = ConfigError,
    refer: Refer[M] | None = None,
) -> M:
    """Read and check one document.

    Args:
        text: the YAML text.
        path: the name that problems carry.
        error: the kind of error to raise.

    Raises:
        DocumentError: with every problem that the document has.
    """
    return validate(Document.read(text, path, error), model, error, refer)


def validate(
    document: Document,
    model: type[M],
    error: type[DocumentError] = ConfigError,
    refer: Refer[M] | None = None,
) -> M:
    """Check a document that was read (and perhaps overridden) before.

    Raises:
        DocumentError: with every problem that the document has.
    """
    problems = list(document.problems)
    rest = Document(document.text, document.path, document.root.copy())
    made = _salvage(rest, model, problems)
    if made is not None and refer is not None:
        wrong = [problem.key for problem in problems]
        problems.extend(p for p in refer(made, rest, document) if not _above(p.key, wrong))
    if problems or made is None:
        unique = dict.fromkeys(problems)
        raise error(tuple(sorted(unique, key=lambda p: (p.path, p.line, p.column))))
    return made


def _above(key: str, others: Iterable[str]) -> bool:
    """Whether something else is wrong at a place or inside it.

    What was wrong there is cut out, so what is said of the rest may be its consequence.
    """
    return any(other.startswith((f"{key}.", f"{key}[")) or other == key for other in others)


def _salvage(rest: Document, model: type[M], problems: list[Problem]) -> M | None:
    """Validate, note problems and cut them out, until what is left is valid.

    Cutting out a wrong value can leave its surroundings incomplete; that is a
    consequence of the same mistake and is not reported again.
    """
    reporting = True
    for _ in range(_MOST_ROUNDS):
        try:
            return model.model_validate(rest.data())
        except ValidationError as failed:
            details = failed.errors(include_url=False)
        if not isinstance(rest.root.value, dict):
            problems.append(rest.problem((), "the document must be a mapping of keys"))
            return None
        if reporting and _rename(rest, model, details, problems):
            continue
        cut: set[Keys] = set()
        for detail in details:
            keys, missing = _keys(rest, detail)
            if reporting:
                problems.append(_problem(rest, model, detail, keys))
            if missing and keys[0] in model.stand_ins:
                name = str(keys[0])
                rest.override((name,), model.stand_ins[name], rest.path)
            else:
                cut.add(keys[:-1] if missing else keys)
        if () in cut:
            return None
        # From the back, so that the indices in front stay what they are.
        for keys in sorted(cut, key=_order, reverse=True):
            _remove(rest.root, keys)
        reporting = False
    return None


def _order(keys: Keys) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, k, "") if isinstance(k, int) else (1, 0, k) for k in keys)


def _rename(
    rest: Document, model: type[M], details: list[ErrorDetails], problems: list[Problem]
) -> bool:
    """Give misspelt required keys their right name: two errors, but one mistake.

    Returns:
        Whether there was one, and so the rest is to be validated anew.
    """
    missing = [_keys(rest, d)[0] for d in details if d["type"] == "missing"]
    renamed = False
    for detail in details:
        if detail["type"] != "extra_forbidden":
            continue
        keys, _ = _keys(rest, detail)
        close = [k for k in missing if k[:-1] == keys[:-1] and did_you_mean(keys[-1], [str(k[-1])])]
        parent = rest.find(keys[:-1])
        if len(close) != 1 or parent is None or not isinstance(parent.node.value, dict):
            continue
        problems.append(_problem(rest, model, detail, keys))
        parent.node.value[str(close[0][-1])] = parent.node.value.pop(str(keys[-1]))
        missing.remove(close[0])
        renamed = True
    return renamed


def _keys(rest: Document, detail: ErrorDetails) -> tuple[Keys, bool]:
    """The path in the document of an error, and whether its last key is missing.

    Pydantic puts tags of unions and other words of its own into the path: what
    does not lead anywhere in the document is left out.
    """
    missing = detail["type"] == "missing"
    loc = detail["loc"]
    keys: list[str | int] = []
    for step in loc[:-1] if missing else loc:
        if rest.find((*keys, step)) is not None:
            keys.append(step)
    return ((*keys, loc[-1]) if missing else tuple(keys)), missing


def _problem(rest: Document, model: type[M], detail: ErrorDetails, keys: Keys) -> Problem:
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        known = known_keys(model, detail["loc"][:-1])
        hint = did_you_mean(keys[-1], known) or _listed(known)
        if keys[-1] == "<<":
            hint = "merge keys are not part of YAML 1.2"
        return rest.problem(keys, f'unknown key "{keys[-1]}"', hint, at_key=True)
    if kind == "missing":
        return rest.problem(keys, f'the key "{keys[-1]}" is missing')
    if kind in {"enum", "literal_error", "union_tag_invalid"}:
        context = detail.get("ctx", {})
        choices = _QUOTED.findall(str(context.get("expected") or context.get("expected_tags")))
        if kind == "union_tag_invalid":
            given = context.get("tag")
            keys = (*keys, str(context.get("discriminator", "")).strip("'"))
        hint = did_you_mean(given, choices)
        return rest.problem(keys, f'"{given}" is not one of {", ".join(choices)}', hint)
    if kind == "union_tag_not_found":
        name = str(detail.get("ctx", {}).get("discriminator", "")).strip("'")
        return rest.problem(keys, f'the key "{name}" is missing')
    if kind == "string_type" and isinstance(given, int | float | bool):
        written = str(given).lower() if isinstance(given, bool) else given
        return rest.problem(keys, "must be a text", f'put it in quotes: "{written}"')
    return rest.problem(keys, _worded(kind, detail["msg"]))


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


def _worded(kind: str, message: str) -> str:
    """Pydantic's message in the words of somebody who writes YAML."""
    if kind in _WORDS:
        return _WORDS[kind]
    return message.removeprefix("Value error, ").replace("Input should be", "must be")


def _listed(known: list[str]) -> str:
    return f"known here: {', '.join(known)}" if known else ""


def _remove(node: Node, keys: Keys) -> None:
    """Cut a value out of the tree; nothing happens where it is gone already."""
    for key in keys[:-1]:
        inside = node.value
        if isinstance(inside, dict) and (entry := inside.get(str(key))) is not None:
            node = entry.node
        elif isinstance(inside, list) and isinstance(key, int) and key < len(inside):
            node = inside[key]
        else:
            return
    last = keys[-1]
    if isinstance(node.value, dict):
        node.value.pop(str(last), None)
    elif isinstance(node.value, list) and isinstance(last, int) and last < len(node.value):
        del node.value[last]


@cache
def _schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema(by_alias=True)


def known_keys(model: type[M], loc: tuple[str | int, ...]) -> list[str]:
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
