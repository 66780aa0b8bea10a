"""What is kept, where, and how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trustd.config.kinds import AbsolutePath
from trustd.documents import Bytes, Seconds, Strict


class AuditSettings(Strict):
    """How the audit trail is made fit to be checked.

    Args:
        anchors: a file to which its signed head is added, best on a disk that this
            host cannot rewrite; None for the log alone.
        every: seconds between two anchors; one is made only where the trail moved.
        check: seconds between two checks of the whole trail.
    """

    anchors: AbsolutePath | None = None
    every: Annotated[Seconds, Field(ge=1)] = 600.0
    check: Annotated[Seconds, Field(ge=1)] = 6 * 3600.0


class EvidenceSettings(Strict):
    """Where captures of guests are kept, and how much.

    Args:
        directory: None is ``evidence`` in the state directory.
        most: bytes that all captures together may take.
        free: bytes that stay free on that disk.
        each: captures that are kept of one guest.
    """

    directory: AbsolutePath | None = None
    most: Bytes = 20.0 * 2**30
    free: Bytes = 5.0 * 2**30
    each: Annotated[int, Field(ge=1)] = 4


LEAST_AUDIT = 183 * 86400.0
"""Seconds for which audit and access records are kept, unless less is forced."""


class StorageSettings(Strict):
    """How long the history of guests is kept in which detail, and how much of it.

    Args:
        raw: seconds for which every tick is kept.
        minutes, hours: seconds for which a point a minute and a point an hour are.
        most: bytes that the repository may take; above it the oldest detail goes first.
    """

    raw: Annotated[Seconds, Field(ge=3600)] = 48 * 3600.0
    minutes: Annotated[Seconds, Field(ge=86400)] = 14 * 86400.0
    hours: Annotated[Seconds, Field(ge=86400)] = 400 * 86400.0
    most: Annotated[Bytes, Field(ge=64 * 2**20)] = 10.0 * 2**30


class RetentionSettings(Strict):
    """How long records are kept.

    Args:
        audit: seconds for the audit trail and the decisions.
        guests: seconds for what is known of a guest that is not seen any more.
        incidents: seconds for an incident after it was resolved.
        notices: seconds for a notice that ended and that somebody could not be told.
        evidence: seconds for what other services reported, and to know it again.
        force: whether ``audit`` may be less than half a year.
    """

    audit: Annotated[Seconds, Field(ge=86400)] = LEAST_AUDIT
    guests: Annotated[Seconds, Field(ge=86400)] = 365 * 86400.0
    incidents: Annotated[Seconds, Field(ge=86400)] = 365 * 86400.0
    notices: Annotated[Seconds, Field(ge=3600)] = 30 * 86400.0
    evidence: Annotated[Seconds, Field(ge=86400)] = 90 * 86400.0
    force: bool = False
