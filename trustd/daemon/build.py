"""The composition root: the one place where the parts are made and wired."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from trustd import __version__
from trustd.api import Live
from trustd.config import OnStop, Settings
from trustd.daemon.access import Access, Stores, boot_clock
from trustd.daemon.administration import Administration
from trustd.daemon.announcing import ANCHOR, AUDIT, INCIDENT
from trustd.daemon.auditing import Auditing
from trustd.daemon.between import Between
from trustd.daemon.configuration import Configuration
from trustd.daemon.entry import ADMISSION, Doorkeeper
from trustd.daemon.evidence import Testimony
from trustd.daemon.feedback import Feedback
from trustd.daemon.gatekeeping import Gatekeeping
from trustd.daemon.history import History
from trustd.daemon.incidents import Handling
from trustd.daemon.notifying import Notifying
from trustd.daemon.overriding import Ordering
from trustd.daemon.reloading import Reloading, info_of
from trustd.daemon.scraped import Scraped
from trustd.daemon.source import Source
from trustd.enforce import Enforcer, EnforceSettings, standard_actuators
from trustd.enforce.errands import Alert, Capture, Evidence, Hook, Runner, Trade
from trustd.errors import PolicyError, StoreError
from trustd.gate import Gates
from trustd.hypervisor import (
    ControlConnection,
    HostObjects,
    HypervisorSettings,
    Leases,
    LibvirtHypervisor,
)
from trustd.metrics import Exposition, Meters, MetricsPage, RawSeries
from trustd.model import Fleet
from trustd.pipeline import (
    Entering,
    Gated,
    Hearing,
    Keeping,
    Line,
    Measuring,
    Narrowing,
    Probing,
    Registry,
    Stages,
    Upkeep,
    given_back,
)
from trustd.plugins import Plugins, Ward, discover
from trustd.policy import Policy
from trustd.repository import (
    Database,
    ErrandStore,
    IncidentStore,
    IntentLedger,
    Journal,
    OrderStore,
    ReportStore,
    SaidStore,
)
from trustd.spi import Hypervisor

log = structlog.get_logger()

DATABASE = "trustd.db"
GATES = "gates"
_CONTROL_CALLS = 12
_SAMPLING = 0.8
"""The part of an interval that reading very many guests may take."""
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
    objects: HostObjects
    database: Database
    probing: Probing
    enforcer: Enforcer
    narrowing: Narrowing
    access: Access
    reloading: Reloading
    office: Administration
    auditing: Auditing
    doorkeeper: Doorkeeper
    gatekeeping: Gatekeeping
    history: History
    between: Between
    feedback: Feedback
    leases: Leases
    testimony: Testimony
    ordering: Ordering
    incidents: Handling
    line: Line
    live: Live
    meters: Meters
    exposition: Exposition
    scraped: Scraped
    notifying: Notifying
    configuration: Configuration

    def tick(self) -> Fleet:
        """One tick of the line, counted, and decided by from now on."""
        labels = self.access.relabelled()
        if labels is not None:
            self.line.relabel(labels, at=time.time())
        _aside("gates", self.gatekeeping.keep)
        clock = boot_clock()
        fleet = self.line.tick()
        self.access.inherit(self.line.kin)
        self.line.note(self.access.publish(fleet, self.narrowing, clock=clock))
        _aside("meters", lambda: self.meters.observe(fleet))
        _aside("incidents", lambda: self.incidents.step(fleet, self.narrowing.policy))
        _aside("history", lambda: self.history.note(fleet))
        _aside("notices", lambda: self.notifying.observe(fleet))
        return fleet

    def page(self, fleet: Fleet) -> MetricsPage:
        """What Prometheus scrapes until the next tick; never fails, as the fleet goes with it."""
        return self.scraped.page(
            lambda: self.exposition.render(fleet, self.meters, self.line.reading)
        )

    def save(self) -> None:
        """Keep what was learned."""
        self.line.save()

    def reload(self) -> None:
        """Take over the policy file and the labels; a bad one leaves all as it is."""
        # what is wrong is told by whoever finds it
        with suppress(PolicyError, StoreError):
            self.reloading.now()

    def close(self) -> None:
        """Give back or keep what is narrowed, save, and end every thread."""
        with ExitStack() as ends:  # the last one first, whatever an earlier one throws
            for part in (self.database, self.objects, self.control, self.hypervisor, self.probing):
                ends.callback(part.close)
            ends.callback(self.leases.close)
            ends.callback(self.notifying.close)
            ends.callback(self.enforcer.close)
            ends.callback(self.auditing.anchor)
            ends.callback(self.history.close)
            ends.callback(self.line.close)
            ends.callback(self.incidents.close)
            if self.settings.on_stop is OnStop.RESTORE:
                done = self.enforcer.restore_all(at=time.time())
                names = {id_: seen.guest.name for id_, seen in self.narrowing.world().items()}
                self.line.note(given_back(done, names))
            if left := self.enforcer.narrowed:
                # by then nobody may be there to ask what was left as it is
                log.warning("guests stay narrowed", guests=sorted(left))


def _aside(part: str, work: Callable[[], object]) -> None:
    """Do what stands beside the line: its trouble is told, and costs no guest its tick."""
    try:
        work()
    except Exception:
        log.exception("a part beside the line failed", part=part)


def door_of(settings: Settings) -> HypervisorSettings:
    """How the hypervisor is reached; a sample of however many guests leaves the tick some time."""
    told = settings.hypervisor
    return HypervisorSettings(told.uri, told.deadline, longest=_SAMPLING * settings.interval)


def build(settings: Settings, hypervisor: Hypervisor | None = None) -> Daemon:
    """Make and wire every part; nothing runs yet but the repository's writer.

    Args:
        hypervisor: None for the one of the settings.

    Raises:
        ConfigError: a collector cannot be had.
        PolicyError: the policy is wrong.
        StoreError: the repository cannot be used.
    """
    plugins = discover(settings.collectors.disabled)
    door = door_of(settings)
    hypervisor = hypervisor or LibvirtHypervisor(door)
    # a call that a stuck guest holds keeps its place: acting needs more of them than reading
    control = ControlConnection(replace(door, calls=_CONTROL_CALLS))
    database = Database(settings.state / DATABASE)
    source, stores = source_of(settings, plugins), Stores.of(database, settings)
    loaded = source.begin(stores.policy, at=time.time())
    source.keep(loaded, stores.policy, at=time.time())
    meters = Meters(__version__)
    objects = HostObjects(door)
    access = Access(settings, source, loaded, stores, meters, objects=lambda: objects.known)
    notifying = Notifying(settings.notify, database, meters)
    gates = Gates(settings.state / GATES)
    levers = standard_actuators(gates=gates)
    enforcer = Enforcer(control, IntentLedger(database), levers, EnforceSettings())
    capture = Capture(control, evidence_of(settings))
    reports, leases = ReportStore(database), Leases(door)
    hearing = Hearing(reports.waiting())
    wired = wire(
        plugins,
        hypervisor,
        loaded.policy,
        registry=access.registry,
        enforcer=enforcer,
        database=database,
        path=settings.policy,
        interval=settings.interval,
        gates=gates,
        trades={"capture": capture, "alert": Alert(notifying.alert), "hook": Hook(settings.hooks)},
        upkeep=capture,
        hearing=hearing,
    )
    if loaded.error:
        wired.line.refuse(loaded.error)
    features = wired.measuring.features
    between = Between()
    live = Live(features, meters, version=__version__, on_stop=settings.on_stop)
    reloading = Reloading(access, wired.narrowing, wired.line, settings.policy)
    history = History(database, settings, features, meters)
    auditing = Auditing(database, settings.state, settings.audit, meters.trail)
    incidents = Handling(
        IncidentStore(database),
        stores.rulings,
        between,
        meters.incidents,
        lambda: wired.narrowing.policy.bands,
        past=history.around,
    )
    notifying.follow(INCIDENT, incidents.notices)
    notifying.follow(AUDIT, auditing.trail_notices)
    notifying.follow(ANCHOR, auditing.anchor_notices)
    return Daemon(
        settings=settings,
        plugins=plugins,
        hypervisor=hypervisor,
        control=control,
        objects=objects,
        database=database,
        probing=wired.probing,
        enforcer=enforcer,
        narrowing=wired.narrowing,
        access=access,
        reloading=reloading,
        office=Administration(access, settings.administration, between, reloading),
        auditing=auditing,
        doorkeeper=Doorkeeper(
            access,
            Journal(database),
            database,
            lambda: wired.narrowing.orders,
            lambda reason: meters.decisions.labels(ADMISSION, reason).inc(),
        ),
        gatekeeping=Gatekeeping(
            gates,
            control,
            Journal(database),
            lambda: {seen.guest.id: seen.guest for seen in access.point.world.guests.values()},
        ),
        history=history,
        between=between,
        feedback=Feedback(wired.line, between),
        leases=leases,
        testimony=Testimony(
            settings.decisions,
            lambda: access.point.world,
            reports,
            hearing,
            leases,
            said=SaidStore(database),
        ),
        ordering=Ordering(
            wired.line.overriding, between, live, settings.administration.longest_order
        ),
        incidents=incidents,
        line=wired.line,
        live=live,
        meters=meters,
        exposition=Exposition(features, raw_of(settings)),
        scraped=Scraped(),
        notifying=notifying,
        configuration=Configuration(settings),
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
    gates: Gates | None = None,
    trades: Mapping[str, Trade] | None = None,
    upkeep: Upkeep | None = None,
    hearing: Hearing | None = None,
) -> Wired:
    """The line over any hypervisor, a recorded one too.

    Args:
        registry: labels beside the guests' definitions; None for the policy's own.
        path: where the policy came from.
        interval: seconds between two ticks.
        observe_only: whether nothing is done, whatever the policy says.
        gates: of this host's disks; None for none.
        trades: what can be done once when a guest enters a band; None for nothing.
        upkeep: of what they change of guests.
        hearing: takes in what other services report; None where nobody does.
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
        orders=OrderStore(database),
        entering=Entering(Runner(trades or {}), ErrandStore(database), upkeep),
        gated=Gated(gates),
        hearing=hearing or Hearing(),
    )
    in_force = IntentLedger(database).intents()
    line = Line(stages, info_of(policy, path, time.time()), interval, in_force=in_force)
    return Wired(line, probing, measuring, narrowing)


def evidence_of(settings: Settings) -> Evidence:
    """Where this daemon keeps evidence."""
    kept = settings.evidence
    place = kept.directory or settings.state / "evidence"
    return Evidence(place, int(kept.most), int(kept.free), kept.each)


def raw_of(settings: Settings) -> RawSeries | None:
    """What writes the raw telemetry; None where nobody asked for it."""
    wanted = settings.metrics
    return RawSeries(devices=wanted.devices) if wanted.raw else None


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
