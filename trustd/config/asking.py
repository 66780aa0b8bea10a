"""Who may ask, how fast, and who may change something."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from trustd.config.kinds import Group, HttpsUrl, Loopback, User
from trustd.documents import Seconds, Strict


class ListenSettings(Strict):
    """The TCP endpoint for readers; there is no administration over it.

    Args:
        enabled: whether there is one.
        address: a loopback address.
        port: 0 takes a free one.
    """

    enabled: bool = True
    address: Loopback = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9747


class LimitSettings(Strict):
    """Requests a second that are answered in the long run, and twice as many at once.

    Args:
        tcp: over TCP, of everybody together.
        user: over the unix socket, of each user; questions for decisions do not count.
        decisions: questions for decisions over TCP, of everybody together.
    """

    tcp: Annotated[float, Field(ge=1, le=1e6)] = 100.0
    user: Annotated[float, Field(ge=1, le=1e6)] = 300.0
    decisions: Annotated[float, Field(ge=1, le=1e6)] = 1000.0


class Dialect(StrEnum):
    """A way in which other services speak to trustd."""

    AUTHZEN = "authzen"
    OPA = "opa"
    OSLO = "oslo"
    SUBREQUEST = "subrequest"
    EVIDENCE = "evidence"
    """Not a question: in it a service reports how guests behave."""


class CallerSettings(Strict):
    """A service that may ask for decisions.

    Args:
        user, group: who it is on the unix socket, on the kernel's word.
        token: hex sha256 of the token that it shows.
        dialects: in which it may ask, or report.
        subject: the type of its subjects, in dialects that do not say.
        subjects: types of subject for which it may bring properties, where the
            policy accepts them too.
        objects: types of object for which it may bring properties.
    """

    name: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    user: User | None = None
    group: Group | None = None
    token: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    dialects: Annotated[frozenset[Dialect], Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)] = "user"
    subjects: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()


class Record(StrEnum):
    """Which decisions are recorded beside those that bind a wall."""

    DENIALS = "denials"
    ALL = "all"


class DecisionSettings(Strict):
    """Who may ask for decisions, and what is kept of them.

    Args:
        callers: the services that may ask.
        open: dialects in which anybody who reaches the socket may ask.
        deadline: seconds after which a decision is a denial.
        record: which decisions are recorded.
        keep: how many records of each caller are kept.
        url: where the service says it is, for AuthZEN's metadata.
    """

    callers: tuple[CallerSettings, ...] = ()
    open: frozenset[Dialect] = frozenset()
    deadline: Annotated[Seconds, Field(ge=0.01, le=10)] = 0.25
    record: Record = Record.DENIALS
    keep: Annotated[int, Field(ge=1000)] = 100_000
    url: HttpsUrl = "https://localhost:9747"


class AdministrationSettings(Strict):
    """Who may change something over the unix socket, beside root and the daemon's user.

    Args:
        group: its members may change everything; None for nobody else.
        operators: its members may do what ends by itself, or is a word on what happened:
            override, release, pause, acknowledge, handle incidents, try out a receiver.
        longest_order: seconds for which an override, a protection or a pause may be
            given at most.
    """

    group: Group | None = None
    operators: Group | None = None
    longest_order: Annotated[Seconds, Field(ge=60, le=366 * 86400)] = 30 * 86400.0
