"""A document that was read: its values, its places, and problems at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from trustd.documents.tree import Entry, Malformed, Node, parse, resolve
from trustd.errors import DocumentError, Problem

Keys = tuple[str | int, ...]
"""A path of keys and indices, from the root."""

_WIDTH = 100
_MOST_WORDS = 500
_MOST_LISTED = 20

MOST_PROBLEMS = 200
"""More than anybody reads; what is beyond is found once these are mended."""


class Strict(BaseModel):
    """The base of every part of a document: unknown keys are refused.

    Attributes:
        stand_ins: for a whole document, what takes the place of a required key that is
            missing or wrong, so that the rest of the document is checked all the same.
    """

    stand_ins: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=Strict)


class Document:
    """One YAML document with the place of every value.

    Args:
        lines: the whole text.
        path: the name that problems carry.
        root: the tree of its values.
        problems: mistakes that were found while reading, such as a key given twice.
    """

    def __init__(
        self, lines: Sequence[str], path: str, root: Node, problems: Iterable[Problem] = ()
    ) -> None:
        self.lines = lines
        self.path = path
        self.root = root
        self.problems = tuple(problems)

    @classmethod
    def read(cls, text: str, path: str, error: type[DocumentError]) -> Document:
        """Read YAML.

        Raises:
            DocumentError: of the kind ``error``, where the text is not YAML.
        """
        lines = text.split("\n")
        try:
            tree = parse(text)
        except Malformed as bad:
            excerpt = excerpt_of(lines, bad.line, bad.column)
            raise error(
                (Problem(path, bad.line, bad.column, "", bad.message, bad.hint, excerpt),)
            ) from bad
        problems = [
            Problem(
                path,
                line,
                column,
                dotted(keys),
                f'the key "{keys[-1]}" is given twice',
                f"the first is in line {first}",
                excerpt_of(lines, line, column),
            )
            for line, column, keys, first in tree.duplicates[:MOST_PROBLEMS]
        ]
        return cls(lines, path, tree.root, problems)

    def data(self) -> object:
        """The plain value of the whole document."""
        return self.root.data()

    def names(self, *keys: str | int) -> tuple[str, ...]:
        """The keys of the mapping at a place; none where there is no mapping."""
        entry = self.find(keys)
        return tuple(entry.node.value) if entry and isinstance(entry.node.value, dict) else ()

    def texts(self, *pattern: str) -> set[str]:
        """The texts at all places that fit a pattern; ``*`` is any key or index.

        A list at the end of the pattern gives its items, so that ``a`` and ``[a]`` are
        alike. What has another shape than the pattern is passed over.
        """
        nodes = [self.root]
        for step in pattern:
            nodes = [inner for node in nodes for inner in _fitting(node, step)]
        nodes += [item for node in nodes if isinstance(node.value, list) for item in node.value]
        return {node.value for node in nodes if isinstance(node.value, str)}

    def find(self, keys: Sequence[str | int]) -> Entry | None:
        """What stands at a place; None where nothing does."""
        here = Entry(self.root.line, self.root.column, self.root)
        for key in keys:
            step = _step(here.node, key)
            if step is None:
                return None
            here = step
        return here

    def problem(
        self, keys: Sequence[str | int], message: str, hint: str = "", *, at_key: bool = False
    ) -> Problem:
        """A problem at a place, or at the nearest place above it that exists.

        Args:
            at_key: point at the key instead of its value.
        """
        here = Entry(self.root.line, self.root.column, self.root)
        path: list[str | int] = []
        found = True
        for key in keys:
            step = _step(here.node, key) if found else None
            found = step is not None
            here = step or here
            # In a copy from which items were cut, say the index as written.
            path.append(max(here.node.index, key) if found and isinstance(key, int) else key)
        by_key = at_key and found
        line = here.line if by_key else here.node.line
        column = here.column if by_key else here.node.column
        return Problem(
            here.node.source or self.path,
            line,
            column,
            dotted(path),
            message,
            hint,
            excerpt_of(self.lines, line, column),
        )

    def override(self, keys: Sequence[str], text: str, source: str) -> None:
        """Set one value from outside the text, say from the environment.

        Args:
            text: a YAML scalar.
            source: what problems with it are said to be in.
        """
        if not isinstance(self.root.value, dict):
            self.root = Node(0, 0, {}, source)
        here = self.root
        for key in keys[:-1]:
            inside = here.value
            entry = inside.get(key) if isinstance(inside, dict) else None
            if entry is None or not isinstance(entry.node.value, dict):
                entry = Entry(0, 0, Node(0, 0, {}, source))
                if isinstance(inside, dict):
                    inside[key] = entry
            here = entry.node
        if isinstance(here.value, dict):
            here.value[keys[-1]] = Entry(0, 0, Node(0, 0, resolve(text), source))


def _step(node: Node, key: str | int) -> Entry | None:
    if isinstance(node.value, dict):
        return node.value.get(str(key))
    if isinstance(node.value, list) and isinstance(key, int) and 0 <= key < len(node.value):
        item = node.value[key]
        return Entry(item.line, item.column, item)
    return None


def _fitting(node: Node, step: str) -> list[Node]:
    """The values directly below a node whose key fits."""
    if isinstance(node.value, dict):
        return [e.node for key, e in node.value.items() if step in {"*", key}]
    return list(node.value) if isinstance(node.value, list) and step == "*" else []


def dotted(keys: Sequence[str | int]) -> str:
    """A key path as people write it.

    >>> dotted(("roles", "web", "permits", 0, "actions"))
    'roles.web.permits[0].actions'
    """
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint with the known word that is nearest to what was written.

    >>> did_you_mean("actionz", ["actions", "object"])
    'did you mean "actions"?'
    """
    written, words = str(word), sorted(set(known))
    if len(words) > _MOST_WORDS:
        words = [each for each in words if each[:1] == written[:1]][:_MOST_WORDS]
    close = get_close_matches(written, words, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def nearest_or_all(word: object, known: Iterable[str]) -> str:
    """A hint with the nearest known word, or else with all of them, or some of many.

    >>> nearest_or_all("x", ["read", "write"])
    'known: read, write'
    """
    words = sorted(set(known))
    more = f" and {len(words) - _MOST_LISTED:,} more" if len(words) > _MOST_LISTED else ""
    listed = ", ".join(words[:_MOST_LISTED]) or "none"
    return did_you_mean(word, words) or f"known: {listed}{more}"


def excerpt_of(lines: Sequence[str], line: int, column: int) -> str:
    """Three lines around a place, with a caret under it; empty without a place.

    >>> print(excerpt_of(["a: 1", "bb: x", "c: 3"], 2, 5))
        1 | a: 1
        2 | bb: x
          |     ^
        3 | c: 3
    """
    if not line:
        return ""
    start = max(0, column - _WIDTH + 20)
    shown: list[str] = []
    for number in range(max(1, line - 1), min(len(lines), line + 1) + 1):
        part = lines[number - 1][start : start + _WIDTH].replace("\t", " ").rstrip()
        shown.append(f"{number:5d} | {part}".rstrip())
        if number == line:
            shown.append(f"{'':5} | {' ' * (column - 1 - start)}^")
    return "\n".join(shown)
