"""The daemon's own figures, in a registry of their own."""

from __future__ import annotations

from collections import Counter as Counting
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from trustd.metrics.evidence import EvidenceMeters
from trustd.metrics.incidents import IncidentMeters
from trustd.metrics.orders import OrderMeters
from trustd.metrics.outcomes import OutcomeLog
from trustd.metrics.trail import TrailMeters
from trustd.model import Fleet, Mode, OutcomeStatus, gap_counts

_TICK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ACTION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DONE = frozenset({OutcomeStatus.APPLIED, OutcomeStatus.RESTORED, OutcomeStatus.DONE})
_ANSWERS = {OutcomeStatus.APPLIED: "reassert", OutcomeStatus.YIELDED: "yield"}
"""What was done about a change by somebody else, by what became of the action."""


class Meters:
    """What the daemon counts about itself.

    Args:
        version: of the daemon.

    Attributes:
        registry: holds every metric of this object and nothing else.
        evidence: what became of other services' reports.
        requests: answers of the API, by route, method and status code.
        incidents: incidents that wait for somebody.
        notices: tries to tell receivers, by receiver and result.
        streams: event streams that are open.
        trail: whether the audit trail is sound.
        streams_dropped: event streams that were closed because they lagged.
    """

    def __init__(self, version: str) -> None:
        own = self.registry = CollectorRegistry()
        ProcessCollector(registry=own)
        self._ticks = _Ticks(own)
        self._policy = _Policy(own)
        self._collectors = _Collectors(own)
        self._surroundings = _Surroundings(own)
        self._actions = _Actions(own)
        self._orders = OrderMeters(own)
        self._levers = _Levers(own)
        self.incidents = IncidentMeters(own)
        self.trail = TrailMeters(own)
        self.evidence = EvidenceMeters(own)
        self._build = _gauge(
            own, "trustd_build_info", "Version of the daemon; always 1.", "version"
        )
        self._build.labels(version).set(1)
        self._config = _gauge(
            own,
            "trustd_config_last_reload_successful",
            "Whether the settings were taken when they were last read.",
        )
        self._config_at = _gauge(
            own,
            "trustd_config_last_reload_success_timestamp_seconds",
            "When settings were last taken.",
        )
        # A daemon that runs has taken its settings.
        self._config.set(1)
        self._config_at.set_to_current_time()
        self.requests = Counter(
            "trustd_http_requests", "Answers of the API.", ["route", "method", "code"], registry=own
        )
        self.decisions = Counter(
            "trustd_decisions",
            "Decisions that other services asked for.",
            ["dialect", "reason"],
            registry=own,
        )
        self._stored = _gauge(
            own, "trustd_repository_bytes", "What the repository holds, by kind.", "kind"
        )
        self._ahead = _gauge(
            own,
            "trustd_repository_clock_ahead_seconds",
            "By how much the clock is ahead of the time that passed.",
        )
        self.notices = Counter(
            "trustd_notices",
            "Tries to tell a receiver of a notice, by what became of them.",
            ["channel", "result"],
            registry=own,
        )
        self.streams = _gauge(own, "trustd_event_streams", "Event streams that are open.")
        self.streams_dropped = Counter(
            "trustd_event_streams_dropped",
            "Event streams that were closed because their reader lagged.",
            registry=own,
        )

    def observe(self, fleet: Fleet) -> None:
        """Take in one tick; to be called once for each."""
        self._ticks.observe(fleet)
        self._policy.observe(fleet)
        self._collectors.observe(fleet)
        self._surroundings.observe(fleet)
        self._actions.observe(fleet)
        self._orders.observe(fleet)
        self._levers.observe(fleet)

    def storage(self, kinds: Mapping[str, int], *, clock_ahead: float) -> None:
        """Take in what the repository holds, in bytes by kind, and its view of the clock."""
        for kind, size in kinds.items():
            self._stored.labels(kind).set(size)
        self._ahead.set(clock_ahead)

    def config_reloaded(self, *, ok: bool, at: float) -> None:
        """Take in that settings were read, at start or on request.

        Args:
            ok: whether they were good and are in force.
            at: epoch seconds.
        """
        self._config.set(ok)
        if ok:
            self._config_at.set(at)


class _Ticks:
    def __init__(self, own: CollectorRegistry) -> None:
        self._ticks = Counter("trustd_ticks", "Ticks that were carried out.", registry=own)
        self._duration = Histogram(
            "trustd_tick_duration_seconds",
            "What a tick took, from the first call to the assessments.",
            buckets=_TICK_BUCKETS,
            registry=own,
        )
        self._overruns = _Total(
            own,
            "trustd_tick_overruns",
            "Ticks that were left out because the one before still ran.",
        )
        self._interval = _gauge(own, "trustd_tick_interval_seconds", "Time between two ticks.")
        self._at = _gauge(own, "trustd_tick_timestamp_seconds", "When the last tick began.")
        self._guests = _gauge(own, "trustd_guests", "Guests that were assessed in the last tick.")

    def observe(self, fleet: Fleet) -> None:
        self._ticks.inc()
        self._duration.observe(fleet.seconds)
        self._overruns.reached(fleet.overruns)
        self._interval.set(fleet.interval)
        self._at.set(fleet.at)
        self._guests.set(len(fleet.guests))


