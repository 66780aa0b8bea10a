"""What an heir takes over: everything that is held against its forebear, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from trustd.errors import NoSuchGuest, StoreError
from trustd.model import Bound, Finding, Guest, GuestId, Orders, Override, Severity
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.narrowing import Narrowing
from trustd.pipeline.news import kin_entry
from trustd.pipeline.overriding import Overriding
from trustd.policy import Saved
from trustd.repository import GuestMemory, Kin
from trustd.trust import Engine

log = structlog.get_logger()

KIND = "disk-of-distrusted-guest"
DAY = 86400.0
WHAT = {
    "volume": "the disk {identity}",
    "backing": "an overlay of the disk {identity}",
    "firmware": "the firmware's variables in {identity}",
    "tpm": "the TPM's state in {identity}",
}


class Inheriting:
    """Carries a forebear's bad evidence, findings and band over to its heir."""

    def __init__(self, engine: Engine, narrowing: Narrowing, keeping: Keeping) -> None:
        self._engine = engine
        self._narrowing = narrowing
        self._keeping = keeping
        self._found: list[Finding] = []

    def findings(self) -> Sequence[Finding]:
        """Those since the last call."""
        found, self._found = self._found, []
        return found

    def take_over(self, kin: Kin, heir: Guest) -> bool:
        """Have a guest take over; whether anything was held against the other one."""
        kept = self._kept(kin.forebear)
        name = kept.name if kept is not None else ""
        trust = self._burden(kin, kept)
        if trust is not None:
            relays = self._relays(kin.forebear, kept)
            if relays is not None:
                self._narrowing.demote(heir.id, relays, at=kin.at)
            if trust < self._engine.settings.base_rate:
                self._found.append(_finding(kin, heir, name or kin.forebear, trust))
        entry = kin_entry(kin, heir.name, name, trust)
        self._keeping.note(entries=(entry,))
        log.warning("a guest takes over from another", guest=kin.heir, **entry.document)
        return trust is not None

    def _burden(self, kin: Kin, kept: GuestMemory | None) -> float | None:
        """The forebear's trust; None where nothing is held against it, or nothing is known."""
        try:
            history = self._engine.export(kin.forebear)
        except NoSuchGuest:
            if kept is None or kept.history is None:
                return None
            history = dict(kept.history)
        try:
            return self._engine.inherit(kin.heir, history)
        except StoreError as error:
            log.error("a guest's history is lost", guest=kin.forebear, error=str(error))  # noqa: TRY400 - the disk's mistake
            return None

    def _kept(self, guest: GuestId) -> GuestMemory | None:
        try:
            return self._keeping.recall((guest,)).get(guest)
        except StoreError as error:
            log.error("a guest's history is lost", guest=guest, error=str(error))  # noqa: TRY400 - the disk's mistake
            return None

    def _relays(self, guest: GuestId, kept: GuestMemory | None) -> Saved | None:
        try:
            return self._narrowing.saved(guest)
        except KeyError:
            return kept.relays if kept is not None else None


def bequeath(overriding: Overriding, kin: Kin, *, at: float) -> None:
    """Let an heir be bound by what an operator's word narrows its forebear to.

    What an order permits stays with the one that it was given for, and an heir that has
    an order of its own keeps that.
    """
    order = bequeathed(overriding.orders, kin)
    if order is None:
        return
    try:
        overriding.give(order, at=at)
    except StoreError as error:
        log.error("an heir's order is not stored", guest=kin.heir, error=str(error))  # noqa: TRY400 - the disk's mistake


def bequeathed(orders: Orders, kin: Kin) -> Override | None:
    """The order that an heir gets; None where there is none that narrows."""
    order = orders.overrides.get(kin.forebear)
    if order is None or order.bound is Bound.AT_LEAST or kin.heir in orders.overrides:
        return None
    reason = f"as for {kin.forebear}, of which this guest is the heir: {order.reason}"
    return replace(order, guest=kin.heir, bound=Bound.AT_MOST, reason=reason)


def _finding(kin: Kin, heir: Guest, name: str, trust: float) -> Finding:
    what = WHAT[kin.alias.kind].format(identity=kin.alias.identity)
    return Finding(
        guest=heir.id,
        kind=KIND,
        severity=Severity.MAJOR,
        family="lifecycle",
        source="kinship",
        at=kin.at,
        summary=f"{heir.name} has {what}, which {name} ran with before, at a trust of {trust:.2f}",
        key=kin.forebear,
        holds=DAY,
        facts={"forebear": kin.forebear, "alias": kin.alias.kind, "identity": kin.alias.identity},
    )
