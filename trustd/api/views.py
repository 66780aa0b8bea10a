"""From the model to the documents of the API: pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite

from trustd.api import shapes
from trustd.api.override_views import orders_doc, override_doc, protection_doc
from trustd.metrics import legible
from trustd.model import (
    Assessment,
    Driver,
    EffectivePermissions,
    FeatureSpec,
    Finding,
    Fleet,
    Gap,
    Opinion,
    Outcome,
    OutcomeStatus,
    Setting,
)

LONGEST_NAME = 256
LONGEST_TEXT = 1024
"""The most characters of a name and of a sentence that a document carries."""

_NARROWS = frozenset({OutcomeStatus.APPLIED, OutcomeStatus.HELD, OutcomeStatus.WOULD_APPLY})


def number(value: float) -> float | None:
    """A JSON number, or None where there is none.

    >>> number(0.5), number(float("nan"))
    (0.5, None)
    """
    return float(value) if isfinite(value) else None


def summary(guest: Assessment) -> shapes.GuestSummary:
    """A guest as a list shows it."""
    known = guest.guest
    return shapes.GuestSummary(
        id=guest.id,
        name=legible(known.name, LONGEST_NAME),
        state=known.state,
        freshness=guest.freshness,
        age=number(guest.age),
        at=number(guest.at),
        trust=number(guest.trust),
        uncertainty=number(guest.opinion.uncertainty),
        band=guest.band,
        since=number(guest.since),
        mode=guest.mode,
        roles=guest.permissions.roles,
        labels={
            legible(key, LONGEST_NAME): legible(value, LONGEST_NAME)
            for key, value in known.labels.items()
        },
        drivers=[_driver(driver) for driver in guest.drivers],
        lost=sum(len(access.lost) for access in guest.permissions.access),
        restricted=restricted(guest),
        automatic=guest.automatic or guest.band,
        override=override_doc(guest.ordered.override),
        protection=protection_doc(guest.ordered.protection, known.name),
    )


def restricted(guest: Assessment) -> list[str]:
    """The levers that narrow a guest now, or would if trustd were to enforce."""
    return sorted(
        {outcome.action.lever for outcome in guest.outcomes if outcome.status in _NARROWS}
    )


def full(guest: Assessment, features: Mapping[str, FeatureSpec]) -> shapes.GuestDoc:
    """Everything about one guest.

    Args:
        features: by name, for the units.
    """
    known = guest.guest
    return shapes.GuestDoc(
        tick=guest.tick,
        summary=summary(guest),
        policy=guest.policy,
        vcpus=known.vcpus,
        memory=known.memory,
        disks=[
            shapes.DiskDoc(
                legible(disk.target, LONGEST_NAME),
                legible(disk.identity, LONGEST_TEXT),
                legible(disk.kind, LONGEST_NAME),
                disk.readonly,
            )
            for disk in known.disks
        ],
        nics=[
            shapes.NicDoc(
                legible(nic.mac, LONGEST_NAME),
                legible(nic.network, LONGEST_NAME),
                legible(nic.tap, LONGEST_NAME),
                nic.link,
            )
            for nic in known.nics
        ],
        host_devices=[legible(device.identity, LONGEST_NAME) for device in known.host_devices],
        opinion=_opinion(guest.opinion),
        samples={name: _sample(name, value, features) for name, value in guest.samples.items()},
        findings=[_finding(finding) for finding in guest.findings],
        access=_access(guest.permissions),
        actions=[_action(outcome) for outcome in guest.outcomes],
    )


def permissions(guest: Assessment) -> shapes.PermissionsDoc:
    """What a guest may do at the moment."""
    return shapes.PermissionsDoc(
        id=guest.id,
        name=legible(guest.guest.name, LONGEST_NAME),
        mode=guest.mode,
        band=guest.band,
        roles=guest.permissions.roles,
        policy=guest.policy,
        access=_access(guest.permissions),
    )


def explanation(guest: Assessment) -> shapes.Explanation:
    """Why a guest is where it is."""
    return shapes.Explanation(
        tick=guest.tick,
        id=guest.id,
        name=legible(guest.guest.name, LONGEST_NAME),
        at=number(guest.at),
        freshness=guest.freshness,
        age=number(guest.age),
        trust=number(guest.trust),
        opinion=_opinion(guest.opinion),
        band=guest.band,
        since=number(guest.since),
        mode=guest.mode,
        policy=guest.policy,
        drivers=[_driver(driver) for driver in guest.drivers],
        findings=[_finding(finding) for finding in guest.findings],
        missing={
            name: gap_reason(value)
            for name, value in guest.samples.items()
            if isinstance(value, Gap)
        },
        lost=[access for access in _access(guest.permissions) if access.lost],
        actions=[_action(outcome) for outcome in guest.outcomes],
        automatic=guest.automatic or guest.band,
        override=override_doc(guest.ordered.override),
        protection=protection_doc(guest.ordered.protection, guest.guest.name),
    )


def counts(fleet: Fleet) -> shapes.Counts:
    """How many guests are in each band, freshness and state."""
    bands = Counter(guest.band for guest in fleet.guests.values())
    return shapes.Counts(
        total=len(fleet.guests),
        restricted=sum(1 for guest in fleet.guests.values() if restricted(guest)),
        by_band={band: bands[band] for band in dict.fromkeys((*fleet.bands, *bands))},
        by_freshness=_tally(guest.freshness for guest in fleet.guests.values()),
        by_state=_tally(guest.guest.state for guest in fleet.guests.values()),
    )


def status(
    fleet: Fleet,
    readiness: shapes.Readiness,
    *,
    version: str,
    age: float,
    streams: int,
    on_stop: str,
    incidents: int | None = None,
    local: bool = False,
) -> shapes.Status:
    """The daemon's condition.

    Args:
        age: seconds since the fleet was published.
        streams: event streams that are open.
        on_stop: what becomes of narrowed guests when the daemon stops.
        incidents: that nobody has resolved yet; None where none are kept.
        local: whether it was asked for over the unix socket.
    """
    policy, hypervisor, host = fleet.policy, fleet.hypervisor, fleet.host
    return shapes.Status(
        version=version,
        ready=readiness.ready,
        checks=readiness.checks,
        tick=fleet.tick,
        at=number(fleet.at),
        age=age,
        seconds=number(fleet.seconds),
        interval=fleet.interval,
        overruns=fleet.overruns,
        mode=fleet.mode,
        bands=fleet.bands,
        guests=counts(fleet),
        policy=shapes.PolicyDoc(
            legible(policy.name, LONGEST_NAME),
            policy.id,
            legible(policy.path, LONGEST_TEXT),
            number(policy.loaded),
            legible(policy.error, LONGEST_TEXT),
        ),
        hypervisor=shapes.HypervisorDoc(
            hypervisor.up,
            number(hypervisor.since),
            legible(hypervisor.error, LONGEST_TEXT),
            hypervisor.abandoned,
            hypervisor.unresponsive,
        ),
        host=None
        if host is None
        else shapes.HostDoc(number(host.cpu), number(host.memory), number(host.io)),
        plugins={
            name: shapes.PluginDoc(
                number(health.seconds), health.errors, legible(health.error, LONGEST_TEXT)
            )
            for name, health in fleet.plugins.items()
        },
        levers=[
            shapes.LeverDoc(name, health.available, legible(health.why, LONGEST_TEXT))
            for name, health in sorted(fleet.levers.items())
        ],
        store_error=legible(fleet.store_error, LONGEST_TEXT),
        streams=streams,
        wall_violations=[
            shapes.WallBreachDoc(
                each.guest,
                legible(each.name, LONGEST_NAME),
                each.wall,
                legible(each.value, LONGEST_TEXT),
                each.held,
            )
            for each in fleet.breaches
        ],
        orders=orders_doc(fleet),
        on_stop=on_stop,
        incidents=incidents,
        local=local,
    )


def gap_reason(gap: Gap) -> str:
    """The reason in the words of the API.

    >>> from trustd.model import GapReason
    >>> gap_reason(Gap(GapReason.NOT_RUNNING))
    'not-running'
    """
    return gap.reason.name.lower().replace("_", "-")


def _tally(values: Iterable[str]) -> dict[str, int]:
    return {str(key): count for key, count in sorted(Counter(values).items())}


def _driver(driver: Driver) -> shapes.DriverDoc:
    return shapes.DriverDoc(
        legible(driver.name, LONGEST_NAME), number(driver.share), legible(driver.text, LONGEST_TEXT)
    )


def _opinion(opinion: Opinion) -> shapes.OpinionDoc:
    return shapes.OpinionDoc(
        number(opinion.belief),
        number(opinion.disbelief),
        number(opinion.uncertainty),
        number(opinion.base_rate),
    )


def _sample(name: str, value: float | Gap, features: Mapping[str, FeatureSpec]) -> shapes.SampleDoc:
    feature = features.get(name)
    unit = str(feature.unit) if feature else ""
    if isinstance(value, Gap):
        return shapes.SampleDoc(None, unit, gap_reason(value))
    return shapes.SampleDoc(number(value), unit, None if isfinite(value) else "not-a-number")


def _finding(finding: Finding) -> shapes.FindingDoc:
    return shapes.FindingDoc(
        kind=legible(finding.kind, LONGEST_NAME),
        key=legible(finding.key, LONGEST_NAME),
        severity=finding.severity,
        family=finding.family,
        source=legible(finding.source, LONGEST_NAME),
        at=number(finding.at),
        summary=legible(finding.summary, LONGEST_TEXT),
        facts={legible(key, LONGEST_NAME): _fact(value) for key, value in finding.facts.items()},
    )


def _fact(value: str | float) -> str | int | float | None:
    """A fact as JSON can carry it; an integer past 64 bits becomes text.

    >>> _fact(2**70), _fact(float("inf")), _fact(7)
    ('1180591620717411303424', None, 7)
    """
    if isinstance(value, str):
        return legible(value, LONGEST_TEXT)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    return number(value)


def _access(held: EffectivePermissions) -> list[shapes.AccessDoc]:
    return [
        shapes.AccessDoc(
            legible(access.object.type, LONGEST_NAME),
            legible(access.object.id, LONGEST_TEXT),
            sorted(access.held),
            sorted(access.lost),
        )
        for access in held.access
    ]


def _action(outcome: Outcome) -> shapes.ActionDoc:
    action = outcome.action
    return shapes.ActionDoc(
        lever=action.lever,
        device=legible(action.device, LONGEST_NAME),
        setting=_setting(action.setting),
        because=legible(action.because, LONGEST_TEXT),
        weaker=legible(action.weaker, LONGEST_TEXT),
        status=outcome.status,
        at=number(outcome.at),
        prior=_setting(outcome.prior),
        error=legible(outcome.error, LONGEST_TEXT),
        seconds=number(outcome.seconds),
        foreign=legible(outcome.foreign, LONGEST_TEXT),
        tries=outcome.tries,
        again=number(outcome.again) if outcome.again else None,
    )


def _setting(setting: Setting) -> dict[str, int | str | bool]:
    return {
        key: legible(value, LONGEST_TEXT) if isinstance(value, str) else value
        for key, value in setting.items()
    }
