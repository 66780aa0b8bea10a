"""Named sets of actions, resolved to the actions themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def resolve(name: str, sets: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The actions that a name stands for; a name of no set is an action itself.

    Raises:
        RecursionError: a set contains itself, which :func:`cycle` finds first.

    >>> sorted(resolve("io", {"io": ["ro", "write"], "ro": ["read", "list"]}))
    ['list', 'read', 'write']
    """
    return _resolve(name, sets, ())


def _resolve(
    name: str, sets: Mapping[str, Iterable[str]], above: tuple[str, ...]
) -> frozenset[str]:
    if name in above:
        raise RecursionError(name)
    if name not in sets:
        return frozenset((name,))
    inner = (_resolve(part, sets, (*above, name)) for part in sets[name])
    return frozenset().union(*inner)


def resolve_all(names: Iterable[str], sets: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The actions of several names together."""
    return frozenset().union(*(resolve(name, sets) for name in names))


def cycle(sets: Mapping[str, Iterable[str]]) -> str | None:
    """A set that contains itself; None where there is none.

    >>> cycle({"a": ["b"], "b": ["a"]}), cycle({"a": ["b"]})
    ('a', None)
    """
    for name in sets:
        try:
            resolve(name, sets)
        except RecursionError as found:
            return str(found)
    return None
