"""A document against a pydantic model: every problem at its place, all at once.

Cross references are checked in the same pass as the fields: what is wrong is cut
out of a copy of the tree until the rest is valid, and that rest is what the
caller's own checks see. So one misspelt key does not hide ten wrong references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trustd.documents.document import MOST_PROBLEMS, Document, Keys, M, did_you_mean
from trustd.documents.tree import Node
from trustd.documents.wording import problem_of
from trustd.errors import ConfigError, DocumentError, Problem

Refer = Callable[[M, Document, Document], Iterable[Problem]]
"""The caller's cross-reference checks.

Called with the model, the document that the model was made of (places in it are
those of the model, problems are made with it), and the document as written
(names in it exist, even where what stands under them is wrong).
"""

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
    rest = Document(document.lines, document.path, document.root.copy())
    made = _salvage(rest, model, problems)
    if made is not None and refer is not None:
        wrong = [problem.key for problem in problems]
        found = islice(refer(made, rest, document), MOST_PROBLEMS)
        problems.extend(p for p in found if not _above(p.key, wrong))
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
        few = len(problems) < MOST_PROBLEMS
        if reporting and few and _rename(rest, model, details, problems):
            continue
        cut: set[Keys] = set()
        for number, detail in enumerate(_independent(details)):
            keys, missing = _keys(rest, detail)
            if reporting and number < MOST_PROBLEMS:
                problems.append(problem_of(rest, model, detail, keys))
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


def _independent(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short only because some of their items are wrong."""
    above = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    return [d for d in details if d["type"] != "too_short" or d["loc"] not in above]


def _order(keys: Keys) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, k, "") if isinstance(k, int) else (1, 0, k) for k in keys)


def _rename(
    rest: Document, model: type[M], details: list[ErrorDetails], problems: list[Problem]
) -> bool:
    """Give misspelt required keys their right name: two errors, but one mistake.

    Returns:
        Whether there was one, and so the rest is to be validated anew.
    """
    missing: dict[Keys, list[str]] = {}
    for detail in details:
        if detail["type"] == "missing":
            keys, _ = _keys(rest, detail)
            missing.setdefault(keys[:-1], []).append(str(keys[-1]))
    renamed = False
    for detail in details[:MOST_PROBLEMS]:
        if detail["type"] != "extra_forbidden":
            continue
        keys, _ = _keys(rest, detail)
        lacking = missing.get(keys[:-1], [])
        close = [name for name in lacking if did_you_mean(keys[-1], [name])]
        parent = rest.find(keys[:-1])
        if len(close) != 1 or parent is None or not isinstance(parent.node.value, dict):
            continue
        problems.append(problem_of(rest, model, detail, keys))
        parent.node.value[close[0]] = parent.node.value.pop(str(keys[-1]))
        lacking.remove(close[0])
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
