"""The access half over a scripted hypervisor, tick by tick, as the daemon wires it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.pipeline.scripted import INTERVAL, NOWHERE, Scripted
from trustd.config import Settings
from trustd.daemon.access import Access, Stores, boot_clock
from trustd.daemon.build import source_of, wire
from trustd.daemon.formerly import Formerly
from trustd.daemon.reloading import Reloading
from trustd.enforce import Enforcer, EnforceSettings, standard_actuators
from trustd.hypervisor import ControlConnection
from trustd.metrics import Meters
from trustd.model import Fleet, Guest
from trustd.plugins import discover
from trustd.repository import Database, IntentLedger


class Host:
    """A context manager. Time is the hypervisor's, which begins now and runs as ticks do."""

    def __init__(self, directory: Path, guests: Sequence[Guest], policy: str) -> None:
        self.path = directory / "policy.yaml"
        self.path.write_text(policy, "utf-8")
        self.hypervisor = Scripted(guests)
        self.hypervisor.at = time.time() + 1
        self._directory = directory

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        plugins = discover(["emulator", "host"])
        settings = Settings.model_validate(
            {"policy": str(self.path), "state": str(self._directory), "interval": "2s"}
        )
        self.database = Database(self._directory / "trustd.db")
        source, stores = source_of(settings, plugins), Stores.of(self.database, settings)
        loaded = source.begin(stores.policy, at=time.time())
        self.meters = Meters("1.2.3")
        self.access = Access(settings, source, loaded, stores, self.meters)
        self._control = ControlConnection(NOWHERE)
        self.enforcer = Enforcer(
            self._control,
            IntentLedger(self.database),
            standard_actuators(),
            EnforceSettings(deadline=30.0, patience=30.0),
        )
        wired = wire(
            plugins,
            self.hypervisor,
            loaded.policy,
            registry=self.access.registry,
            enforcer=self.enforcer,
            database=self.database,
            path=self.path,
            interval=INTERVAL,
        )
        self.line, self.narrowing, self._probing = wired.line, wired.narrowing, wired.probing
        self.reloading = Reloading(self.access, self.narrowing, self.line, self.path)
        self.formerly = Formerly(stores.past, stores.versions)

    def stop(self) -> None:
        self.line.close()
        self.enforcer.close()
        self._probing.close()
        self._control.close()
        self.database.close()

    def tick(self, times: int = 1) -> Fleet:
        for _ in range(times):
            self.hypervisor.at += INTERVAL
            self.hypervisor.clock += INTERVAL
            registry = self.access.relabelled()
            if registry is not None:
                self.line.relabel(registry, at=self.hypervisor.at)
            self.fleet = self.line.tick()
            self.line.note(self.access.publish(self.fleet, self.narrowing, clock=boot_clock()))
            self.meters.observe(self.fleet)
        return self.fleet

    def settle(self) -> None:
        """Wait until all that was submitted is on the disk."""
        for _ in range(2):
            self.line._stages.keeping.flush()
            self.database.submit(lambda _: None).result(60)
