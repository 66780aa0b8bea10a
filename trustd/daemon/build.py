"""The composition root: the one place where the parts are made and wired."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from trustd import __version__
from trustd.api import Live
from trustd.config import OnStop, Settings
from trustd.enforce import Enforcer, EnforceSettings, standard_actuators
from trustd.errors import PolicyError, Problem
from trustd.hypervisor import ControlConnection, HypervisorSettings, LibvirtHypervisor
from trustd.metrics import Exposition, Meters, MetricsPage
from trustd.model import Fleet, PolicyInfo
from trustd.pipeline import Keeping, Line, Measuring, Narrowing, Probing, Stages
from trustd.plugins import Plugins, Ward, discover
from trustd.policy import Policy, load_policy
from trustd.repository import Database, IntentLedger
from trustd.spi import Hypervisor

log = structlog.get_logger()

DATABASE = "trustd.db"
LONGEST = 3
"""Intervals above which two readings are too far apart for a rate."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """Everything that runs, ready to be started."""

    settings: Settings
    plugins: Plugins
    hypervisor: Hypervisor
    control: ControlConnection
    database: Database
    probing: Probing
    enforcer: Enforcer
    line: Line
    live: Live
    meters: Meters
    exposition: Exposition

    def tick(self) -> Fleet:
        """One tick of the line, counted."""
        fleet = self.line.tick()
        self.meters.observe(fleet)
        return fleet

    def page(self, fleet: Fleet) -> MetricsPage:
        """What Prometheus scrapes until the next tick."""
        return self.exposition.render(fleet, self.meters)

    def save(self) -> None:
        """Keep what was learned."""
        self.line.save(at=time.time())

    def reload(self) -> None:
        """Take over the policy file; a bad one leaves the policy in force."""
        now = time.time()
        try:
            policy = read_policy(self.settings.policy, self.plugins)
        except PolicyError as error:
            log.error("policy refused", error=str(error))  # noqa: TRY400 - a mistake in a file
            self.line.refuse(str(error))
            return
        self.line.adopt(policy, _info(policy, self.settings.policy, now))
        log.info("policy loaded", name=policy.name, id=policy.id)

    def close(self) -> None:
        """Give back or keep what is narrowed, save, and end every thread."""
        now = time.time()
        if self.settings.on_stop is OnStop.RESTORE:
            self.enforcer.restore_all(at=now)
        self.line.save(at=now)
        self.enforcer.close()
        self.probing.close()
        self.hypervisor.close()
        self.control.close()
        self.database.close()


def build(settings: Settings) -> Daemon:
    """Make and wire every part; nothing runs yet but the repository's writer.

    Raises:
        ConfigError: a collector cannot be had.
        PolicyError: the policy is wrong.
        StoreError: the repository cannot be used.
    """
    plugins = discover(settings.collectors.disabled)
    policy = read_policy(settings.policy, plugins)
    door = HypervisorSettings(uri=settings.hypervisor.uri, deadline=settings.hypervisor.deadline)
    hypervisor, control = LibvirtHypervisor(door), ControlConnection(door)
    database = Database(settings.state / DATABASE)
    enforcer = Enforcer(control, IntentLedger(database), standard_actuators(), EnforceSettings())
    wired = wire(
        plugins,
        hypervisor,
        policy,
        enforcer=enforcer,
        database=database,
        path=settings.policy,
        interval=settings.interval,
    )
    meters = Meters(__version__)
    features = wired.measuring.features
    return Daemon(
        settings=settings,
        plugins=plugins,
        hypervisor=hypervisor,
        control=control,
        database=database,
        probing=wired.probing,
        enforcer=enforcer,
        line=wired.line,
        live=Live(features, meters, version=__version__),
        meters=meters,
        exposition=Exposition(features),
    )


@dataclass(frozen=True, slots=True)
class Wired:
    """The line and the parts of it that somebody else also runs."""

    line: Line
    probing: Probing
    measuring: Measuring


def wire(
    plugins: Plugins,
    hypervisor: Hypervisor,
    policy: Policy,
    *,
    enforcer: Enforcer,
    database: Database,
    path: Path,
    interval: float,
    observe_only: bool = False,
) -> Wired:
    """The line over any hypervisor, a recorded one too.

    Args:
        path: where the policy came from.
        interval: seconds between two ticks.
        observe_only: whether nothing is done, whatever the policy says.
    """
    ward = Ward(plugins.names)
    probing = Probing(plugins.probes, ward, time.time)
    measuring = Measuring(plugins, probing, ward, LONGEST * interval)
    keeping = Keeping(database)
    stages = Stages(
        hypervisor=hypervisor,
        measuring=measuring,
        probing=probing,
        ward=ward,
        engine=keeping.engine(measuring.features),
        narrowing=Narrowing(policy, observe_only=observe_only),
        enforcer=enforcer,
        keeping=keeping,
    )
    return Wired(Line(stages, _info(policy, path, time.time()), interval), probing, measuring)


def read_policy(path: Path, plugins: Plugins) -> Policy:
    """Read and check a policy file against the features that are measured.

    Raises:
        PolicyError: it cannot be read, or with every mistake in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "name another with the setting policy"
        problem = Problem(str(path), 0, 0, "", f"cannot be read: {error}", hint)
        raise PolicyError((problem,)) from error
    features = {feature.name for feature in plugins.features}
    return load_policy(text, str(path), features=features)


def _info(policy: Policy, path: Path, now: float) -> PolicyInfo:
    return PolicyInfo(policy.name, policy.id, str(path), now)
