"""Where the time of a tick goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar
from unittest import mock

from bench.host import Host
from trustd.api import Live
from trustd.daemon.access import Access
from trustd.daemon.build import Daemon
from trustd.daemon.history import History
from trustd.daemon.incidents import Handling
from trustd.metrics import Exposition, Meters
from trustd.pipeline import Line, Measuring
from trustd.pipeline.acting import Acting
from trustd.pipeline.entering import Entering
from trustd.pipeline.frames import Pairing
from trustd.pipeline.lacking import Lacking
from trustd.pipeline.roster import Roster
from trustd.trust import Engine

STAGES: Mapping[str, tuple[type, str]] = {
    "reply": (Host, "sample"),
    "inventory": (Roster, "follow"),
    "pairing": (Pairing, "pair"),
    "collectors": (Measuring, "frame"),
    "scoring": (Engine, "step"),
    "bands": (Line, "_judge"),
    "acting": (Acting, "act"),
    "entering": (Entering, "step"),
    "lacking": (Lacking, "of"),
    "news": (Line, "_keep"),
    "assessments": (Line, "tick"),
    "decisions": (Access, "publish"),
    "meters": (Meters, "observe"),
    "incidents": (Handling, "step"),
    "history": (History, "note"),
    "metrics_page": (Exposition, "render"),
    "events": (Live, "publish"),
    "rest_of_tick": (Daemon, "tick"),
    "history_packing": (History, "store"),
    "retention": (History, "upkeep"),
    "save": (Daemon, "save"),
}
"""What is measured as one thing, by what it is; inner stages are not counted in outer ones."""
AFTER = (
    "meters",
    "incidents",
    "history",
    "metrics_page",
    "events",
    "history_packing",
    "retention",
    "save",
)
"""Stages that begin when services are answered by the new assessments already (Access.publish)."""


def until_published(spent: Mapping[str, float]) -> float:
    """What a tick takes from the hypervisor's reply until decisions go by its assessments.

    Args:
        spent: on each stage, in any unit.

    >>> until_published({"reply": 4.0, "assessments": 16.0, "decisions": 3.0, "metrics_page": 25.0})
    23.0
    """
    return sum(cost for stage, cost in spent.items() if stage not in AFTER)


P = ParamSpec("P")
T = TypeVar("T")


class Stopwatch:
    """Adds up the processor time of stages that lie within each other."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._inner: list[float] = [0.0]

    def around(self, stage: str, work: Callable[P, T]) -> Callable[P, T]:
        """The same call, timed."""

        def timed(*args: P.args, **named: P.kwargs) -> T:
            self._inner.append(0.0)
            began = time.thread_time()
            try:
                return work(*args, **named)
            finally:
                whole = time.thread_time() - began
                self.spent[stage] += whole - self._inner.pop()
                self._inner[-1] += whole

        return timed

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time every stage, on this thread."""
        with ExitStack() as patches:
            for stage, (owner, name) in STAGES.items():
                timed = self.around(stage, getattr(owner, name))
                patches.enter_context(mock.patch.object(owner, name, timed))
            yield
