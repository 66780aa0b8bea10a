"""Every error that trustd raises on purpose, as one tree.

A caller that can do something about one kind catches that kind; only the
outermost caller catches :class:`TrustdError`.
"""

from __future__ import annotations

from dataclasses import dataclass


class TrustdError(Exception):
    """The root: something that trustd foresaw and can put into words."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document: what is wrong, where, and what to do.

    ``line`` and ``column`` count from 1; 0 means that the place is not known
    (a value from the environment, say).
    """

    path: str
    line: int
    column: int
    key: str
    message: str
    hint: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        key = f" {self.key}:" if self.key else ""
        text = f"{place}:{key} {self.message}"
        if self.hint:
            text += f" ({self.hint})"
        return f"{text}\n{self.excerpt}" if self.excerpt else text


class DocumentError(TrustdError):
    """A document that cannot be used, with every problem found in it.

    Args:
        problems: at least one.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems

    @property
    def path(self) -> str:
        """The document in which the first problem stands."""
        return self.problems[0].path

    @property
    def line(self) -> int:
        """The line of the first problem, from 1; 0 where it is not known."""
        return self.problems[0].line

    @property
    def key(self) -> str:
        """The dotted key path of the first problem."""
        return self.problems[0].key


class ConfigError(DocumentError):
    """The settings are wrong. The daemon exits with 78."""


class PolicyError(DocumentError):
    """The policy is wrong. The last good one stays in force."""


class HypervisorError(TrustdError):
    """The hypervisor did not do what was asked."""


class Unreachable(HypervisorError):
    """There is no connection to the hypervisor, or it was lost during the call."""


class NoSuchGuest(HypervisorError):
    """No guest has this UUID or name."""


class CollectError(TrustdError):
    """A collector could not give its evidence."""


class NoData(CollectError):
    """There is nothing to read for this guest now (it stopped, or hides it)."""


class EnforceError(TrustdError):
    """An action on a guest did not come about."""


class Refused(EnforceError):
    """The hypervisor or the guest declined the action."""


class TimedOut(EnforceError):
    """The action was sent and not confirmed by its deadline."""


class StoreError(TrustdError):
    """The behaviour repository cannot be read or written."""


class Unsettled(StoreError):
    """A write took too long after it had begun: nobody knows yet whether it comes about."""


class AuditBroken(StoreError):
    """The audit chain does not verify."""
