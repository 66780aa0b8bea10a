"""YAML text as a tree of values that know their places.

The YAML 1.2 core schema: ``no``, ``on`` and ``2026-01-01`` are strings, ``0o17``
is a number, and a key is always the text that was written. Aliases are allowed
but counted as what they stand for, so that a few lines cannot become a billion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

Scalar = str | int | float | bool | None

MOST_CHARACTERS = 2_000_000
MOST_NODES = 200_000
MOST_DEPTH = 40
_MOST_DIGITS = 300

_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEAN = {text: text.lower() == "true" for text in (*_TRUE, *_FALSE)}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"


class Malformed(Exception):
    """The text is not YAML, or more of it than is read.

    Args:
        line, column: from 1.
    """

    def __init__(self, message: str, line: int, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.hint = message, line, column, hint


@dataclass(slots=True)
class Node:
    """A value and its place.

    Args:
        line, column: from 1; 0 where the value is not from the text.
        value: a scalar, the items of a list, or the entries of a mapping.
        source: where a value that is not from the text comes from.
        size, height: nodes and levels below and with this one, aliases expanded.
        index: in a copy, where it stood in its list as written.
    """

    line: int
    column: int
    value: Scalar | list[Node] | dict[str, Entry]
    source: str = ""
    size: int = 1
    height: int = 1
    index: int = -1

    def data(self) -> object:
        """The plain value: scalars, lists and dictionaries."""
        if isinstance(self.value, dict):
            return {key: entry.node.data() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [node.data() for node in self.value]
        return self.value

    def copy(self) -> Node:
        """The same tree, to be changed apart; aliases become copies."""
        value = self.value
        if isinstance(value, dict):
            value = {k: Entry(e.line, e.column, e.node.copy()) for k, e in value.items()}
        elif isinstance(value, list):
            value = [node.copy() for node in value]
            for index, node in enumerate(value):
                node.index = index
        return Node(self.line, self.column, value, self.source)


@dataclass(slots=True)
class Entry:
    """A key's place, and what stands under it."""

    line: int
    column: int
    node: Node


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end was not reached yet."""

    node: Node
    anchor: str | None
    key: Node | None = None


@dataclass(slots=True)
class Tree:
    """The root of a document, and its mistakes that are no hindrance to reading on.

    Args:
        duplicates: (line, column, key path, line of the first) of keys that are
            given twice; the first one stands.
    """

    root: Node
    duplicates: list[tuple[int, int, tuple[str | int, ...], int]] = field(default_factory=list)


def parse(text: str) -> Tree:
    """Read one YAML document.

    Raises:
        Malformed: it is not YAML, is too large or too deep, or has more than one
            document.

    >>> parse("{zone: no, size: 0x10, on: [1e3, ~]}").root.data()
    {'zone': 'no', 'size': 16, 'on': [1000.0, None]}
    """
    if len(text) > MOST_CHARACTERS:
        raise Malformed(
            f"the document is larger than {MOST_CHARACTERS:,} characters", 1, 1, "split it"
        )
    try:
        return _Builder().build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = error.problem or str(error)
        raise Malformed(message, line, column, error.context or "") from error
    except yaml.reader.ReaderError as error:
        # The C reader counts bytes of UTF-8.
        before = text.encode()[: error.position].decode(errors="ignore")
        line = before.count("\n") + 1
        raise Malformed(
            f"a character that YAML does not allow ({error.reason})",
            line,
            len(before) - before.rfind("\n"),
        ) from error
    except UnicodeEncodeError as error:
        raise Malformed("the text is not valid Unicode", 1, 1) from error


class _Builder:
    """Builds the tree from the parser's events, without recursion."""

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None
        self._duplicates: list[tuple[int, int, tuple[str | int, ...], int]] = []
        self._count = 0

    def build(self, events: Iterator[yaml.Event]) -> Tree:
        for event in events:
            mark = event.start_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            if isinstance(event, yaml.ScalarEvent):
                self._close(Node(line, column, _scalar(event, line, column)), event.anchor, event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open(event, line, column)
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self._stack.pop()
                self._close(done.node, done.anchor, None)
            elif isinstance(event, yaml.AliasEvent):
                self._close(self._alias(event, line, column), None, None)
            elif isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise Malformed("a second document begins here; one is expected", line, column)
        return Tree(self._root or Node(1, 1, None), self._duplicates)

    def _open(self, event: yaml.CollectionStartEvent, line: int, column: int) -> None:
        if event.tag not in {None, "!", f"{_CORE}map", f"{_CORE}seq"}:
            raise Malformed(f"the tag {event.tag} is not understood here", line, column)
        if len(self._stack) >= MOST_DEPTH:
            raise Malformed(f"nested deeper than {MOST_DEPTH} levels", line, column)
        empty: dict[str, Entry] | list[Node] = (
            {} if isinstance(event, yaml.MappingStartEvent) else []
        )
        self._stack.append(_Open(Node(line, column, empty), event.anchor))

    def _alias(self, event: yaml.AliasEvent, line: int, column: int) -> Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise Malformed(f"the alias *{event.anchor} has no finished anchor", line, column)
        if len(self._stack) + node.height > MOST_DEPTH:
            raise Malformed(f"nested deeper than {MOST_DEPTH} levels", line, column)
        self._count += node.size - 1
        return node

    def _close(self, node: Node, anchor: str | None, event: yaml.ScalarEvent | None) -> None:
        """Put a finished node where it belongs."""
        self._count += 1
        if self._count > MOST_NODES:
            raise Malformed(
                f"more than {MOST_NODES:,} values, aliases counted", node.line, node.column
            )
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        inside = top.node.value
        if isinstance(inside, list):
            inside.append(node)
        elif top.key is None:
            if event is None:
                raise Malformed("a key must be a plain text", node.line, node.column)
            top.key = Node(node.line, node.column, event.value)
            return
        elif isinstance(inside, dict):
            self._enter(inside, top.key, node)
            top.key = None
        top.node.size += node.size
        top.node.height = max(top.node.height, node.height + 1)

    def _enter(self, mapping: dict[str, Entry], key: Node, node: Node) -> None:
        name = str(key.value)
        first = mapping.get(name)
        if first is None:
            mapping[name] = Entry(key.line, key.column, node)
            return
        path = tuple(_step(outer) for outer in self._stack[:-1])
        self._duplicates.append((key.line, key.column, (*path, name), first.line))


def _step(outer: _Open) -> str | int:
    """The key or index under which the next inner value stands."""
    if isinstance(outer.node.value, list):
        return len(outer.node.value)
    return str(outer.key.value) if outer.key else ""


def _scalar(event: yaml.ScalarEvent, line: int, column: int) -> Scalar:
    text: str = event.value
    tag = event.tag
    if tag in {"!", f"{_CORE}str"} or (tag is None and event.style):
        return text
    try:
        if tag is None:
            return resolve(text)
        if tag in {f"{_CORE}{name}" for name in ("null", "bool", "int", "float")}:
            return resolve(text)
    except ValueError as error:
        raise Malformed(str(error), line, column) from error
    raise Malformed(f"the tag {tag} is not understood here", line, column)


def resolve(text: str) -> Scalar:
    """A plain scalar's value by the YAML 1.2 core schema.

    Raises:
        ValueError: a number with hundreds of digits.

    >>> [resolve(text) for text in ("yes", "010", "0o10", "1_000", "12:30", ".5", "True", "~")]
    ['yes', 10, 8, '1_000', '12:30', 0.5, True, None]
    """
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text) or _REAL.fullmatch(text):
        if len(text) > _MOST_DIGITS:
            raise ValueError("a number with hundreds of digits")
        if text.startswith(("0o", "0x")):
            return int(text, 0)
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
