"""The schema, as numbered steps. A step that was released is never changed."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # 1: what a restart must not forget
    """
    CREATE TABLE engine (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        saved REAL NOT NULL,
        document BLOB NOT NULL
    ) STRICT;
    CREATE TABLE guest (
        guest TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        saved REAL NOT NULL,
        clock REAL NOT NULL,
        engine TEXT NOT NULL,
        relays TEXT NOT NULL
    ) STRICT;
    CREATE TABLE intent (
        guest TEXT NOT NULL,
        lever TEXT NOT NULL,
        device TEXT NOT NULL,
        at REAL NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (guest, lever, device)
    ) STRICT;
    CREATE TABLE transition (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        guest TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    CREATE INDEX transition_of_guest ON transition (guest, at);
    """,
)
"""Step n brings a database of version n - 1 to version n."""
