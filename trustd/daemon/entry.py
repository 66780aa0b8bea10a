"""The doorkeeper: answers libvirt's hook and polkit by what the daemon knows now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog
from aiohttp import web

from trustd.api.entry import DOORKEEPER
from trustd.api.entry_shapes import EntryDoc, EntryQuestion
from trustd.api.peer import Peer
from trustd.daemon.access import Access, boot_clock
from trustd.daemon.administration import OPERATOR
from trustd.decisions import Question, World
from trustd.decisions.entry import ENTRY, MANAGEMENT, Admission, Check, Visitor, admit
from trustd.decisions.reservations import Reservations
from trustd.errors import NoSuchGuest
from trustd.hypervisor import guest_of_definition
from trustd.metrics import legible
from trustd.model import Guest, GuestId, Orders
from trustd.pipeline.heeding import band_under, subject_under
from trustd.policy.reasons import PERMIT
from trustd.policy.terms import GUEST
from trustd.policy.walls import occupancy
from trustd.repository import Database, Entry, Journal, Memory

log = structlog.get_logger()

ADMISSION = "admission"
"""The kind of its entries in the journal, and its name among the dialects that are counted."""
LONGEST_NAME = 64
AGAIN = 60.0
"""Seconds for which the same refusal to manage a guest is not journalled again."""

_THREADS = 2
"""Guests that are looked up at a time."""
_VERBS = {"prepare": "start", "migrate": "arrive", "restore": "be restored"}


class Doorkeeper:
    """Lets guests in by the world as it is now; never waits for a tick or for libvirt.

    Args:
        orders: what operators ordered, also of guests that are not there.
        counted: told the reason code of each answer.
        checks: what is asked of a guest that comes, in order.
    """

    def __init__(
        self,
        access: Access,
        journal: Journal,
        database: Database,
        orders: Callable[[], Orders],
        counted: Callable[[str], None],
        *,
        checks: tuple[Check, ...] = ENTRY,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._access = access
        self._journal = journal
        self._memory = Memory(database)
        self._orders = orders
        self._counted = counted
        self._checks = checks
        self._clock = clock
        self._places = Reservations()
        # who starts a guest must not wait for readers, nor for evidence that is stored
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=ADMISSION)
        self._journalled: dict[tuple[str, str, int], float] = {}

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[DOORKEEPER] = self

    async def enter(self, question: EntryQuestion, peer: Peer) -> EntryDoc:
        """Whether a guest may come; a place is kept for one that may."""
        guest = guest_of_definition(question.xml)
        if guest is None:
            raise NoSuchGuest("the definition cannot be read, or has no UUID")
        if question.operation == "release":
            self._places.left(guest.id, self._clock())
            return self._released(guest.id)
        former = await self._former(guest.id)
        # from here to the place nothing may come between: two may be asking
        world, clock = self._access.point.world, self._clock()
        guest = world.directory.registry.guest(guest)
        visitor = self._visitor(world, guest, former)
        walls = world.policy.running_walls
        occupied = occupancy(walls, self._places.running(world, clock))
        admission = admit(world.policy, visitor, self._checks, occupied)
        if admission.permit:
            self._places.let_in(guest.id, guest.labels, clock)
        verb = _VERBS[question.operation]
        told = self._told(world, guest, visitor, admission, f"may not {verb} here")
        if admission.objection or walls:
            self._note(guest, question, admission, told, peer)
        return told

    async def manage(self, question: EntryQuestion, peer: Peer) -> EntryDoc:
        """Whether somebody may manage a guest."""
        id_ = GuestId(question.guest)
        former = await self._former(id_)
        world = self._access.point.world
        seen = world.guest(id_)
        guest = seen.guest if seen else world.directory.registry.guest(Guest(id_, id_))
        visitor = self._visitor(world, guest, former)
        # of whom nothing is known there is nothing to launder
        known = seen is not None or former is not None
        admission = admit(world.policy, visitor, MANAGEMENT if known else ())
        told = self._told(world, guest, visitor, admission, f"is closed to {question.action}")
        if admission.objection and self._is_news(id_, question.action, peer.uid):
            self._note(guest, question, admission, told, peer)
        return told

    def _released(self, guest: GuestId) -> EntryDoc:
        policy = self._access.point.world.policy
        return EntryDoc(
            permit=True,
            would_refuse=False,
            reason=PERMIT,
            text="",
            guest=guest,
            band="",
            mode=policy.mode,
            policy=policy.id,
        )

    async def _former(self, guest: GuestId) -> Mapping[str, str | float | bool] | None:
        """Where a guest stood when it was last here; None where it is here, or never was.

        Raises:
            StoreError: the repository cannot be read.
        """
        if self._access.point.world.guest(guest) is not None:
            return None
        loop = asyncio.get_running_loop()
        kept = await loop.run_in_executor(self._threads, self._memory.guests, (guest,))
        return kept[guest].relays if guest in kept else None

    def _visitor(
        self, world: World, guest: Guest, former: Mapping[str, str | float | bool] | None
    ) -> Visitor:
        policy, now, clock = world.policy, time.time(), self._clock()
        own = policy.subject(GUEST, guest.id, guest.labels)
        assert own is not None  # noqa: S101 - every policy knows guests
        ordered = self._orders().of(guest.id).now(now, clock)
        subject = subject_under(own, ordered, guest.id)
        if world.guest(guest.id) is not None:
            return Visitor(subject, world.party(OPERATOR, _about(guest.id), now, clock)[1])
        if former is not None:
            standing = policy.relays.restore(former, at=now)
        else:
            probation = policy.newcomer_of(subject.roles).probation
            standing = policy.relays.start(probation, at=now)
        return Visitor(subject, band_under(policy, ordered, guest.id, standing.band))

    def _told(
        self, world: World, guest: Guest, visitor: Visitor, admission: Admission, what: str
    ) -> EntryDoc:
        policy, objection = world.policy, admission.objection
        text = ""
        if objection is not None:
            name = "".join(each if each.isprintable() else "?" for each in guest.name)
            text = (
                f"{legible(name, LONGEST_NAME)} {what}: {objection.text}"
                f" (policy {policy.name}); {objection.remedy}"
            )
        self._counted(admission.reason)
        return EntryDoc(
            permit=admission.permit,
            would_refuse=objection is not None and admission.permit,
            reason=admission.reason,
            text=text,
            guest=guest.id,
            band=visitor.band,
            mode=admission.mode,
            policy=policy.id,
        )

    def _is_news(self, guest: GuestId, action: str, uid: int) -> bool:
        """Whether a refusal to manage is journalled: clients that may not ask again and again."""
        now = self._clock()
        self._journalled = {
            key: since for key, since in self._journalled.items() if now - since < AGAIN
        }
        if (guest, action, uid) in self._journalled:
            return False
        self._journalled[guest, action, uid] = now
        return True

    def _note(
        self,
        guest: Guest,
        question: EntryQuestion,
        admission: Admission,
        told: EntryDoc,
        peer: Peer,
    ) -> None:
        """Journal an answer; nobody waits for the disk."""
        document = {
            "operation": question.operation,
            "permit": told.permit,
            "would_refuse": told.would_refuse,
            "reason": told.reason,
            "detail": dict(admission.objection.detail) if admission.objection else {},
            "text": told.text,
            "band": told.band,
            "mode": told.mode,
            "policy": told.policy,
            "uid": peer.uid,
            "pid": peer.pid,
        }
        if question.operation == "manage":
            document |= {"action": question.action, "user": question.user}
        name = legible(guest.name, LONGEST_NAME)
        self._journal.append([Entry(time.time(), guest.id, name, ADMISSION, document)])
        if admission.objection is not None:
            log.warning("admission", guest=guest.id, **document)


def _about(guest: GuestId) -> Question:
    """A question of nothing but who a guest is."""
    return Question(GUEST, guest, "", "", "")
