"""Evidence from other services: who may say what, stored, and told to the line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import structlog
from aiohttp import web

from trustd.api.evidence import EVIDENCE, About, NotAllowed, TooMany
from trustd.api.evidence_listing import HEARSAY, Asked, next_page
from trustd.api.evidence_shapes import EvidenceDoc, EvidenceList, ReceiptDoc, ReceiptList
from trustd.api.peer import peer_of
from trustd.config import DecisionSettings, Dialect
from trustd.daemon.allowance import Allowance
from trustd.decisions import Callers, World
from trustd.decisions.desk import tokens
from trustd.errors import StoreError
from trustd.hypervisor import Leases
from trustd.model import Finding, GuestId, ObjectRef, Severity
from trustd.pipeline import Hearing, objects_of
from trustd.policy.schema import Source
from trustd.repository import (
    Entry,
    Message,
    Report,
    ReportState,
    ReportStore,
    SaidStore,
    Wanted,
)

log = structlog.get_logger()

KIND = "evidence"
"""Of its entries in the journal."""
MOST_OPEN = 16
"""Findings of one sender that are open on one guest: more would crowd out what others found."""
PRAISE = 3600.0
"""Seconds for which the journal has no more of the same that all is well."""

Place = tuple[GuestId, str, str]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A report as it counts, with what is to be answered and journalled of it."""

    report: Report
    receipt: ReceiptDoc
    message: Message


