"""What every way of telling has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trustd.errors import TrustdError
from trustd.model import Notice


class NotifyError(TrustdError):
    """A receiver was not told; it is tried again."""


class Declined(NotifyError):
    """A receiver will not have this notice, however often it is told."""


class Channel(Protocol):
    """A way to tell one receiver. It keeps nothing between two calls.

    Attributes:
        at_once: notices that one call takes.
        renew: seconds after which a receiver forgets what is not told again; 0 where
            it never does.
    """

    at_once: int
    renew: float

    def send(self, notices: Sequence[Notice]) -> None:
        """Tell these notices, all or none, within the channel's own deadline.

        Raises:
            Declined: to try again is useless.
            NotifyError: the receiver was not told, or did not confirm.
        """
