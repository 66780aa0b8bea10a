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
        heard REAL NOT NULL,
        clock REAL NOT NULL,
        age REAL,
        relays TEXT NOT NULL,
        told TEXT NOT NULL
    ) STRICT;
    CREATE TABLE history (
        guest TEXT PRIMARY KEY,
        document TEXT NOT NULL
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
    # 2: what was decided for others, and what it binds
    """
    CREATE TABLE wall (
        type TEXT NOT NULL,
        subject TEXT NOT NULL,
        wall TEXT NOT NULL,
        value TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (type, subject, wall, value)
    ) STRICT;
    CREATE TABLE decision (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        caller TEXT NOT NULL,
        dialect TEXT NOT NULL,
        subject_type TEXT NOT NULL,
        subject TEXT NOT NULL,
        action TEXT NOT NULL,
        object_type TEXT NOT NULL,
        object TEXT NOT NULL,
        permit INTEGER NOT NULL,
        reason TEXT NOT NULL,
        band TEXT NOT NULL,
        mode TEXT NOT NULL,
        policy TEXT NOT NULL
    ) STRICT;
    CREATE INDEX decision_of_subject ON decision (subject_type, subject, id);
    CREATE TABLE label (
        type TEXT NOT NULL,
        entity TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (type, entity, name)
    ) STRICT;
    CREATE TABLE policy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        at REAL NOT NULL,
        path TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    """,
    # 3: what keeps narrowing honest, and a journal that nobody rewrites unseen
    """
    ALTER TABLE transition ADD COLUMN hash BLOB NOT NULL DEFAULT x'';
    CREATE TABLE trail (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        name TEXT NOT NULL,
        first INTEGER NOT NULL,
        before BLOB NOT NULL
    ) STRICT;
    INSERT INTO trail
        SELECT 1, lower(hex(randomblob(16))), coalesce(max(id), 0) + 1, randomblob(32)
        FROM transition;
    CREATE TABLE policy_version (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        policy TEXT NOT NULL,
        path TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX policy_version_of_id ON policy_version (policy);
    CREATE INDEX transition_of_kind ON transition (kind, at);
    CREATE INDEX transition_of_name ON transition (name, kind, at);
    """,
)
"""Step n brings a database of version n - 1 to version n."""
