"""An object that the host itself knows: a volume of a pool, a network."""

from __future__ import annotations

from dataclasses import dataclass

from trustd.model.access import ObjectRef


@dataclass(frozen=True, slots=True)
class KnownObject:
    """One object and everything that it is called.

    Args:
        ref: its stable identity: a volume's key, a network's UUID.
        names: what else means it: path, ``pool/name``, a network's name and bridge.
    """

    ref: ObjectRef
    names: tuple[str, ...] = ()
