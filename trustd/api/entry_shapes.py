"""The documents of admission: who asks to come in, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Door = Literal["", "block-write", "delete", "hibernate", "migrate", "save", "snapshot", "write"]
"""What a management client would do to a guest, in libvirt's words."""


@dataclass(frozen=True, slots=True)
class EntryQuestion:
    """May this happen?

    ``prepare`` (a start), ``migrate`` (an arrival), ``restore`` and ``release`` (it left, or
    did not come to run) are libvirt's hook's, and carry the guest's definition in ``xml``.
    ``manage`` is polkit's: ``user`` would do ``action`` to the ``guest`` of that UUID.
    """

    operation: Literal["prepare", "migrate", "restore", "release", "manage"]
    xml: str = ""
    guest: str = ""
    action: Door = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class EntryDoc:
    """Whether it may; where it may only because of observe mode, ``would_refuse``.

    ``text`` is one line for a person, empty where nothing stands against it.
    """

    permit: bool
    would_refuse: bool
    reason: str
    text: str
    guest: str
    band: str
    mode: str
    policy: str