class _Policy:
    def __init__(self, own: CollectorRegistry) -> None:
        self._ok = _gauge(
            own,
            "trustd_policy_last_reload_successful",
            "Whether the policy was taken when it was last read.",
        )
        self._at = _gauge(
            own,
            "trustd_policy_last_reload_success_timestamp_seconds",
            "When a policy was last taken.",
        )
        self._info = _gauge(
            own, "trustd_policy_info", "The policy in force; always 1.", "policy", "sha256"
        )
        self._mode = _gauge(own, "trustd_mode", "Whether this is the policy's mode.", "mode")
        self._breaches = _gauge(
            own, "trustd_wall_violations", "Guests that run against a wall of the policy.", "wall"
        )

    def observe(self, fleet: Fleet) -> None:
        policy, mode = fleet.policy, fleet.mode
        self._ok.set(not policy.error)
        self._at.set(policy.loaded)
        self._info.clear()
        self._info.labels(policy.name, policy.id).set(1)
        for each in Mode:
            self._mode.labels(each).set(each is mode)
        self._breaches.clear()
        for wall, number in Counting(each.wall for each in fleet.breaches).items():
            self._breaches.labels(wall).set(number)


class _Collectors:
    def __init__(self, own: CollectorRegistry) -> None:
        self._duration = _gauge(
            own, "trustd_collect_duration_seconds", "What a collector's last run took.", "collector"
        )
        self._ok = _gauge(
            own, "trustd_collect_success", "Whether a collector's last run succeeded.", "collector"
        )
        self._errors = Counter(
            "trustd_collect_errors", "Runs of a collector that failed.", ["collector"], registry=own
        )
        self._counted: dict[str, int] = {}
        self._gaps = _gauge(
            own,
            "trustd_sample_gaps",
            "Features that have no number in the last tick, over all guests, by reason.",
            "reason",
        )

    def observe(self, fleet: Fleet) -> None:
        for name, health in fleet.plugins.items():
            self._duration.labels(name).set(health.seconds)
            self._ok.labels(name).set(not health.error)
            _count_up(self._errors.labels(name), self._counted.get(name, 0), health.errors)
            self._counted[name] = health.errors
        samples = [guest.samples for guest in fleet.guests.values()]
        for reason, number in gap_counts(samples).items():
            self._gaps.labels(reason.name.lower().replace("_", "-")).set(number)


class _Surroundings:
    def __init__(self, own: CollectorRegistry) -> None:
        self._up = _gauge(own, "trustd_libvirt_up", "Whether the hypervisor answers.")
        self._abandoned = _gauge(
            own,
            "trustd_libvirt_abandoned_calls",
            "Calls to the hypervisor that were given up and have not come back.",
        )
        self._unresponsive = _gauge(
            own,
            "trustd_libvirt_unresponsive_guests",
            "Guests whose emulator does not answer.",
        )
        self._pressure = _gauge(
            own,
            "trustd_host_pressure_ratio",
            "Share of time in which work on the host waited for this resource.",
            "resource",
        )
        self._store = _gauge(own, "trustd_store_up", "Whether the repository takes writes.")

    def observe(self, fleet: Fleet) -> None:
        self._up.set(fleet.hypervisor.up)
        self._abandoned.set(fleet.hypervisor.abandoned)
        self._unresponsive.set(fleet.hypervisor.unresponsive)
        self._store.set(not fleet.store_error)
        if fleet.host is None:
            self._pressure.clear()
            return
        self._pressure.labels("cpu").set(fleet.host.cpu)
        self._pressure.labels("memory").set(fleet.host.memory)
        self._pressure.labels("io").set(fleet.host.io)


class _Actions:
    def __init__(self, own: CollectorRegistry) -> None:
        self._log = OutcomeLog()
        self._actions = Counter(
            "trustd_actions",
            "Actions on guests by what became of them; an action that merely lasts counts once.",
            ["action", "outcome"],
            registry=own,
        )
        self._duration = Histogram(
            "trustd_action_duration_seconds",
            "What carrying out an action took.",
            ["action"],
            buckets=_ACTION_BUCKETS,
            registry=own,
        )
        self._latency = Histogram(
            "trustd_enforcement_latency_seconds",
            "From the sample that decided an action to the end of the tick that reports it done.",
            ["action"],
            buckets=_ACTION_BUCKETS,
            registry=own,
        )
        self._foreign = Counter(
            "trustd_foreign_changes",
            "Changes by somebody else of what was in force on a guest, by the answer.",
            ["action", "answer"],
            registry=own,
        )

    def observe(self, fleet: Fleet) -> None:
        for outcome in self._log.fresh(fleet):
            lever = outcome.action.lever
            self._actions.labels(lever, outcome.status).inc()
            if outcome.status in _DONE:
                self._duration.labels(lever).observe(outcome.seconds)
                self._latency.labels(lever).observe(max(0.0, fleet.at + fleet.seconds - outcome.at))
            if outcome.foreign and outcome.status in _ANSWERS:
                self._foreign.labels(lever, _ANSWERS[outcome.status]).inc()


class _Levers:
    def __init__(self, own: CollectorRegistry) -> None:
        self._available = _gauge(
            own,
            "trustd_lever_available",
            "Whether this host can pull a lever; none before it was tried.",
            "lever",
        )
        self._lacking = _gauge(
            own,
            "trustd_levers_lacking",
            "Levers that the policy needs in enforce mode and that cannot be had.",
        )

    def observe(self, fleet: Fleet) -> None:
        self._available.clear()
        for name, health in fleet.levers.items():
            if health.available is not None:
                self._available.labels(name).set(health.available)
        self._lacking.set(len(fleet.lacking))


class _Total:
    """A counter that follows a number which somebody else counts."""

    def __init__(self, own: CollectorRegistry, name: str, text: str) -> None:
        self._counter = Counter(name, text, registry=own)
        self._seen = 0

    def reached(self, total: int) -> None:
        _count_up(self._counter, self._seen, total)
        self._seen = total


def _count_up(counter: Counter, seen: int, total: int) -> None:
    """Add what is new; a source that began anew is counted from zero."""
    counter.inc(total - seen if total >= seen else total)


def _gauge(own: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=own)
