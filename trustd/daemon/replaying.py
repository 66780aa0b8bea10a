"""A recording through the whole line: what would have happened."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

from trustd.config import Settings
from trustd.daemon.build import DATABASE, read_policy, wire
from trustd.enforce import Enforcer, EnforceSettings, standard_actuators
from trustd.errors import DocumentError
from trustd.hypervisor import ControlConnection, HypervisorSettings, ReplayHypervisor
from trustd.model import Fleet, Reading
from trustd.plugins import Plugins, discover
from trustd.repository import Database, IntentLedger

_PEEKED = 32
"""Readings from which a recording's interval is told."""


def replay(path: Path, policy: Path) -> Iterator[Fleet]:
    """The fleet after every recorded reading; nothing is done to any guest.

    Probes and the host's load are not in a recording, so they say nothing here.
    Everything is learned from the recording alone.

    Raises:
        DocumentError: the recording cannot be read, or is damaged in its middle;
            everything before that place was given.
        PolicyError: the policy is wrong.
    """
    found = discover()
    plugins = Plugins(collectors=found.collectors, listeners=found.listeners)
    interval = _interval(path)
    with tempfile.TemporaryDirectory(prefix="trustd-replay-") as directory:
        database = Database(Path(directory) / DATABASE)
        # the policy only observes here, so that no connection is ever opened
        control = ControlConnection(HypervisorSettings())
        enforcer = Enforcer(
            control, IntentLedger(database), standard_actuators(), EnforceSettings()
        )
        recorded = ReplayHypervisor(path)
        try:
            line = wire(
                plugins,
                recorded,
                read_policy(policy, found),
                enforcer=enforcer,
                database=database,
                path=policy,
                interval=interval,
                observe_only=True,
            ).line
            while not recorded.ended:
                yield line.tick()
            if recorded.problem is not None:
                raise DocumentError((recorded.problem,))
        finally:
            recorded.close()
            enforcer.close()
            control.close()
            database.close()


def _interval(path: Path) -> float:
    """Seconds between two readings of a recording."""
    recorded = ReplayHypervisor(path)
    try:
        clocks = [reading.clock for reading in islice(_readings(recorded), _PEEKED)]
    finally:
        recorded.close()
    between = [after - before for before, after in pairwise(clocks)]
    return median(between) if between else Settings().interval


def _readings(recorded: ReplayHypervisor) -> Iterator[Reading]:
    while not recorded.ended:
        yield recorded.sample()
