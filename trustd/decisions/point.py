"""The decision point: who asks is answered here, in whatever dialect.

Everything that decides belongs to the event loop and never blocks it. A permit that
binds its subject behind a history wall is bound in memory at once, so that no other
question comes between, and is on the disk before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan

import structlog

from trustd.decisions.question import Asked, Asker, Question, whole
from trustd.decisions.records import Recorder, Written
from trustd.decisions.world import World
from trustd.errors import StoreError
from trustd.model import Decision, Override
from trustd.policy import Explanation, Ruling, decide, explain
from trustd.policy import reasons as why
from trustd.policy.walls import NOTHING, Binding, History
from trustd.repository import RulingRecord, WallHistory

log = structlog.get_logger()

UNRECORDED = "unrecorded"
"""The reason of a denial where a permit could not be recorded in time."""

AT_ONCE = 500
"""Decisions that are made before others on the loop have their turn."""

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Clocks:
    """The time.

    Args:
        now: epoch seconds.
        boot: seconds of the boot clock.
    """

    now: Callable[[], float]
    boot: Callable[[], float]


class DecisionPoint:
    """Answers what a subject may do.

    Args:
        world: what is in force at the start.
        deadline: seconds that a permit may take to be recorded; then it is a denial.

    Raises:
        StoreError: what subjects are bound to cannot be read.
    """

    def __init__(
        self,
        world: World,
        walls: WallHistory,
        recorder: Recorder,
        clocks: Clocks,
        *,
        deadline: float,
    ) -> None:
        self._world = world
        self._walls = walls
        self._recorder = recorder
        self._clocks = clocks
        self._deadline = deadline
        self._history: dict[_Key, History] = dict(walls.all())
        self._holding = threading.Lock()
        self._pending: dict[_Key, set[asyncio.Task[None]]] = {}

    @property
    def world(self) -> World:
        """What is in force now."""
        return self._world

    def publish(self, world: World) -> None:
        """Decide by this from now on; from any thread."""
        self._world = world

    def inherit(self, kind: str, heir: str, forebear: str) -> None:
        """Bind a subject by what another one is bound to now; from any thread."""
        for wall, values in self.history(kind, forebear).items():
            self._hold((kind, heir), wall, values)

    def history(self, kind: str, identity: str) -> History:
        """What a subject is bound to."""
        return self._history.get((kind, identity), NOTHING)

    async def decide(self, asker: Asker, question: Asked) -> Decision:
        """Answer one question."""
        return (await self.decide_all(asker, (question,)))[0]

    async def decide_all(
        self,
        asker: Asker,
        questions: Iterable[Asked],
        stop: Callable[[Decision], bool] | None = None,
    ) -> Sequence[Decision]:
        """Answer questions in their order, all of them by one policy.

        Args:
            stop: whether a decision ends the batch; it is the last of the answers then.
        """
        world, everything = self._world, self._recorder.everything
        at, clock = self._clocks.now(), self._clocks.boot()
        known, turn = world.known(clock), AT_ONCE
        answers: list[Decision] = []
        unwritten: dict[Written, list[int]] = {}
        for number, asked in enumerate(questions):
            if number == turn:
                turn += AT_ONCE
                await asyncio.sleep(0)
                at, clock = self._clocks.now(), self._clocks.boot()
                known = world.known(clock)
            # services ask the same again and again between two ticks, which is all that can
            # change most answers: a look-up costs a tenth of deciding anew
            ruling = None if isinstance(asked, Question) else known.get(asked)
            if ruling is None:
                ruling = self._rule(world, asker, asked, at, clock)
            decision, binds = ruling
            if binds or not decision.permit or everything or self._pending:
                question = whole(asked)
                if binds:
                    self._bind(_key(question), binds, _record(at, asker, question, decision))
                elif everything or not decision.permit:
                    written = self._recorder.add(_record(at, asker, question, decision))
                    unwritten.setdefault(written, []).append(number)
                if decision.permit and (unstored := self._pending.get(_key(question))):
                    # it may rest on a binding that is on its way to the disk
                    decision = await self._stored(asker, question, decision, set(unstored))
            answers.append(decision)
            if stop is not None and stop(decision):
                break
        if unwritten:
            await self._recorded(answers, unwritten)
        self._recorder.count(asker.dialect, answers)
        return answers

    def explain(self, asker: Asker, question: Question) -> Explanation:
        """Why a question is answered as it is; binds and records nothing."""
        world, at = self._world, self._clocks.now()
        clock = self._clocks.boot()
        subject, band = world.party(asker, question, at, clock)
        trust = world.trust_of(subject)
        told = explain(
            world.policy,
            subject,
            question.action,
            world.target(asker, question),
            band=band,
            at=at,
            trust=None if isnan(trust) else trust,
            history=self._bound(question),
            occupied=world.occupied,
        )
        override = world.override(question, at, clock)
        if override is None:
            return told
        said = f"{override.bound} {override.band}"
        text = f"{told.text}; an operator has it {said}"
        return replace(told, decision=_overridden(told.decision, override), text=text)

    def permitted(
        self, world: World, asker: Asker, questions: Iterable[Question]
    ) -> Iterator[Question]:
        """Those of the questions that would be answered with a permit; binds nothing.

        Args:
            world: the one in which the whole search is made.
        """
        at, clock = self._clocks.now(), self._clocks.boot()
        return (
            each for each in questions if self._rule(world, asker, each, at, clock).decision.permit
        )

    def _rule(self, world: World, asker: Asker, asked: Asked, at: float, clock: float) -> Ruling:
        question = whole(asked)
        plain = question.brought is None and question.attached is None
        if plain and question is asked:
            # one that has names is looked up only here
            known = world.known(clock).get(question[:5])
            if known is not None:
                return known
        subject, band = world.party(asker, question, at, clock)
        target = world.target(asker, question)
        ruling = decide(
            world.policy,
            subject,
            question.action,
            target,
            band=band,
            at=at,
            history=self._bound(question),
            occupied=world.occupied,
        )
        if world.overridden and (override := world.override(question, at, clock)) is not None:
            ruling = ruling._replace(decision=_overridden(ruling.decision, override))
        elif plain and world.fresh(clock):
            world.remember(question, subject, target, ruling)
        if ruling.binds and not asker.registered:
            # a permit that nobody is bound by would open the wall to whoever asks
            wall, value = ruling.binds[0]
            detail: dict[str, str | float] = {"wall": wall, "value": value, "held": ""}
            return Ruling(
                replace(ruling.decision, permit=False, reason=why.WALL, role="", detail=detail)
            )
        return ruling

    async def _recorded(
        self, answers: list[Decision], unwritten: Mapping[Written, Sequence[int]]
    ) -> None:
        """Wait for records; a permit of which there is none in time becomes a denial.

        Args:
            unwritten: by the write that a record goes with, the places of its answers.
        """
        # wait() leaves the writes alone, whatever becomes of whoever asks
        await asyncio.wait(unwritten, timeout=self._deadline)
        for written, places in unwritten.items():
            if written.done() and written.result():
                continue
            for place in places:
                if answers[place].permit:
                    answers[place] = _unrecorded(answers[place])

    def _bound(self, question: Question) -> History:
        if not self._history:
            return NOTHING
        return self._history.get(_key(question), NOTHING)

    def _bind(self, key: _Key, binds: Sequence[Binding], record: RulingRecord) -> None:
        for wall, value in binds:
            self._hold(key, wall, frozenset({value}))
        task = asyncio.get_running_loop().create_task(self._store(key, binds, record))
        self._pending.setdefault(key, set()).add(task)
        task.add_done_callback(lambda done: self._settled(key, done))

    async def _store(self, key: _Key, binds: Sequence[Binding], record: RulingRecord) -> None:
        """Have a binding written; where that fails, nobody was bound.

        Raises:
            StoreError: it is not on the disk.
        """
        try:
            await asyncio.wrap_future(self._walls.bind(binds, record))
        except StoreError:
            for wall, value in binds:
                self._hold(key, wall, frozenset(), without=frozenset({value}))
            raise

    def _hold(
        self,
        key: _Key,
        wall: str,
        values: frozenset[str],
        *,
        without: frozenset[str] = frozenset(),
    ) -> None:
        # an heir is bound by the line's thread, everybody else by the loop's
        with self._holding:
            held = self._history.get(key, NOTHING)
            now = held.get(wall, frozenset()) - without | values
            self._history[key] = {**held, wall: now}

    def _settled(self, key: _Key, task: asyncio.Task[None]) -> None:
        tasks = self._pending[key]
        tasks.discard(task)
        if not tasks:
            del self._pending[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a wall's binding was not stored", subject=key, error=str(error))

    async def _stored(
        self, asker: Asker, question: Question, permit: Decision, unstored: set[asyncio.Task[None]]
    ) -> Decision:
        """The permit, once all that it rests on is on the disk; else a denial."""
        # wait() leaves the writes alone, whatever becomes of whoever asks
        done, late = await asyncio.wait(unstored, timeout=self._deadline)
        if not late and not any(task.cancelled() or task.exception() for task in done):
            return permit
        denial = _unrecorded(permit)
        self._recorder.add(_record(self._clocks.now(), asker, question, denial))
        return denial


def _overridden(decision: Decision, override: Override) -> Decision:
    """A decision that says by which operator's word the band is what it is."""
    said = f"{override.bound} {override.band}"
    return replace(decision, detail={**decision.detail, "override": said})


def _unrecorded(permit: Decision) -> Decision:
    return replace(permit, permit=False, reason=UNRECORDED, role="", detail={})


def _key(question: Question) -> _Key:
    kind, identity = question.subject_type, question.subject
    return kind, identity.lower() if kind == "guest" else identity


def _record(at: float, asker: Asker, question: Question, decision: Decision) -> RulingRecord:
    return RulingRecord(
        at,
        asker.name,
        asker.dialect,
        question.subject_type,
        question.subject,
        question.action,
        question.object_type,
        question.object,
        decision.permit,
        decision.reason,
        decision.band,
        decision.mode,
        decision.policy,
    )
