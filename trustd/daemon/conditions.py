"""What a person should hear of, read from one tick."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from math import isnan

from trustd.model import (
    Action,
    Affected,
    Assessment,
    Fleet,
    GuestId,
    Mode,
    Notice,
    OutcomeStatus,
    Severity,
)

TRIES = 3
"""Failures one after the other before an action that fails is worth a notice."""
_GONE = 1_000
"""Guests that are gone of which the policy's alert is kept: one may come back in its band."""
_TROUBLE = frozenset({OutcomeStatus.REFUSED, OutcomeStatus.FAILED, OutcomeStatus.TIMED_OUT})
_HOST = ("hypervisor", "store", "policy", "levers", "pause", "held")

BAND, FINDINGS, ACTIONS = "band", "findings", "actions"


class Conditions:
    """Tells what lasts at a tick.

    Args:
        low: bands that are worth a notice; empty for the worse half of the policy's.
        known: notices that lasted before a restart: an alert that the policy had sent
            then lasts as long as its guest is in its band.
    """

    def __init__(self, low: Collection[str] = (), known: Iterable[Notice] = ()) -> None:
        self._low = frozenset(low)
        self._lock = threading.Lock()
        self._alerts: dict[GuestId, tuple[str, Severity, int]] = {
            notice.guests[0].guest: (notice.labels["band"], notice.severity, 0)
            for notice in known
            if notice.labels.get("kind") == BAND
        }

    def alert(self, severity: Severity, action: Action, occasion: Assessment) -> Notice:
        """The notice of an alert that the policy sends; it lasts as long as the band."""
        with self._lock:
            self._alerts[action.guest] = (occasion.band, severity, occasion.tick)
        return _fallen(occasion, severity)

    def at(self, fleet: Fleet) -> dict[str, Notice]:
        """What lasts, by key."""
        self._forget(fleet)
        half = len(fleet.bands) / 2
        low = self._low or {band for rank, band in enumerate(fleet.bands) if rank >= half}
        guests = (self._of_guest(each, low, fleet) for each in fleet.guests.values())
        found = chain(_of_host(fleet), chain.from_iterable(guests))
        return {each.key: each for each in found}

    @staticmethod
    def unknown(key: str, fleet: Fleet) -> bool:
        """Whether a tick says nothing about a condition: then it lasts."""
        kind, _, guest = key.partition(":")
        if kind in {BAND, FINDINGS, ACTIONS}:
            # without the hypervisor it is not known who is gone
            return not fleet.hypervisor.up and GuestId(guest) not in fleet.guests
        return kind not in _HOST

    def _of_guest(self, guest: Assessment, low: Collection[str], fleet: Fleet) -> Iterator[Notice]:
        severity = self._asked(guest)
        if guest.band in low:
            last = guest.band == fleet.bands[-1]
            own = Severity.CRITICAL if last else Severity.MAJOR
            severity = max(own, severity or own, key=lambda each: each.rank)
        if severity is not None:
            yield _fallen(guest, severity)
        critical = [each for each in guest.findings if each.severity is Severity.CRITICAL]
        if critical:
            kinds = ", ".join(sorted({each.kind for each in critical}))
            yield _of(
                guest,
                FINDINGS,
                Severity.CRITICAL,
                f"{guest.guest.name}: {kinds}",
                "; ".join(each.summary for each in critical),
                "Look at the evidence: trustctl explain shows it; acknowledge what is harmless"
                " with trustctl ack.",
                findings=kinds,
            )
        failing = [
            each for each in guest.outcomes if each.status in _TROUBLE and each.tries >= TRIES
        ]
        if failing:
            yield _of(
                guest,
                ACTIONS,
                Severity.MAJOR,
                f"{guest.guest.name} is looser than decided",
                "; ".join(
                    f"{each.action.lever} {each.action.device}: {each.status}: {each.error}"
                    for each in failing
                ),
                "Look at what the hypervisor says; trustd goes on trying.",
            )

    def _forget(self, fleet: Fleet) -> None:
        """Drop the alerts of guests that are gone, but for the latest."""
        if fleet.hypervisor.up:  # else it is not known who is gone
            with self._lock:
                gone = [guest for guest in self._alerts if guest not in fleet.guests]
                for each in gone[:-_GONE]:
                    del self._alerts[each]

    def _asked(self, guest: Assessment) -> Severity | None:
        """The severity of the policy's alert that still lasts."""
        with self._lock:
            band, severity, tick = self._alerts.get(guest.id, ("", Severity.INFO, 0))
            if not band:
                return None
            if band == guest.band:
                return severity
            if guest.tick >= tick:
                del self._alerts[guest.id]
            return None


