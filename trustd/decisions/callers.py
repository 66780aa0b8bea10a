"""Who may ask: by the kernel's word on the socket, by a token elsewhere."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from trustd.config import CallerSettings, DecisionSettings, Dialect
from trustd.decisions.question import ANYBODY, Asker


class Peer(Protocol):
    """Whoever is at the other end of a unix socket."""

    @property
    def uid(self) -> int:
        """The user's number."""

    @property
    def gid(self) -> int:
        """The number of its first group."""


def hashed(token: str) -> str:
    """The form in which a token stands in the settings.

    >>> hashed("open sesame")[:8]
    '41ef4bb0'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Callers:
    """The registered callers, and the dialects that are open to anybody."""

    def __init__(self, settings: DecisionSettings) -> None:
        self._open = settings.open
        self._callers = tuple(
            (each, {dialect: _asker(each, dialect) for dialect in each.dialects})
            for each in settings.callers
        )
        self._strangers = {dialect: replace(ANYBODY, dialect=dialect) for dialect in self._open}
        # looked up with every request that shows no token; the first caller that fits counts
        self._by_user: dict[tuple[Dialect, int], Asker] = {}
        self._by_group: dict[tuple[Dialect, int], Asker] = {}
        for caller, askers in self._callers:
            for dialect, asker in askers.items():
                if caller.user is not None:
                    self._by_user.setdefault((dialect, caller.user), asker)
                elif caller.group is not None:
                    self._by_group.setdefault((dialect, caller.group), asker)

    def identify(
        self, dialect: Dialect, peer: Peer | None, tokens: Iterable[str] = ()
    ) -> Asker | None:
        """Who asks; None for somebody who may not.

        A token is more exact than a user, and a user than a group. Whoever may not ask
        in this dialect is treated as if nobody knew them.

        Args:
            peer: None where the kernel does not say.
            tokens: that the request shows.
        """
        found = None
        if shown := [hashed(token) for token in tokens if token]:
            for settings, askers in self._callers:
                # every token is compared with every caller's, whatever was found already
                if settings.token is not None:
                    for digest in shown:
                        if hmac.compare_digest(digest, settings.token):
                            found = found or askers.get(dialect)
        if found is None and peer is not None:
            found = self._by_user.get((dialect, peer.uid)) or self._by_group.get(
                (dialect, peer.gid)
            )
        return found or self._strangers.get(dialect)

    def named(self, tokens: Iterable[str]) -> str | None:
        """Whose token one of these is, whatever it is for; None where it is nobody's."""
        shown = [hashed(token) for token in tokens if token]
        found = None
        for settings, _ in self._callers:
            if settings.token is not None:
                for digest in shown:
                    if hmac.compare_digest(digest, settings.token):
                        found = found or settings.name
        return found


def _asker(settings: CallerSettings, dialect: Dialect) -> Asker:
    return Asker(settings.name, dialect, settings.subject, settings.subjects, settings.objects)
