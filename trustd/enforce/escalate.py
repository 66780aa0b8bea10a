"""A guest that refuses to let go of a device, where the policy would rather have it paused."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trustd.enforce.actuators.unplug import NOT_LET_GO, Unplug
from trustd.model import Action, Intent, Outcome, OutcomeStatus

_GONE = frozenset({OutcomeStatus.APPLIED, OutcomeStatus.HELD})


def refuses(outcome: Outcome) -> bool:
    """Whether it was the guest that declined, although it could have complied."""
    return outcome.status is OutcomeStatus.REFUSED and outcome.error == NOT_LET_GO


def escalation(
    actions: Iterable[Action], outcomes: Iterable[Outcome], kept: Iterable[Intent]
) -> Action | None:
    """The pause of a guest that refused, where ``or_pause`` asks for it; None for no pause.

    Once paused for that it stays so until the device is gone or nobody asks for it any
    more: a guest that stands still can neither comply nor refuse again.

    Args:
        outcomes: of the actions.
        kept: what is in force on the guest.
    """
    asking = {each.device: each for each in actions if each.setting.get("or_pause")}
    still = [
        each
        for each in outcomes
        if each.action.device in asking
        and each.action.lever == asking[each.action.device].lever
        and each.status not in _GONE
    ]
    if not still:
        return None
    devices = {each.action.device for each in still}
    if not (any(map(refuses, still)) or _paused_since(kept, devices)):
        return None
    first = still[0].action
    because = f"{first.because}; the guest does not let go of it"
    return Action(first.guest, "pause", "", {"paused": True}, because)


def _paused_since(kept: Iterable[Intent], devices: Collection[str]) -> bool:
    """Whether the guest was paused after it had been asked for one of the devices.

    A pause from before is another measure's, which ends with that measure.
    """
    paused = asked = None
    for each in kept:
        if each.lever == "pause":
            paused = each.at
        elif each.lever == Unplug.name and each.device in devices:
            asked = each.at if asked is None else min(asked, each.at)
    return paused is not None and asked is not None and paused > asked
