"""Named sets of actions, resolved to the actions themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def resolve_all(names: Iterable[str], sets: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The actions that names stand for; a name of no set is an action itself.

    >>> sorted(resolve_all(["io", "send"], {"io": ["ro", "write"], "ro": ["read", "list"]}))
    ['list', 'read', 'send', 'write']
    """
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in sets:
            waiting.extend(sets[name])
        else:
            found.add(name)
    return frozenset(found)


def cycle(sets: Mapping[str, Iterable[str]]) -> str | None:
    """A set that contains itself; None where there is none.

    >>> cycle({"a": ["b"], "b": ["c", "a"]}), cycle({"a": ["b"], "c": ["b", "b"]})
    ('a', None)
    """
    # A set is done once all that it contains are; what never gets done is in a cycle,
    # or contains one.
    waiting = {name: {part for part in parts if part in sets} for name, parts in sets.items()}
    while True:
        done = {name for name, parts in waiting.items() if not parts}
        if not done:
            break
        waiting = {name: parts - done for name, parts in waiting.items() if name not in done}
    for name in waiting:
        inner = {part for part in sets[name] if part in waiting}
        reached: set[str] = set()
        while inner:
            part = inner.pop()
            if part not in reached:
                reached.add(part)
                inner |= {deeper for deeper in sets[part] if deeper in waiting}
        if name in reached:
            return name
    return None