class Testimony:
    """Takes reports from registered senders, within what the policy lets each say.

    Args:
        world: gives what decisions go by now.
        clock: steady seconds.
    """

    def __init__(
        self,
        settings: DecisionSettings,
        world: Callable[[], World],
        store: ReportStore,
        hearing: Hearing,
        leases: Leases,
        *,
        said: SaidStore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._callers = Callers(settings)
        self._world = world
        self._store = store
        self._said = said
        self._hearing = hearing
        self._leases = leases
        self._allowance = Allowance(clock)
        self._one_at_a_time = asyncio.Lock()
        self._holders: tuple[World, Mapping[ObjectRef, Collection[GuestId]]] | None = None
        self._praised: dict[Place, float] = {}

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[EVIDENCE] = self
        app[HEARSAY] = self

    def sender(self, request: web.Request) -> str | None:
        """The name of whoever sends a request; None for one who may not report."""
        asker = self._callers.identify(Dialect.EVIDENCE, peer_of(request), tokens(request))
        return asker.name if asker is not None else None

    def admit(self, sender: str, reports: int) -> None:
        """Count what a sender says."""
        most = self._source(sender).per_minute
        again = self._allowance.spend(sender, reports, most)
        if again > 0:
            raise TooMany(f"{sender} may report {most} times a minute", again)

    def holders(self, disk: str) -> Collection[GuestId]:
        """Guests that have a disk, by any name of it."""
        world = self._world()
        registry = world.directory.registry
        if self._holders is None or self._holders[0] is not world:
            found: dict[ObjectRef, set[GuestId]] = {}
            for seen in world.guests.values():
                for ref in objects_of(seen.guest):
                    found.setdefault(registry.identity(ref), set()).add(seen.guest.id)
            self._holders = world, found
        return self._holders[1].get(registry.identity(ObjectRef("volume", disk)), ())

    async def leases(self, address: str) -> Collection[str]:
        """Network addresses of the interfaces that lease an IP address."""
        return await asyncio.to_thread(self._leases.holders, address)

    def said(self, asked: Asked) -> EvidenceList:
        """What was said, that which was first said last in front."""
        now = time.time()
        wanted = Wanted(asked.guest, asked.sender, asked.family, asked.severity, asked.state)
        found = self._said.newest(wanted, now=now, before=asked.before, most=asked.most)
        more = len(found) == asked.most
        return EvidenceList(
            now,
            [EvidenceDoc(**asdict(each)) for each in found],
            next_page(asked, found[-1].id) if more else None,
        )

    async def take(
        self, sender: str, reports: Sequence[About], by: str, *, dry_run: bool = False
    ) -> ReceiptList:
        """Have reports count from the next tick on."""
        source, at = self._source(sender), time.time()
        ready = [_ready(sender, source, each, by, at) for each in reports]
        # what is counted must not change before it is kept
        async with self._one_at_a_time:
            known = self._known(reports)
            self._bound(sender, known, ready)
            if dry_run:
                return await self._foretold(sender, known, ready)
            news = [
                each.message
                if self._is_news(known, each.report)
                else replace(each.message, entry=None)
                for each in ready
            ]
            # one thread stores and tells: a sender that hangs up in between leaves no half of it
            kept = await asyncio.to_thread(self._keep, news)
        receipts = []
        for each, message, stored in zip(ready, news, kept, strict=True):
            counts = "duplicate" if stored is None else _counts(known, each.report)
            receipts.append(replace(each.receipt, counts=counts))
            if stored is not None and message.entry is not None:
                log.info(KIND, guest=message.entry.guest, **message.entry.document)
        return ReceiptList(sender, receipts)

    async def _foretold(
        self, sender: str, known: Mapping[Place, Severity], ready: Sequence[_Ready]
    ) -> ReceiptList:
        """What would become of reports."""
        came = await asyncio.to_thread(self._store.came, [each.message for each in ready])
        counts = [
            "duplicate" if old else _counts(known, each.report)
            for each, old in zip(ready, came, strict=True)
        ]
        told = [replace(each.receipt, counts=how) for each, how in zip(ready, counts, strict=True)]
        return ReceiptList(sender, told, dry_run=True)

    def _keep(self, messages: Sequence[Message]) -> Sequence[Report | None]:
        try:
            kept = self._store.keep(messages)
        except StoreError as error:
            # against a guest it counts all the same; for it, only what is sure to be kept
            against = [each.report for each in messages if each.report.state is ReportState.OPEN]
            self._hearing.tell(against)
            log.error("reports are not stored", error=str(error), count=len(against))  # noqa: TRY400 - the disk's mistake
            raise StoreError(
                f"{len(against)} open of {len(messages)} count until trustd ends, and nothing else"
                f" does: send them again; {error}"
            ) from error
        self._hearing.tell(each for each in kept if each is not None)
        return kept

    def _source(self, sender: str) -> Source:
        source = self._world().policy.document.sources.get(sender)
        if source is None:
            raise NotAllowed(f"the policy in force takes no evidence of {sender} (sources)")
        return source

    def _known(self, reports: Sequence[About]) -> Mapping[Place, Severity]:
        """What is open on these guests, or is with the next tick."""
        found = {
            (each.guest.id, finding.kind, finding.key): finding.severity
            for each in reports
            for finding in each.guest.findings
        }
        return {**found, **self._hearing.waiting()}

    def _is_news(self, known: Mapping[Place, Severity], report: Report) -> bool:
        """Whether it is journalled: not what is only said again."""
        place, finding = _place(report), report.finding
        if report.state is ReportState.RESOLVED:
            return place in known
        if report.state is ReportState.OPEN:
            return place not in known or finding.severity.rank > known[place].rank
        told = {each: at for each, at in self._praised.items() if finding.at - at < PRAISE}
        self._praised = {place: finding.at, **told}
        return place not in told

    def _bound(self, sender: str, known: Mapping[Place, Severity], ready: Sequence[_Ready]) -> None:
        places = {place for place in known if place[1].startswith(f"{sender}:")}
        places |= {_place(each.report) for each in ready if each.report.state is ReportState.OPEN}
        for guest in {each.report.finding.guest for each in ready}:
            count = sum(place[0] == guest for place in places)
            if count > MOST_OPEN:
                raise TooMany(
                    f"{sender} has {count} findings open on {guest}, {MOST_OPEN} at most: resolve"
                    " some, or say one with a count among its facts",
                    60.0,
                )


def _ready(sender: str, source: Source, about: About, by: str, at: float) -> _Ready:
    """A report as the policy lets it count."""
    said, guest = about.said.report, about.guest
    state = ReportState(said.state)
    if said.family not in source.families:
        raise NotAllowed(
            f"the policy lets {sender} speak of {', '.join(source.families)}, not of {said.family}"
        )
    if state is ReportState.OK and source.good <= 0:
        raise NotAllowed(f"the policy lets {sender} say nothing good of a guest (good)")
    holds = said.expires_in if said.expires_in is not None else source.longest
    if holds > source.longest:
        raise NotAllowed(
            f"the policy lets a finding of {sender} hold for {source.longest:g} s at most:"
            " report it again while it goes on"
        )
    meant = Severity(said.severity) if said.severity is not None else Severity.INFO
    severity = min(meant, source.severity, key=lambda each: each.rank)
    confidence = said.confidence * source.reliability
    finding = Finding(
        guest=guest.id,
        kind=f"{sender}:{said.kind}",
        severity=severity,
        family=said.family,
        source=sender,
        at=at,
        summary=f"{sender}: {said.summary or said.kind}",
        key=said.key,
        holds=holds,
        facts=dict(said.facts),
        confidence=confidence,
    )
    report = Report(state, finding, source.good if state is ReportState.OK else 0.0)
    document = {
        "sender": sender,
        "by": by,
        "message": about.said.event,
        "state": said.state,
        "kind": finding.kind,
        "key": finding.key,
        "family": finding.family,
        "said": said.severity or "",
        "severity": severity,
        "confidence": round(confidence, 4),
        "expires_in": holds,
        "summary": finding.summary,
        "facts": finding.facts,
    }
    entry = Entry(at, guest.id, guest.guest.name, KIND, document)
    receipt = ReceiptDoc(
        guest.id, guest.guest.name, finding.kind, finding.key, "", severity, confidence
    )
    return _Ready(report, receipt, Message(sender, about.said.event, report, entry, entry.name))


def _place(report: Report) -> Place:
    return report.finding.guest, report.finding.kind, report.finding.key


def _counts(known: Mapping[Place, Severity], report: Report) -> str:
    if report.state is not ReportState.OPEN:
        return report.state
    return "again" if _place(report) in known else "new"
