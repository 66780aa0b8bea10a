"""What the API needs of whoever knows and changes who may do what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol

from aiohttp import web

from trustd.api.access_shapes import (
    CanList,
    DecisionList,
    DifferenceDoc,
    LabelChange,
    LabelsDoc,
    ObjectList,
    PolicyText,
    ReloadDoc,
    WhyDoc,
)
from trustd.api.peer import Peer
from trustd.api.then_shapes import ThenDoc
from trustd.errors import TrustdError
from trustd.model import Assessment, ObjectRef


class NotKnown(TrustdError):
    """Nothing is known of the time that is asked about."""


class Duty(StrEnum):
    """Whose part a change is."""

    OPERATE = "operate"
    """What ends by itself, or is a word on what happened."""
    ADMINISTER = "administer"
    """What lasts: labels, the policy, gates, protection, letting go on a hold."""


class Office(Protocol):
    """The access half of the daemon.

    Methods that are not said to block are called on the loop and are quick.
    """

    def why(self, guest: Assessment, action: str, target: ObjectRef) -> WhyDoc:
        """Why a guest may do something, or not."""

    def why_then(self, guest: str, action: str, target: ObjectRef, at: float) -> WhyDoc:
        """Why a guest was permitted something, or was not; blocks.

        Args:
            guest: its UUID, or its name at that time.
            at: epoch seconds.

        Raises:
            NotKnown: the repository does not say.
            StoreError: it cannot be read.
        """

    def then(self, guest: str, at: float) -> ThenDoc:
        """How a guest stood at a time that has passed, and why; blocks.

        Args:
            guest: its UUID, or its name at that time.
            at: epoch seconds.

        Raises:
            NotKnown: the repository does not say.
            StoreError: it cannot be read.
        """

    def can(self, guest: Assessment) -> CanList:
        """What a guest may do to every object that is known."""

    def policy(self) -> PolicyText:
        """The policy in force."""

    async def reload(self, *, force: bool, dry_run: bool, peer: Peer) -> ReloadDoc:
        """Take over the policy file.

        Raises:
            PolicyError: it is wrong; nothing was changed.
            TimeoutError: the line had no time for it.
        """

    def objects(self, kind: str | None) -> ObjectList:
        """The objects that are known, of one type or of all."""

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

    def may_change(self, peer: Peer, groups: Collection[int], duty: Duty) -> bool:
        """Whether somebody may change something.

        Args:
            groups: all that they are in.
            duty: whose part such a change is.
        """

    def refused(self, peer: Peer | None, what: Mapping[str, str]) -> None:
        """Journal that somebody asked for a change who may not."""


OFFICE = web.AppKey("office", Office)
