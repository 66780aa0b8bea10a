"""What the API needs of whoever knows and changes who may do what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from aiohttp import web

from trustd.api.access_shapes import (
    CanList,
    DecisionList,
    DifferenceDoc,
    LabelChange,
    LabelsDoc,
    PolicyText,
    WhyDoc,
)
from trustd.api.peer import Peer
from trustd.model import Assessment, ObjectRef


class Office(Protocol):
    """The access half of the daemon.

    Methods that are not said to block are called on the loop and are quick.
    """

    def why(self, guest: Assessment, action: str, target: ObjectRef) -> WhyDoc:
        """Why a guest may do something, or not."""

    def can(self, guest: Assessment) -> CanList:
        """What a guest may do to every object that is known."""

    def policy(self) -> PolicyText:
        """The policy in force."""

    def labels(self, kind: str, identity: str) -> LabelsDoc:
        """The labels of a guest or an object."""

    def decisions(self, *, subject: str | None, permit: bool | None, most: int) -> DecisionList:
        """The newest decisions that were recorded; blocks.

        Raises:
            StoreError: they cannot be read.
        """

    def difference(self, text: str, path: str) -> DifferenceDoc:
        """What another policy would change; blocks, and changes nothing.

        Raises:
            PolicyError: it is wrong.
        """

    def relabel(self, change: LabelChange, peer: Peer) -> LabelsDoc:
        """Change labels; blocks until it is stored and journalled.

        Raises:
            StoreError: nothing was changed.
        """

    def may_change(self, peer: Peer, groups: Collection[int]) -> bool:
        """Whether somebody may change something.

        Args:
            groups: all that they are in.
        """

    def refused(self, peer: Peer | None, what: Mapping[str, str]) -> None:
        """Journal that somebody asked for a change who may not."""


OFFICE = web.AppKey("office", Office)
