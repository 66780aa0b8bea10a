"""The documents of evidence: what other services report of guests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
MOST_FACTS = 16
STATES = ("open", "resolved", "ok", "expired")
"""Of what was said."""
MOST_REPORTS = 100
"""Reports of one request."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable characters on one line")
    return text


Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Text = Annotated[str, Field(max_length=512), AfterValidator(_printable)]
Short = Annotated[str, Field(max_length=128), AfterValidator(_printable)]
Named = Annotated[str, Field(min_length=1, max_length=1024)]
Number = Annotated[int, Field(ge=-(2**53), le=2**53)]


@dataclass(frozen=True, slots=True)
class GuestRef:
    """Which guest is meant: exactly one of these.

    ``ip`` is looked up in the leases of the host's own DHCP servers, never asked of a guest.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    uuid: Named | None = None
    name: Named | None = None
    mac: Named | None = None
    ip: Named | None = None
    disk: Named | None = None


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """One piece of behaviour of one guest, as another service saw it.

    ``state``: ``open`` goes on until it is resolved or ``expires_in`` seconds have passed
    since it was last reported, ``resolved`` takes an open one back, ``ok`` says that all is
    well. ``severity`` and ``expires_in`` are needed for ``open``. ``kind`` and ``key``
    tell one sender's findings on a guest apart. ``id``: a report whose id came before is passed
    over.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    guest: GuestRef
    kind: Word
    family: Word
    state: Literal["open", "resolved", "ok"] = "open"
    severity: Literal["info", "minor", "major", "critical"] | None = None
    expires_in: Annotated[float, Field(gt=0, le=366 * 86400)] | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0
    key: Short = ""
    summary: Text = ""
    facts: Annotated[Mapping[Short, Short | Number | float], Field(max_length=MOST_FACTS)] = field(
        default_factory=dict
    )
    id: Short = ""


@dataclass(frozen=True, slots=True)
class ReceiptDoc:
    """What became of one report.

    ``counts``: ``new``, ``again`` (it was open), ``resolved``, ``ok``, or ``duplicate``
    (its id came before). ``severity`` and ``confidence`` are what it counts as by the policy.
    """

    guest: str
    name: str
    kind: str
    key: str
    counts: str
    severity: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ReceiptList:
    """What became of the reports of a request, in their order.

    ``dry_run``: what would have become of them; nothing was kept.
    """

    sender: str
    reports: Sequence[ReceiptDoc]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceDoc:
    """What one service said of one guest, under one kind and key.

    ``state``: ``open``, ``resolved``, ``ok``, or ``expired`` (it was open and not said again).
    ``severity`` and ``confidence`` are what it counts as by the policy. ``first`` and ``last``
    are when it was said, ``until`` how long it holds at least, epoch seconds; ``times`` how
    often it was said.
    """

    id: int
    sender: str
    guest: str
    name: str
    kind: str
    key: str
    family: str
    severity: str
    confidence: float
    state: str
    first: float
    last: float
    until: float
    times: int
    summary: str
    facts: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class EvidenceList:
    """What was said, that which was first said last in front; ``next`` is the next page."""

    at: float
    evidence: Sequence[EvidenceDoc]
    next: str | None
