"""The composition root: the one place where the parts are made and wired."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from trustd import __version__
from trustd.api import Live
from trustd.config import OnStop, Settings
from trustd.daemon.access import Access, Stores, boot_clock
from trustd.daemon.administration import Administration
from trustd.daemon.between import Between
from trustd.daemon.feedback import Feedback
from trustd.daemon.source import Source
from trustd.enforce import Enforcer, EnforceSettings, standard_actuators
from trustd.errors import PolicyError
from trustd.hypervisor import ControlConnection, HypervisorSettings, LibvirtHypervisor
from trustd.metrics import Exposition, Meters, MetricsPage
from trustd.model import Fleet, GuestState, PolicyInfo
from trustd.pipeline import Keeping, Line, Measuring, Narrowing, Probing, Registry, Stages
from trustd.plugins import Plugins, Ward, discover
from trustd.policy import Policy
from trustd.repository import Database, IntentLedger, Journal
from trustd.spi import Hypervisor

log = structlog.get_logger()

DATABASE = "trustd.db"
_CONTROL_CALLS = 12
LONGEST = 3
PATIENCE = 180.0
"""Two readings are too far apart for a rate above so many intervals, and so many seconds.

A guest that stalls is asked more rarely, up to a minute apart. The rate between two
of its readings is a true average, and without it stalling would be a way to hide."""


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
    narrowing: Narrowing
    access: Access
    office: Administration
    between: Between
    feedback: Feedback
    line: Line
    live: Live
    meters: Meters
    exposition: Exposition

    def tick(self) -> Fleet:
        """One tick of the line, counted, and decided by from now on."""
        labels = self.access.relabelled()
        if labels is not None:
            self.line.relabel(labels, at=time.time())
        clock = boot_clock()
        fleet = self.line.tick()
        self.access.publish(fleet, self.narrowing, clock=clock)
        self.meters.observe(fleet)
        return fleet

    def page(self, fleet: Fleet) -> MetricsPage:
        """What Prometheus scrapes until the next tick."""
        return self.exposition.render(fleet, self.meters)

    def save(self) -> None:
        """Keep what was learned."""
        self.line.save()

    def reload(self) -> None:
        """Take over the policy file and the labels; a bad one leaves all as it is."""
        now = time.time()
        running = [
            seen.guest
            for seen in self.narrowing.world().values()
            if seen.guest.state is not GuestState.SHUTOFF
        ]
        try:
            loaded = self.access.source.read(at=now, running=running)
        except PolicyError as error:
            log.error("policy refused", error=str(error))  # noqa: TRY400 - a mistake in a file
            self.line.refuse(str(error))
            self.access.refuse(str(error))
            return
        policy = loaded.policy
        registry = self.access.adopt(loaded, at=now)
        self.line.adopt(policy, registry, _info(policy, self.settings.policy, now))
        log.info("policy loaded", name=policy.name, id=policy.id)

    def close(self) -> None:
        """Give back or keep what is narrowed, save, and end every thread."""
        with ExitStack() as ends:  # the last one first, whatever an earlier one throws
            for part in (self.database, self.control, self.hypervisor, self.probing):
                ends.callback(part.close)
            ends.callback(self.enforcer.close)
            ends.callback(self.line.close)
            if self.settings.on_stop is OnStop.RESTORE:
                self.enforcer.restore_all(at=time.time())


def build(settings: Settings) -> Daemon:
    """Make and wire every part; nothing runs yet but the repository's writer.

    Raises:
        ConfigError: a collector cannot be had.
        PolicyError: the policy is wrong.
        StoreError: the repository cannot be used.
    """
    plugins = discover(settings.collectors.disabled)
    door = HypervisorSettings(uri=settings.hypervisor.uri, deadline=settings.hypervisor.deadline)
    hypervisor = LibvirtHypervisor(door)
    # a call that a stuck guest holds keeps its place: acting needs more of them than reading
    control = ControlConnection(replace(door, calls=_CONTROL_CALLS))
    database = Database(settings.state / DATABASE)
    source, stores = source_of(settings, plugins), Stores.of(database, settings)
    loaded = source.begin(stores.policy, at=time.time())
    source.keep(loaded, stores.policy, at=time.time())
    meters = Meters(__version__)
    access = Access(settings, source, loaded, stores, meters)
    enforcer = Enforcer(control, IntentLedger(database), standard_actuators(), EnforceSettings())
    wired = wire(
        plugins,
        hypervisor,
        loaded.policy,
        registry=access.registry,
        enforcer=enforcer,
        database=database,
        path=settings.policy,
        interval=settings.interval,
    )
    if loaded.error:
        wired.line.refuse(loaded.error)
    features = wired.measuring.features
    between = Between()
    return Daemon(
        settings=settings,
        plugins=plugins,
        hypervisor=hypervisor,
        control=control,
        database=database,
        probing=wired.probing,
        enforcer=enforcer,
        narrowing=wired.narrowing,
        access=access,
        office=Administration(
            access, Journal(database), settings.administration, str(settings.policy)
        ),
        between=between,
        feedback=Feedback(wired.line, between),
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
    narrowing: Narrowing


def wire(
    plugins: Plugins,
    hypervisor: Hypervisor,
    policy: Policy,
    *,
    registry: Registry | None = None,
    enforcer: Enforcer,
    database: Database,
    path: Path,
    interval: float,
    observe_only: bool = False,
) -> Wired:
    """The line over any hypervisor, a recorded one too.

    Args:
        registry: labels beside the guests' definitions; None for the policy's own.
        path: where the policy came from.
        interval: seconds between two ticks.
        observe_only: whether nothing is done, whatever the policy says.
    """
    ward = Ward(plugins.names)
    probing = Probing(plugins.probes, ward, time.time)
    measuring = Measuring(plugins, probing, ward, max(LONGEST * interval, PATIENCE))
    keeping = Keeping(database)
    narrowing = Narrowing(policy, registry, observe_only=observe_only)
    stages = Stages(
        hypervisor=hypervisor,
        measuring=measuring,
        probing=probing,
        ward=ward,
        engine=keeping.engine(measuring.features),
        narrowing=narrowing,
        enforcer=enforcer,
        keeping=keeping,
    )
    in_force = IntentLedger(database).intents()
    line = Line(stages, _info(policy, path, time.time()), interval, in_force=in_force)
    return Wired(line, probing, measuring, narrowing)


def source_of(settings: Settings, plugins: Plugins) -> Source:
    """Where this daemon's policy and labels come from."""
    features = {feature.name for feature in plugins.features}
    return Source(settings.policy, settings.objects, features)


def read_policy(path: Path, plugins: Plugins) -> Policy:
    """Read and check one policy file against the features that are measured.

    Raises:
        PolicyError: it cannot be read, or with every mistake in it.
    """
    features = {feature.name for feature in plugins.features}
    return Source(path, None, features).read(at=time.time()).policy


def _info(policy: Policy, path: Path, now: float) -> PolicyInfo:
    return PolicyInfo(policy.name, policy.id, str(path), now)
