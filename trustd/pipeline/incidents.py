"""Incidents, tick by tick: opened, followed, kept, and changed by whoever handles them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import structlog

from trustd.errors import StoreError, TrustdError, Unsettled
from trustd.model import Author, Fleet, GuestId
from trustd.model.incident import Conclusion, Incident, IncidentState, Mark, Trigger
from trustd.pipeline.incident_rules import (
    Next,
    Rules,
    ended,
    held,
    moved,
    opened,
    reopened,
    trigger_of,
    witnessed,
)
from trustd.policy import Policy
from trustd.repository import Entry, IncidentStore

log = structlog.get_logger()

KIND = "incident"
"""Of its entries in the journal."""
HOST = GuestId("")
"""Stands where an incident is about no guest, but about the host's hold on narrowing."""
MOST_MARKS = 2000
MOST_ENTRIES = 10_000
"""Entries that wait for a store that fails; beyond it the oldest are lost."""
_CALM = Trigger()


class NotNow(TrustdError):
    """What somebody asks for makes no sense for this incident as it is."""


class NoSuchIncident(TrustdError):
    """No incident has this number."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does to an incident.

    Args:
        text: the comment, whose it is from now on, or why it is resolved.
        conclusion: where it is resolved.
        dry_run: whether it is only said what would become of the incident.
    """

    number: int
    what: Literal["ack", "assign", "comment", "resolve"]
    author: Author
    at: float
    text: str = ""
    conclusion: Conclusion | None = None
    dry_run: bool = False


