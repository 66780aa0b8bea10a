"""Who is told of what a person should hear of."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from trustd.config.kinds import AbsolutePath, Command, HookName, ReachableUrl
from trustd.documents import Seconds, Strict
from trustd.model import Severity


class ReceiverKind(StrEnum):
    """A way to tell somebody."""

    ALERTMANAGER = "alertmanager"
    WEBHOOK = "webhook"
    COMMAND = "command"
    JOURNALD = "journald"


class ReceiverSettings(Strict):
    """Somebody who is told.

    Args:
        url: of ``alertmanager`` and ``webhook``.
        token: a file with a bearer token for it.
        ca: a file of certificates that vouch for it, instead of the system's.
        secret: a file with the key by which ``webhook`` signs.
        command: of ``command``, a program and its arguments.
        severity: the mildest that it is told.
        timeout: seconds that telling may take.
    """

    name: HookName
    kind: ReceiverKind
    url: ReachableUrl = ""
    token: AbsolutePath | None = None
    ca: AbsolutePath | None = None
    secret: AbsolutePath | None = None
    command: Command = ()
    severity: Severity = Severity.MINOR
    timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 5.0


class NotifySettings(Strict):
    """Who is told of what a person should hear of.

    Args:
        bands: a guest in one of them is worth a notice; none for the worse half.
    """

    bands: frozenset[str] = frozenset()
    receivers: tuple[ReceiverSettings, ...] = ()
