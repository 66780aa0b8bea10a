"""A host over a scripted hypervisor that keeps its history, and history that nobody lived."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tests.daemon.host import Host
from tests.pipeline.scripted import policy_of
from trustd.daemon import access, build
from trustd.model import (
    Author,
    Bound,
    Fleet,
    Freshness,
    Guest,
    GuestId,
    Intent,
    Mode,
    Override,
    Protection,
    Term,
)
from trustd.pipeline import Remembering
from trustd.pipeline.backtest import Backtest, Report
from trustd.pipeline.remembering import TICKS
from trustd.policy import Policy
from trustd.repository import (
    SEEN,
    Block,
    Database,
    Entry,
    Journal,
    Layout,
    PolicyVersion,
    PolicyVersions,
    Timelines,
    chunks_of,
)
from trustd.repository.recorded import Recorded

ADA = Author(1000, 1, "ada")
BEGIN = 1_780_000_000.0 // 3600 * 3600


class Kept(Host):
    """A host whose time is all its own, and whose every tick is kept."""

    def __init__(self, directory: Path, guests: Sequence[Guest], policy: str, patch) -> None:
        super().__init__(directory, guests, policy)
        self.hypervisor.at = BEGIN
        clock = SimpleNamespace(time=lambda: self.hypervisor.at, **_CLOCKS)
        patch.setattr(access, "time", clock)
        # nothing can be done to a guest here: what would have been is found at a restart
        ledger = SimpleNamespace(intents=self._intents)
        patch.setattr(build, "IntentLedger", lambda _: ledger)
        self._narrowed: dict[GuestId, float] = {}
        self.fleets: list[Fleet] = []

    @property
    def file(self) -> Path:
        return self._directory / "trustd.db"

    def start(self) -> None:
        super().start()
        features = self.line._stages.measuring.features
        self._remembering = Remembering(Timelines(self.database), features)

    def stop(self) -> None:
        self._remembering.close()
        super().stop()

    def tick(self, times: int = 1) -> Fleet:
        for _ in range(times):
            fleet = super().tick()
            self._remembering.note(fleet)
            for guest, granted in self.line._acting._granted.items():
                if granted.desired.actions and granted.desired.mode is Mode.ENFORCE:
                    self._narrowed.setdefault(guest, fleet.at)
                else:
                    self._narrowed.pop(guest, None)
            self.fleets.append(fleet)
        return fleet

    def _intents(self) -> Sequence[Intent]:
        found = [Intent(id_, "", "", "", {}, (), at) for id_, at in self._narrowed.items()]
        return sorted(found, key=lambda each: each.at)

    def restart(self, *, off: float = 1.0) -> None:
        """As on SIGTERM, and another run after so many seconds."""
        self.stop()
        self.hypervisor.at += off
        self.hypervisor.clock += off
        self.start()

    def reload(self, text: str) -> None:
        self.path.write_text(text, "utf-8")
        self.reloading.now()

    def override(self, guest: GuestId, bound: str, band: str, seconds: float) -> None:
        at, clock = self.hypervisor.at + 0.5, self.hypervisor.clock + 0.5
        order = Override(guest, band, Bound(bound), Term(at, clock, seconds), ADA, "a test")
        self.line.overriding.give(order, at=at)

    def protect(self, guest: GuestId, seconds: float) -> None:
        at, clock = self.hypervisor.at + 0.5, self.hypervisor.clock + 0.5
        self.line.overriding.give(Protection(guest, Term(at, clock, seconds), ADA, "dear"), at=at)

    def release(self, kind: str, guest: GuestId) -> None:
        self.line.overriding.take((kind, guest), ADA, "enough", at=self.hypervisor.at + 0.5)

    def replayed(self, policy: str, since: float = 0.0, until: float = 1e12) -> Report:
        """What a policy makes of what was kept; the host is not asked."""
        self.settle()
        self._remembering._close()
        self._remembering.store()
        return replayed(self.file, policy, since, until)


_CLOCKS = {name: getattr(time, name) for name in ("clock_gettime", "CLOCK_BOOTTIME")}


def replayed(file: Path, policy: str, since: float = 0.0, until: float = 1e12) -> Report:
    course = Backtest(Recorded(file), policy_of(policy), since, until)
    for _ in course.run():
        pass
    return course.report()


def invented(
    directory: Path,
    policy: str,
    trust: Mapping[GuestId, Sequence[float]],
    *,
    every: float = 5.0,
    began: float = BEGIN,
) -> Database:
    """A repository whose guests had this trust at every tick, and the bands that come of it.

    Args:
        trust: by guest, all of one length; every one of them is a web guest.
    """
    database = Database(directory / "trustd.db")
    known = policy_of(policy)
    layout = Layout(known.bands, tuple(map(str, Freshness)), ("cpu.usage",))
    PolicyVersions(database).enter(PolicyVersion(known.id, began, "policy.yaml", policy)).result()
    Journal(database).append(
        Entry(began - 1.0, id_, f"web-{place}", SEEN, document_of(known.id))
        for place, id_ in enumerate(trust)
    ).result()
    timelines, guests = Timelines(database), tuple(trust)
    whole = np.array([trust[id_] for id_ in guests], np.float32).T
    bands = np.array([_bands(known, trust[id_], every) for id_ in guests], np.float32).T
    for first in range(0, len(whole), TICKS):
        part = whole[first : first + TICKS]
        values = np.zeros((*part.shape, 5), np.float32)
        at = began + (first + np.arange(len(part))) * every
        values[:, :, 0] = part
        values[:, :, 2] = bands[first : first + TICKS]
        block = Block(layout, guests, at, values, np.ones(part.shape, np.bool_))
        timelines.store(list(chunks_of(block)))
    return database


def _bands(policy: Policy, trust: Sequence[float], every: float) -> list[int]:
    standing, found = policy.relays.start("trusted", at=0.0), []
    for tick, value in enumerate(trust):
        standing = policy.relays.step(standing, value, at=tick * every, clock=tick * every)
        found.append(policy.rank(standing.band))
    return found


def document_of(policy: str) -> dict[str, object]:
    return {
        "state": "running",
        "labels": {"app": "web"},
        "roles": ["web"],
        "band": "trusted",
        "protected": False,
        "observed": False,
        "trust": 0.9,
        "policy": policy,
        "disks": [["vda", "/images/a.qcow2", False]],
        "nics": [["52:54:00:00:00:01", "default"]],
        "devices": [],
    }
