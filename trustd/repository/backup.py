"""A copy of the repository while it is in use, and going back to one while it is not."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from trustd.errors import StoreError
from trustd.model import GuestId
from trustd.repository.audit import verify_all
from trustd.repository.database import half_restored, prepare
from trustd.repository.journal import Entry, journalled
from trustd.repository.lock import Lock
from trustd.repository.migrations import MIGRATIONS
from trustd.repository.present import RESTORED

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Copy:
    """A sound repository in a file of its own.

    Args:
        records: of its audit trail.
        head: the newest one's hash, hexadecimal.
    """

    path: Path
    bytes: int
    schema: int
    records: int
    head: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Args:
        aside: where the repository that was in use lies now; None where there was none.
        intents: prior states of devices that were taken over from it.
    """

    copy: Copy
    aside: Path | None
    intents: int


def back_up(source: Path, target: Path, *, force: bool = False) -> Copy:
    """Copy a repository, in use or not, as it is at one moment; and check the copy.

    Args:
        target: a file that is made, readable by its owner only.
        force: whether one that is there is replaced, once the copy is good.

    Raises:
        StoreError: there is one, or the copy cannot be made or is not sound.
    """
    if target.exists() and not force:
        raise StoreError(f"{target}: there is such a file; give another, or replace it by --force")
    new = target.with_name(f".{target.name}.new")
    with _failing(f"{target}: the backup cannot be made"), _scratch(new):
        # only what is made under this mask is readable by nobody else from the first byte on
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(_opened(source)) as connection:
            connection.execute("VACUUM INTO ?", (str(new),))
        found = inspect(new)
        _synced(new)
        new.replace(target)
        _synced(target.parent)
    return Copy(target, found.bytes, found.schema, found.records, found.head)


def inspect(path: Path) -> Copy:
    """Check that a file is a whole repository that this trustd can use.

    Raises:
        StoreError: what is wrong with it.
    """
    with (
        _failing(f"{path}: this cannot be read as a repository"),
        closing(_opened(path)) as connection,
    ):
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(f"{path}: it is damaged: {verdict}")
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if not 0 < schema <= len(MIGRATIONS):
            raise StoreError(
                f"{path}: it has schema {schema}, this trustd knows 1 to {len(MIGRATIONS)}"
            )
        if schema < _LINKED:
            return Copy(path, path.stat().st_size, schema, 0, "")
        trail = verify_all(connection)
        if trail.faults:
            fault = trail.faults[0]
            raise StoreError(f"{path}: its audit trail is broken: record {fault.id}: {fault.what}")
        return Copy(path, path.stat().st_size, schema, trail.records, trail.hash.hex())


_LINKED = 3
"""The schema from which on records are linked."""


def restore(copy: Path, path: Path, *, user: int) -> Restored:
    """Put a copy in the place of a repository that nobody uses.

    The one that is there is kept aside. What it says of devices that are narrowed now is
    taken over: what was done since the copy must be undone exactly all the same.

    Args:
        path: of the repository.
        user: who does it, for the audit trail.

    Raises:
        StoreError: a daemon uses it, or the copy is not sound; nothing was changed.
    """
    inspect(copy)
    with _failing(f"{path}: the backup cannot be restored"):
        lock = Lock(path.with_name(f"{path.name}.lock"))
        try:
            return _restored(copy, path, user)
        finally:
            lock.close()


def _restored(copy: Path, path: Path, user: int) -> Restored:
    new, cut_off = half_restored(path), _cut_off(path)
    if cut_off is not None:
        _put_back(cut_off, path)
    with _scratch(new):
        _copied(copy, new)
        found = inspect(new)
        intents = _take_over(path, new, found, user)
        owner = path.parent.stat()
        # the directory may belong to a user who is not to be followed
        os.chown(new, owner.st_uid, owner.st_gid, follow_symlinks=False)
        _synced(new)
        aside = _aside(path) if path.exists() else None
        try:
            new.replace(path)
        except OSError:
            if aside is not None:
                _put_back(aside, path)
            raise
        _synced(path.parent)
    return Restored(found, aside, intents)


def _take_over(old: Path, new: Path, found: Copy, user: int) -> int:
    """Take over what is in force on devices, and record that the copy was restored."""
    rows = _intents(old) if old.exists() else None
    with closing(sqlite3.connect(new, isolation_level=None)) as connection, connection:
        prepare(connection, new)
        connection.execute("BEGIN IMMEDIATE")
        if rows is not None:
            connection.execute("DELETE FROM intent")
            connection.executemany("INSERT INTO intent VALUES (?, ?, ?, ?, ?)", rows)
        document: dict[str, object] = {"records": found.records, "head": found.head, "uid": user}
        document["intents"] = None if rows is None else len(rows)
        document["narrowed"] = None if rows is None else [row[:3] for row in rows]
        journalled(connection, (Entry(time.time(), GuestId(""), "", RESTORED, document),))
    return len(rows or ())


def _intents(path: Path) -> list[tuple[object, ...]] | None:
    """The prior states of devices in a repository; None where it cannot be read."""
    try:
        with closing(_opened(path)) as connection:
            return connection.execute(
                "SELECT guest, lever, device, at, document FROM intent"
            ).fetchall()
    except sqlite3.Error:
        # it may be damaged: that is why one restores
        return None


def _aside(path: Path) -> Path:
    """Give a repository another name, its log with it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name, number = f"{path.name}.before-{stamp}", 1
    while path.with_name(name).exists():
        number += 1
        name = f"{path.name}.before-{stamp}-{number}"
    # the file first: without its log it would be an older state
    _move(path, path.with_name(name), ("", "-wal", "-shm"))
    return path.with_name(name)


def _put_back(aside: Path, path: Path) -> None:
    """Give a repository its name back; the file last, for the same reason."""
    _move(aside, path, ("-wal", "-shm", ""))


def _move(path: Path, to: Path, endings: Sequence[str]) -> None:
    for ending in endings:
        part = path.with_name(f"{path.name}{ending}")
        if part.exists():
            part.rename(to.with_name(f"{to.name}{ending}"))


def _cut_off(path: Path) -> Path | None:
    """What an earlier restore had given another name when it was cut off; None for none."""
    if path.exists() or not half_restored(path).exists():
        return None
    kept = path.parent.glob(f"{path.name}.before-*")
    every = [each for each in kept if not each.name.endswith(("-wal", "-shm"))]
    return max(every, key=lambda each: each.stat().st_ctime_ns, default=None)


def _opened(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; it makes no file."""
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def _copied(source: Path, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with source.open("rb") as given, os.fdopen(os.open(target, flags, 0o600), "wb") as made:
        while piece := given.read(_PIECE):
            made.write(piece)


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _scratch(path: Path) -> Iterator[None]:
    """Leave no half of a file behind, nor what SQLite puts beside it."""
    every = [path.with_name(f"{path.name}{ending}") for ending in ("", "-wal", "-shm", "-journal")]
    for part in every:
        part.unlink(missing_ok=True)
    try:
        yield
    finally:
        for part in every:
            part.unlink(missing_ok=True)


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{what}: {error}. Nothing was changed") from error
