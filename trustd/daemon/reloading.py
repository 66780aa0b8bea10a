"""Taking over another policy while the daemon runs: all of it, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from trustd.daemon.access import Access
from trustd.daemon.source import Loaded
from trustd.errors import PolicyError, StoreError
from trustd.model import GuestId, GuestState, PolicyInfo
from trustd.pipeline import Line, Narrowing
from trustd.policy import Policy
from trustd.repository import Entry

log = structlog.get_logger()


class Reloading:
    """Reads the policy file and the labels anew. Called from the line's thread only.

    Args:
        path: of the policy.
    """

    def __init__(self, access: Access, narrowing: Narrowing, line: Line, path: Path) -> None:
        self._access = access
        self._narrowing = narrowing
        self._line = line
        self._path = path

    def read(self, *, force: bool = False) -> Loaded:
        """What :meth:`now` would take over; nothing is changed.

        Raises:
            PolicyError: with every mistake.
            StoreError: labels cannot be read.
        """
        running = [
            seen.guest
            for seen in self._narrowing.world().values()
            if seen.guest.state is not GuestState.SHUTOFF
        ]
        return self._access.source.read(at=time.time(), running=running, force=force)

    def now(self, *, force: bool = False, by: Mapping[str, int] | None = None) -> Loaded:
        """Take over what the files say; a mistake leaves all as it is.

        Args:
            force: whether a policy counts whose running walls refuse what runs now.
            by: who asked for it; None for a signal.

        Raises:
            PolicyError: with every mistake; the policy in force stays.
            StoreError: labels cannot be read; likewise.
        """
        at, access = time.time(), self._access
        before = access.loaded.policy.id
        try:
            loaded = self.read(force=force)
            registry = access.adopt(loaded, at=at)
        except (PolicyError, StoreError) as error:
            log.error("policy refused", error=str(error))  # noqa: TRY400 - a mistake in a file, or the disk's
            self._line.refuse(str(error))
            access.refuse(str(error))
            refused = {"what": "policy", "before": before, "why": str(error), **(by or {})}
            self._line.note([Entry(at, GuestId(""), "", "refused", refused)])
            raise
        policy = loaded.policy
        self._line.adopt(policy, registry, info_of(policy, self._path, at))
        log.info("policy loaded", name=policy.name, id=policy.id, forced=force)
        document = {
            "before": before,
            "after": policy.id,
            "name": policy.name,
            "forced": force,
            "violations": [problem.message for problem in loaded.broken],
            **(by or {}),
        }
        self._line.note([Entry(at, GuestId(""), "", "policy", document)])
        return loaded


def info_of(policy: Policy, path: Path, at: float) -> PolicyInfo:
    """A policy as every reader of a tick sees it.

    Args:
        at: epoch seconds at which it came into force.
    """
    return PolicyInfo(policy.name, policy.id, str(path), at)
