"""The decision point: who asks is answered here, in whatever dialect.

Everything that decides belongs to the event loop and never blocks it. A permit that
binds its subject behind a history wall is bound in memory at once, so that no other
question comes between, and is on the disk before anybody hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

import structlog

from trustd.decisions.question import Asker, Question
from trustd.decisions.records import Recorder
from trustd.decisions.world import World
from trustd.errors import StoreError
from trustd.model import Decision
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
        self._pending: dict[_Key, set[asyncio.Task[None]]] = {}

    @property
    def world(self) -> World:
        """What is in force now."""
        return self._world

    def publish(self, world: World) -> None:
        """Decide by this from now on; from any thread."""
        self._world = world

    def history(self, kind: str, identity: str) -> History:
        """What a subject is bound to."""
        return self._history.get((kind, identity), NOTHING)

    async def decide(self, asker: Asker, question: Question) -> Decision:
        """Answer one question."""
        return (await self.decide_all(asker, (question,)))[0]

    async def decide_all(
        self,
        asker: Asker,
        questions: Iterable[Question],
        stop: Callable[[Decision], bool] | None = None,
    ) -> Sequence[Decision]:
        """Answer questions in their order, all of them by one policy.

        Args:
            stop: whether a decision ends the batch; it is the last of the answers then.
        """
        world, recorder = self._world, self._recorder
        at, clock = self._clocks.now(), self._clocks.boot()
        answers: list[Decision] = []
        for number, question in enumerate(questions, start=1):
            decision, binds = self._rule(world, asker, question, at, clock)
            recorder.count(asker.dialect, decision.reason)
            if binds or not decision.permit or self._pending or recorder.everything:
                decision = await self._noted(asker, question, decision, binds)
            answers.append(decision)
            if stop is not None and stop(decision):
                break
            if not number % AT_ONCE:
                await asyncio.sleep(0)
                at, clock = self._clocks.now(), self._clocks.boot()
        return answers

    def explain(self, asker: Asker, question: Question) -> Explanation:
        """Why a question is answered as it is; binds and records nothing."""
        world, at = self._world, self._clocks.now()
        subject, band = world.party(asker, question, at, self._clocks.boot())
        trust = world.trust_of(subject)
        return explain(
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

    def _rule(
        self, world: World, asker: Asker, question: Question, at: float, clock: float
    ) -> Ruling:
        subject, band = world.party(asker, question, at, clock)
        ruling = decide(
            world.policy,
            subject,
            question.action,
            world.target(asker, question),
            band=band,
            at=at,
            history=self._bound(question),
            occupied=world.occupied,
        )
        if ruling.binds and not asker.registered:
            # a permit that nobody is bound by would open the wall to whoever asks
            wall, value = ruling.binds[0]
            detail: dict[str, str | float] = {"wall": wall, "value": value, "held": ""}
            return Ruling(
                replace(ruling.decision, permit=False, reason=why.WALL, role="", detail=detail)
            )
        return ruling

    async def _noted(
        self, asker: Asker, question: Question, decision: Decision, binds: Sequence[Binding]
    ) -> Decision:
        """A decision that is recorded, and told when all that it rests on is on the disk."""
        key, record = _key(question), _record(self._clocks.now(), asker, question, decision)
        if binds:
            self._bind(key, binds, record)
        elif not decision.permit or self._recorder.everything:
            self._recorder.add(record)
        if decision.permit and key in self._pending:
            # it may rest on a binding that is on its way to the disk
            return await self._stored(asker, question, decision, set(self._pending[key]))
        return decision

    def _bound(self, question: Question) -> History:
        if not self._history:
            return NOTHING
        return self._history.get(_key(question), NOTHING)

    def _bind(self, key: _Key, binds: Sequence[Binding], record: RulingRecord) -> None:
        held = dict(self._history.get(key, NOTHING))
        for wall, value in binds:
            held[wall] = held.get(wall, frozenset()) | {value}
        self._history[key] = held
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
            held = dict(self._history.get(key, NOTHING))
            for wall, value in binds:
                held[wall] = held.get(wall, frozenset()) - {value}
            self._history[key] = held
            raise

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
        denial = replace(permit, permit=False, reason=UNRECORDED, role="", detail={})
        self._recorder.count(asker.dialect, denial.reason)
        self._recorder.add(_record(self._clocks.now(), asker, question, denial))
        return denial


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
