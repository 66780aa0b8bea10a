"""What one guest is to be brought to, and what became of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from trustd.enforce.calls import Call
from trustd.errors import EnforceError
from trustd.model import Action, Mode, Outcome, OutcomeStatus, Setting


@dataclass(frozen=True, slots=True)
class Desired:
    """The states that a guest's devices should be in, and whether to act on it.

    Args:
        yielding: whether to give way to somebody else who changes what is in force,
            until something else is desired of that device or the guest runs anew.
    """

    actions: tuple[Action, ...]
    mode: Mode
    yielding: bool = False


class Done(NamedTuple):
    """What one action came to.

    Args:
        prior: the device's state before trustd first changed it.
        foreign: what somebody else had changed of it.
    """

    status: OutcomeStatus
    prior: Setting
    foreign: str = ""


@dataclass(frozen=True, slots=True)
class Hanging:
    """An action that was given up while it was under way."""

    outcome: Outcome
    call: Call[Done | None]

    def landed(self) -> Outcome | None:
        """What became of it in the end; None where it failed or had nothing to do."""
        if self.call.result is None:
            return None
        status, prior, foreign = self.call.result
        return replace(self.outcome, status=status, prior=prior, foreign=foreign, error="")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a guest's actions.

    Args:
        hanging: what was given up and may still come about.
        within: seconds after which something waits to be done; endless where nothing does.
    """

    outcomes: tuple[Outcome, ...]
    hanging: Hanging | None = None
    within: float = inf


class Off(EnforceError):
    """The guest does not run: there is nothing to narrow."""


class Disputed(EnforceError):
    """Somebody else keeps changing it, and it is not yet time to answer.

    Args:
        within: seconds until it is.
    """

    def __init__(self, times: int, change: str, within: float) -> None:
        super().__init__(f"changed by somebody else {times} times, the last time {change}")
        self.change = change
        self.within = within
