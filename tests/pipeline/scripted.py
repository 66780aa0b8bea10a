"""A hypervisor whose guests do what a test says, and the whole line over it.

Collectors, engine, policy, enforcer and repository are the real ones; only behind the doors to
libvirt is nothing: what is to be done to a guest is sent, and fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trustd.daemon.build import DATABASE, wire
from trustd.enforce import Enforcer, EnforceSettings, standard_actuators
from trustd.enforce.errands import Trade
from trustd.hypervisor import ControlConnection, HypervisorSettings
from trustd.model import (
    Disk,
    Fleet,
    Guest,
    GuestEvent,
    GuestId,
    GuestReading,
    GuestState,
    HypervisorCondition,
    Nic,
    OutcomeStatus,
    Reading,
)
from trustd.pipeline import Registry
from trustd.plugins import Plugins, discover
from trustd.policy import Policy, load_policy
from trustd.repository import Database, Entry, IntentLedger, Journal

LAB = (Path(__file__).parents[2] / "policies/examples/lab.yaml").read_text("utf-8")
CALM = LAB.replace("warmup: 10s", "warmup: 1s")
"""Guests that behave are trusted within a few ticks of two seconds."""
INTERVAL = 2.0
TOO_MUCH = 64 * 2**20
"""Bytes a second, far above what the policy lets a web guest write."""
NOWHERE = HypervisorSettings(uri="qemu+unix:///system?socket=/nonexistent/trustd-test")
SENT = frozenset({OutcomeStatus.FAILED, OutcomeStatus.TIMED_OUT})
"""What becomes of an action here when it was sent to the hypervisor."""


def guest_id(number: int) -> GuestId:
    return GuestId(f"00000000-0000-4000-8000-{number:012d}")


def web(number: int, **other: Any) -> Guest:
    known = Guest(
        guest_id(number),
        f"web-{number}",
        GuestState.RUNNING,
        {"app": "web"},
        disks=(Disk("vda", f"/images/{number}.qcow2"),),
        nics=(Nic(f"52:54:00:00:00:{number % 256:02x}", "default", f"vnet{number}"),),
    )
    return replace(known, **other)


class Scripted:
    """The Protocol of a hypervisor.

    Attributes:
        at, clock: epoch seconds and boot clock of the next reading.
        writes: bytes a second, by guest; none writes otherwise.
        partial: guests whose emulator does not answer.
        missing: guests that run and of which nothing comes.
        error: why the hypervisor cannot be reached.
        news: events that are told at the next tick.
    """

    def __init__(self, guests: Sequence[Guest]) -> None:
        self.guests: Mapping[GuestId, Guest] = {guest.id: guest for guest in guests}
        self.at, self.clock = 1_790_000_000.0, 5_000.0
        self.writes: dict[GuestId, float] = {}
        self.partial: set[GuestId] = set()
        self.missing: set[GuestId] = set()
        self.error = ""
        self.news: list[GuestEvent] = []
        self._written: dict[GuestId, float] = {}
        self._last = self.clock

    def change(self, *guests: Guest) -> None:
        """Define guests, new ones too."""
        self.guests = {**self.guests, **{guest.id: guest for guest in guests}}

    def undefine(self, *gone: GuestId) -> None:
        self.guests = {id_: guest for id_, guest in self.guests.items() if id_ not in gone}

    def start(self) -> None: ...

    def close(self) -> None: ...

    def resynced(self) -> bool:
        return False

    def events(self) -> Sequence[GuestEvent]:
        told, self.news = self.news, []
        return told

    def inventory(self) -> Mapping[GuestId, Guest]:
        return self.guests

    def condition(self) -> HypervisorCondition:
        return HypervisorCondition(not self.error, self.at, self.error)

    def sample(self) -> Reading:
        passed, self._last = self.clock - self._last, self.clock
        for guest, rate in self.writes.items():
            self._written[guest] = self._written.get(guest, 0.0) + rate * max(passed, 0.0)
        if self.error:
            return Reading(self.at, self.clock, error=self.error)
        return Reading(
            self.at,
            self.clock,
            {
                id_: GuestReading(
                    id_,
                    guest.state,
                    self.at,
                    self.clock,
                    self._stats(id_, guest),
                    whole=id_ not in self.partial,
                )
                for id_, guest in self.guests.items()
                if id_ not in self.missing
            },
        )

    def _stats(self, guest: GuestId, known: Guest) -> dict[str, Any]:
        if known.state is not GuestState.RUNNING:
            return {"state.state": 5, "state.reason": 1}
        seconds = int(self.clock)
        return {
            "state.state": 1,
            "state.reason": 1,
            "cpu.time": seconds * 10**7,
            "vcpu.current": 1,
            "vcpu.maximum": 1,
            "vcpu.0.state": 1,
            "vcpu.0.time": seconds * 10**7,
            "net.count": 1,
            "net.0.name": f"vnet{guest[-4:]}",
            **{f"net.0.{way}.{what}": 0 for way in ("rx", "tx") for what in _NET},
            "block.count": 1,
            "block.0.name": "vda",
            **{f"block.0.{way}.{what}": 0 for way in ("rd", "wr", "fl") for what in _BLOCK},
            "block.0.wr.bytes": int(self._written.get(guest, 0)),
        }


_NET = ("bytes", "pkts", "errs", "drop")
_BLOCK = ("reqs", "bytes", "times")


def policy_of(text: str, plugins: Plugins | None = None) -> Policy:
    features = {feature.name for feature in (plugins or discover()).features}
    return load_policy(text, "policy.yaml", features=features)


class Rig:
    """The line over a scripted hypervisor, over as many runs of the daemon as a test wants."""

    def __init__(
        self,
        directory: Path,
        guests: Sequence[Guest],
        *,
        policy: str = CALM,
        extra: Plugins | None = None,
        trades: Mapping[str, Trade] | None = None,
    ) -> None:
        self.hypervisor = Scripted(guests)
        found = discover(["emulator", "host"])
        extra = extra or Plugins()
        self.plugins = Plugins(
            found.collectors + extra.collectors,
            found.listeners + extra.listeners,
            found.probes + extra.probes,
            found.sensors + extra.sensors,
        )
        self.policy = policy
        self._trades = trades or {}
        self._directory = directory
        self._runs = 0
        self.start()

    @property
    def path(self) -> Path:
        return self._directory / str(self._runs) / DATABASE

    def start(self) -> None:
        """A run of the daemon."""
        self.database = Database(self.path)
        self._control = ControlConnection(NOWHERE)
        self.enforcer = Enforcer(
            self._control,
            IntentLedger(self.database),
            standard_actuators(),
            EnforceSettings(deadline=30.0, patience=30.0),
        )
        wired = wire(
            self.plugins,
            self.hypervisor,
            policy_of(self.policy, self.plugins),
            enforcer=self.enforcer,
            database=self.database,
            path=Path("policy.yaml"),
            interval=INTERVAL,
            trades=self._trades,
        )
        self.line, self.probing = wired.line, wired.probing

    def stop(self) -> None:
        """As on SIGTERM."""
        self.line.close()
        self._end()

    def kill(self) -> None:
        """As on SIGKILL after the last write: the next run finds the repository as it is."""
        self.land()
        following = self._directory / str(self._runs + 1)
        following.mkdir()

        def copy(_connection: object) -> None:
            for file in self.path.parent.glob(f"{DATABASE}*"):
                shutil.copy(file, following)

        # in the writer's own turn: an attempt that goes on writes nothing between two files
        self.database.submit(copy).result(60)
        self._end()
        self._runs += 1

    def restart(self) -> None:
        self.kill()
        self.start()

    def reload(self, text: str) -> None:
        self.policy = text
        policy = policy_of(text, self.plugins)
        info = replace(self.fleet.policy, id=policy.id, loaded=self.hypervisor.at)
        self.line.adopt(policy, Registry.of(policy, None, {}), info)

    def settle(self) -> None:
        """Wait until what was submitted to the repository is done."""
        self.database.submit(lambda connection: None).exception(60)

    def tick(self, times: int = 1, *, seconds: float = INTERVAL, step: float = 0.0) -> Fleet:
        """So many ticks; the last one's fleet.

        Args:
            seconds: between two ticks.
            step: by which the wall clock is set before the first one.
        """
        self.hypervisor.at += step
        for _ in range(times):
            self.hypervisor.at += seconds
            self.hypervisor.clock += seconds
            self.fleet = self.line.tick()
        return self.fleet

    def bands(self) -> dict[str, str]:
        return {each.guest.name: each.band for each in self.fleet.guests.values()}

    def sent(self) -> set[str]:
        """Guests of which something was asked of the hypervisor."""
        return self._with(SENT)

    def withheld(self) -> set[str]:
        return self._with({OutcomeStatus.WITHHELD})

    def save(self) -> None:
        """The periodic save, and wait until it is on the disk."""
        self.line.save()
        self.land()

    def land(self) -> None:
        """Wait until everything that the ticks submitted is on the disk."""
        # one write is under way at a time: what waited for it goes out after it
        for _ in range(2):
            self.settle()
            self.line._stages.keeping.flush()
        self.settle()

    def journal(self, guest: GuestId, kind: str) -> list[Entry]:
        """Its entries of one kind, oldest first."""
        self.land()
        return [each for each in reversed(Journal(self.database).of(guest)) if each.kind == kind]

    def _with(self, statuses: Collection[OutcomeStatus]) -> set[str]:
        return {
            each.guest.name
            for each in self.fleet.guests.values()
            if any(outcome.status in statuses for outcome in each.outcomes)
        }

    def _end(self) -> None:
        self.enforcer.close()
        self.probing.close()
        self._control.close()
        self.database.close()