class Incidents:
    """Follows every fleet that it is shown; called on the line's thread.

    Args:
        told: takes what became of an incident, with its new line, as soon as it counts.

    Raises:
        StoreError: those of an earlier run cannot be read.
    """

    def __init__(
        self, store: IncidentStore, told: Callable[[Incident, Mark], None] = lambda *_: None
    ) -> None:
        self._store = store
        self._told = told
        self._standing = {each.number: each for each in store.standing()}
        self._last_of = {each.guest: each.number for each in self._standing.values()}
        self._next = store.last() + 1
        self._before: Fleet | None = None
        self._policy: Policy | None = None
        self._rules: Rules | None = None
        self._waiting: set[int] = set()
        self._entries: list[Entry] = []
        self._flight: tuple[Future[None], set[int], list[Entry]] | None = None

    @property
    def standing(self) -> Mapping[int, Incident]:
        """All that are open and the last one of every guest, by number: a value of its own.

        Without those of guests that left whose incident is over for good.
        """
        return MappingProxyType(dict(self._standing))

    def step(self, fleet: Fleet, policy: Policy) -> None:
        """Take in one tick."""
        if policy is not self._policy or self._rules is None:
            self._policy, self._rules = policy, Rules(policy)
        rules, before = self._rules, self._before
        earlier = before.guests if before is not None else {}
        if before is not None:
            self._recall([id_ for id_ in fleet.guests if id_ not in earlier])
        for id_, guest in fleet.guests.items():
            last = self._of(id_)
            if last is None and rules.calm(guest):
                continue
            trigger = trigger_of(guest, last.trigger if last else _CALM, rules)
            if trigger is not None and (last is not None or not trigger.quiet):
                self._look(id_, guest.guest.name, trigger, rules, guest.at)
            now = self._of(id_)
            if now is not None and now.open:
                # what a silent hypervisor shows is not new
                self._set(witnessed(now, guest, earlier.get(id_), rules))
        self._hold(fleet, rules)
        for each in [each for each in self._standing.values() if each.open]:
            if each.guest and each.guest not in fleet.guests:
                self._gone(each, fleet)
            self._become(ended(self._standing[each.number], rules, fleet.at))
        self._let_go(fleet, rules)
        self._before = fleet
        self.flush()

    def act(self, act: Act) -> Incident:
        """Do what somebody asks; when this returns it is on the disk.

        Raises:
            NoSuchIncident: there is none.
            NotNow: it is resolved already, or its record is full.
            Unsettled: the disk may have it, or not; here nothing was changed.
            StoreError: nothing was changed.
        """
        incident = self._standing.get(act.number) or self._store.get(act.number)
        if incident is None:
            raise NoSuchIncident(f"there is no incident {act.number}")
        after = _acted(incident, act)
        if act.dry_run:
            return after
        mark = after.marks[-1]
        entry = _entry(after, mark, pid=act.author.pid)
        try:
            self._store.act(after, entry)
        except Unsettled:
            raise
        except StoreError as error:
            raise StoreError(f"nothing was changed: {error}") from error
        log.info("an operator and an incident", **entry.document)
        if act.number in self._standing:
            self._standing[act.number] = after
            self._waiting.discard(act.number)
        self._told(after, mark)
        return after

    def flush(self) -> None:
        """Have what waits written; one write is under way at a time."""
        self._land()
        if self._flight is None and (self._waiting or self._entries):
            numbers, self._waiting = self._waiting, set()
            entries, self._entries = self._entries, []
            incidents = [self._standing[number] for number in sorted(numbers)]
            self._flight = self._store.save(incidents, entries), numbers, entries

    def close(self, within: float = 5.0) -> None:
        """Have everything written, as far as that is possible in this time."""
        end = time.monotonic() + within
        for _ in range(2):  # what is under way, and what waited for it
            self.flush()
            if self._flight is not None:
                try:
                    self._flight[0].exception(max(0.0, end - time.monotonic()))
                except TimeoutError:
                    log.error("not every incident was stored")  # noqa: TRY400 - no mistake of ours
                    return

    def _look(self, guest: GuestId, name: str, trigger: Trigger, rules: Rules, at: float) -> None:
        last = self._of(guest)
        if last is not None and last.open:
            self._become(moved(last, trigger, rules, at))
        elif last is None or rules.worse(trigger, last.trigger):
            if (
                last is not None
                and last.resolved is not None
                and at - last.resolved <= rules.reopen
            ):
                self._become(reopened(last, trigger, rules, at))
                return
            made = opened(self._next, trigger, rules, guest=guest, name=name, at=at, before=last)
            self._next += 1
            self._become(made)
        elif trigger != last.trigger:
            # of what merely lasts: so that it counts as new when it is back
            self._set(replace(last, trigger=trigger))

    def _hold(self, fleet: Fleet, rules: Rules) -> None:
        guests = {
            id_: fleet.guests[id_]
            for id_, why in fleet.held.items()
            if why == "too-many" and id_ in fleet.guests
        }
        last = self._of(HOST)
        if guests or (last is not None and last.trigger.held):
            self._look(HOST, "", Trigger(held=bool(guests)), rules, fleet.at)
        now = self._of(HOST)
        if guests and now is not None and now.open:
            self._set(held(now, guests, fleet.at))

    def _gone(self, incident: Incident, fleet: Fleet) -> None:
        if not fleet.hypervisor.up or any(each.kind == "gone" for each in incident.marks):
            return
        mark = Mark(fleet.at, "gone", "the guest is not there any more")
        self._become(Next(replace(incident, marks=(*incident.marks, mark)), (mark,)))

    def _of(self, guest: GuestId) -> Incident | None:
        number = self._last_of.get(guest)
        return None if number is None else self._standing[number]

    def _recall(self, came: Sequence[GuestId]) -> None:
        """Read what was let go of guests that are back."""
        unknown = [id_ for id_ in came if id_ not in self._last_of]
        if not unknown:
            return
        try:
            found = self._store.last_of(unknown)
        except StoreError as error:
            # an incident too many is better than none
            log.error("what was before is not known", guests=len(unknown), error=str(error))  # noqa: TRY400 - the disk's mistake
            return
        for each in found:
            self._standing[each.number] = each
            self._last_of[each.guest] = each.number

    def _let_go(self, fleet: Fleet, rules: Rules) -> None:
        """Drop from memory what is over for good and on the disk, of guests that are not there."""
        busy = self._waiting if self._flight is None else self._waiting | self._flight[1]
        over = [
            each
            for each in self._standing.values()
            if each.guest
            and each.guest not in fleet.guests
            and each.resolved is not None
            and not each.open
            and fleet.at - each.resolved > rules.reopen
            and each.number not in busy
        ]
        for each in over:
            del self._standing[each.number]
            if self._last_of[each.guest] == each.number:
                del self._last_of[each.guest]

    def _become(self, following: Next) -> None:
        self._set(following.incident)
        for mark in following.news:
            entry = _entry(following.incident, mark)
            self._entries.append(entry)
            log.warning("incident", guest=entry.guest, **entry.document)
            self._told(following.incident, mark)

    def _set(self, incident: Incident) -> None:
        if self._standing.get(incident.number) is incident:
            return
        before = self._last_of.get(incident.guest)
        self._standing[incident.number] = incident
        self._last_of[incident.guest] = incident.number
        self._waiting.add(incident.number)
        if before is not None and before != incident.number:
            # not the guest's last one any more: let go of once it is on the disk
            self._waiting.add(before)

    def _land(self) -> None:
        if self._flight is None or not self._flight[0].done():
            return
        done, numbers, entries = self._flight
        self._flight = None
        error = done.exception()
        if error is None:
            for number in numbers - self._waiting:
                if self._last_of[self._standing[number].guest] != number:
                    del self._standing[number]
            return
        log.error("incidents are not stored", error=str(error))
        if isinstance(error, StoreError):
            self._waiting |= numbers
            self._entries = [*entries, *self._entries][-MOST_ENTRIES:]


def _acted(incident: Incident, act: Act) -> Incident:
    if not incident.open and act.what != "comment":
        raise NotNow(f"incident {incident.number} is resolved: it can only be commented on")
    if act.what == "comment" and len(incident.marks) >= MOST_MARKS:
        raise NotNow(f"the record of incident {incident.number} is full")
    text = act.text
    if act.what == "resolve":
        text = f"{act.conclusion}: {act.text}" if act.text else str(act.conclusion)
    mark = Mark(act.at, act.what, text, by=act.author.name, uid=act.author.uid)
    marked = replace(incident, marks=(*incident.marks, mark))
    if act.what == "ack":
        known = incident.acknowledged
        return replace(marked, acknowledged=act.at if known is None else known)
    if act.what == "assign":
        return replace(marked, assigned=act.text)
    if act.what == "resolve":
        return replace(
            marked,
            state=IncidentState.RESOLVED,
            resolved=act.at,
            conclusion=act.conclusion,
        )
    return marked


def _entry(incident: Incident, mark: Mark, *, pid: int = -1) -> Entry:
    document = {
        "incident": incident.number,
        "act": mark.kind,
        "text": mark.text,
        "severity": incident.severity,
        "state": incident.state,
    }
    if mark.uid >= 0:
        document |= {"uid": mark.uid, "pid": pid, "by": mark.by}
    return Entry(mark.at, incident.guest, incident.name, KIND, document)