def _fallen(guest: Assessment, severity: Severity) -> Notice:
    done = "nothing is done to it" if guest.mode is Mode.OBSERVE else "its policy is carried out"
    drivers = "; ".join(each.text for each in guest.drivers) or "nothing stands out"
    trust = "unknown" if isnan(guest.trust) else f"{guest.trust:.2f}"
    return _of(
        guest,
        BAND,
        severity,
        f"{guest.guest.name} is {guest.band}",
        f"Its trust is {trust}: {drivers}. The mode is {guest.mode}: {done}.",
        "See why with trustctl explain; if it is harmless, say so with trustctl ack, or lift the"
        " guest for a time with trustctl override.",
        band=guest.band,
    )


def _of(  # noqa: PLR0917 - a notice has so many parts
    guest: Assessment,
    kind: str,
    severity: Severity,
    title: str,
    problem: str,
    recommended: str,
    **labels: str,
) -> Notice:
    return Notice(
        key=f"{kind}:{guest.id}",
        severity=severity,
        title=title,
        problem=problem,
        mode=guest.mode,
        starts=guest.since if kind == BAND else guest.at,
        guests=(Affected(guest.id, guest.guest.name),),
        objects=tuple(disk.identity for disk in guest.guest.disks if disk.identity),
        recommended=(recommended,),
        labels={"kind": kind, **labels},
    )


def _of_host(fleet: Fleet) -> Iterator[Notice]:
    if not fleet.hypervisor.up:
        yield _host(
            fleet,
            "hypervisor",
            Severity.CRITICAL,
            "The hypervisor cannot be reached",
            f"Nothing is measured and nobody is narrowed: {fleet.hypervisor.error}",
            "See whether libvirt runs and trustd may use it.",
        )
    if fleet.store_error:
        yield _host(
            fleet,
            "store",
            Severity.CRITICAL,
            "The repository takes no writes",
            f"What is learned is kept in memory only: {fleet.store_error}",
            "See whether its disk is full, read-only or broken.",
        )
    if fleet.policy.error:
        yield _host(
            fleet,
            "policy",
            Severity.MAJOR,
            "A newer policy was refused",
            f"The former one stays in force: {fleet.policy.error}",
            "Check the file with trustctl policy check.",
        )
    if fleet.lacking:
        yield _host(
            fleet,
            "levers",
            Severity.MAJOR,
            "The policy needs what this host cannot do",
            "; ".join(f"{lever}: {why}" for lever, why in sorted(fleet.lacking.items())),
            "Give the host what is missing, or change the policy.",
        )
    if (pause := fleet.orders.pause) is not None:
        kept = "what is narrowed stays so" if pause.keep else "everything was given back"
        yield _host(
            fleet,
            "pause",
            Severity.MAJOR,
            "Enforcement is paused",
            f"By {pause.author.name}, and {kept}: {pause.reason}",
            "End it with trustctl resume.",
        )
    many = [id_ for id_, why in sorted(fleet.held.items()) if why == "too-many"]
    if many:
        yield _host(
            fleet,
            "held",
            Severity.CRITICAL,
            "Too many guests fell at once: narrowing is withheld",
            f"{len(many)} guests are looser than decided until somebody looks.",
            "See them with trustctl hold; let them be narrowed with trustctl hold accept.",
            tuple(
                Affected(id_, fleet.guests[id_].guest.name) for id_ in many if id_ in fleet.guests
            ),
        )


def _host(  # noqa: PLR0917 - as above
    fleet: Fleet,
    kind: str,
    severity: Severity,
    title: str,
    problem: str,
    recommended: str,
    guests: tuple[Affected, ...] = (),
) -> Notice:
    return Notice(
        key=kind,
        severity=severity,
        title=title,
        problem=problem,
        mode=fleet.mode,
        starts=fleet.at,
        guests=guests,
        recommended=(recommended,),
        labels={"kind": kind},
    )
