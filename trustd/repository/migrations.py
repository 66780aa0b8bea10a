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
        policy TEXT PRIMARY KEY,
        at REAL NOT NULL,
        path TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX transition_of_kind ON transition (kind, at);
    CREATE INDEX transition_of_name ON transition (name, kind, at);
    CREATE TABLE errand (
        guest TEXT PRIMARY KEY,
        band TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    CREATE TABLE operator_order (
        kind TEXT NOT NULL,
        guest TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (kind, guest)
    ) STRICT;
    CREATE TABLE alias (
        kind TEXT NOT NULL,
        identity TEXT NOT NULL,
        guest TEXT NOT NULL,
        first REAL NOT NULL,
        last REAL NOT NULL,
        PRIMARY KEY (kind, identity, guest)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE kin (
        heir TEXT NOT NULL,
        forebear TEXT NOT NULL,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        identity TEXT NOT NULL,
        PRIMARY KEY (heir, forebear)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE report (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document TEXT NOT NULL
    ) STRICT;
    CREATE TABLE reported (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        sender TEXT NOT NULL,
        event TEXT NOT NULL,
        UNIQUE (sender, event)
    ) STRICT;
    CREATE TABLE layout (id INTEGER PRIMARY KEY, document TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE chunk (
        id INTEGER PRIMARY KEY,
        guest TEXT NOT NULL,
        tier INTEGER NOT NULL,
        layout INTEGER NOT NULL REFERENCES layout (id),
        first REAL NOT NULL,
        last REAL NOT NULL,
        points INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        rolled INTEGER NOT NULL DEFAULT 0,
        times BLOB NOT NULL,
        trust BLOB NOT NULL,
        samples BLOB NOT NULL
    ) STRICT;
    CREATE INDEX chunk_of_guest ON chunk (guest, tier, first);
    CREATE INDEX chunk_unrolled ON chunk (tier, guest, last) WHERE rolled = 0;
    CREATE INDEX chunk_of_age ON chunk (tier, last, first, points, bytes);
    CREATE TABLE retention (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        reference REAL NOT NULL
    ) STRICT;
    CREATE TABLE incident (
        number INTEGER PRIMARY KEY,
        guest TEXT NOT NULL,
        open INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    CREATE INDEX incident_of_guest ON incident (guest, number);
    CREATE INDEX incident_open ON incident (open) WHERE open;
    CREATE TABLE notice (
        key TEXT PRIMARY KEY,
        document TEXT NOT NULL
    ) STRICT;
    CREATE TABLE notice_told (
        receiver TEXT NOT NULL,
        key TEXT NOT NULL,
        stamp TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (receiver, key)
    ) STRICT, WITHOUT ROWID;
    """,
    # 4: what has an end of its own, and what others said
    """
    ALTER TABLE incident ADD COLUMN resolved REAL;
    UPDATE incident SET resolved = json_extract(document, '$.resolved')
        WHERE NOT open AND json_valid(document);
    CREATE INDEX incident_resolved ON incident (resolved) WHERE resolved IS NOT NULL;
    ALTER TABLE reported ADD COLUMN at REAL NOT NULL DEFAULT 0;
    UPDATE reported SET at = CAST(strftime('%s', 'now') AS REAL);
    CREATE TABLE testimony (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sender TEXT NOT NULL,
        guest TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        family TEXT NOT NULL,
        severity TEXT NOT NULL,
        confidence REAL NOT NULL,
        state TEXT NOT NULL,
        first REAL NOT NULL,
        last REAL NOT NULL,
        until REAL NOT NULL,
        times INTEGER NOT NULL,
        summary TEXT NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (guest, kind, key)
    ) STRICT;
    CREATE INDEX testimony_of_sender ON testimony (sender, last);
    CREATE INDEX testimony_of_age ON testimony (last);
    CREATE INDEX decision_of_caller ON decision (caller, id);
    """,
)
"""Step n brings a database of version n - 1 to version n."""
