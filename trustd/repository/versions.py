"""Every policy that was ever in force, by its id."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from dataclasses import dataclass

from trustd.repository.database import Database


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy that was in force.

    Args:
        policy: sha256 of its canonical form.
        at: epoch seconds at which it came into force first.
        path, text: where it was read, and what stood there.
    """

    policy: str
    at: float
    path: str
    text: str


class PolicyVersions:
    """Keeps policies as they come into force, and finds them again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(self, version: PolicyVersion) -> Future[None]:
        """Keep a policy that comes into force; one that is there already stays."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO policy_version (policy, at, path, text) VALUES (?, ?, ?, ?)",
                (version.policy, version.at, version.path, version.text),
            )

        return self._database.submit(work)

    def get(self, policy: str) -> PolicyVersion | None:
        """The policy of this id; None where it was never kept.

        Raises:
            StoreError: it cannot be read.
        """
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT policy, at, path, text FROM policy_version WHERE policy = ?", (policy,)
            ).fetchone()
        return PolicyVersion(*row) if row else None
