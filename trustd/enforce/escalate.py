"""A guest that refuses to let go of a device, where the policy would rather have it paused."""

from __future__ import annotations

from collections.abc import Iterable

from trustd.enforce.actuators.unplug import NOT_LET_GO
from trustd.model import Action, Intent, Outcome, OutcomeStatus


def refuses(outcome: Outcome) -> bool:
    """Whether it was the guest that declined, although it could have complied."""
    return outcome.status is OutcomeStatus.REFUSED and outcome.error == NOT_LET_GO


def escalation(
    actions: Iterable[Action], outcomes: Iterable[Outcome], kept: Iterable[Intent]
) -> Action | None:
    """The pause of a guest that refused, where ``or_pause`` asks for it; None for no pause.

    Once paused it stays so for as long as the device is to be gone: a guest that stands
    still can neither comply nor refuse again.

    Args:
        outcomes: of the actions.
        kept: what is in force on the guest.
    """
    asking = [each for each in actions if each.setting.get("or_pause")]
    paused = any(each.lever == "pause" for each in kept)
    if not asking or not (paused or any(map(refuses, outcomes))):
        return None
    because = f"{asking[0].because}; the guest does not let go of it"
    return Action(asking[0].guest, "pause", "", {"paused": True}, because)
