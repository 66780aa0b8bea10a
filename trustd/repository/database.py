"""One SQLite file: one thread writes, any thread reads.

A writer's work runs in a transaction of its own, and is on the disk when its
future is done (``synchronous=FULL``): what trustd acts on is stored first. Work that
may be lost with the host's power, though never with the process, need not wait for
the disk (``NORMAL``): there that is 20 microseconds instead of 4 milliseconds.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from trustd.errors import StoreError, Unsettled
from trustd.repository.lock import Lock
from trustd.repository.migrations import MIGRATIONS

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_Given = tuple[Work[object], Future[object], bool]

BUSY_SECONDS = 5.0
CLOSE_SECONDS = 10.0


class Database:
    """The open repository.

    Args:
        path: the file; it is made, readable by its owner only, where there is none.

    Raises:
        StoreError: the file is damaged, newer than this trustd, in use by another
            one, or cannot be used. It is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._error = ""
        self._inbox: queue.SimpleQueue[_Given | None] = queue.SimpleQueue()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_remains(path)
            path.touch(mode=0o600)
            self._lock = Lock(path.with_name(f"{path.name}.lock"))
            try:
                self._writer = _opened(path)
            except BaseException:
                self._lock.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{path}: the repository cannot be opened: {error}. Nothing was changed; mend the"
                " cause, or move the file away to begin without history"
            ) from error
        self._thread = threading.Thread(target=self._write, name="repository", daemon=True)
        self._thread.start()

    @property
    def error(self) -> str:
        """Why the last write failed; empty while writes succeed."""
        return self._error

    def submit(self, work: Work[T], *, synced: bool = True) -> Future[T]:
        """Have the writer do ``work`` in a transaction, after all that came before.

        Args:
            synced: whether it is done only when the disk has it; else when no end of
                the process can undo it.
        """
        future: Future[T] = Future()
        self._inbox.put((work, future, synced))  # type: ignore[arg-type]  # a future of T
        return future

    def write(
        self,
        work: Work[T],
        *,
        deadline: float = BUSY_SECONDS,
        patience: float = 0.0,
        synced: bool = True,
    ) -> T:
        """Do ``work`` and wait until it is done.

        Args:
            deadline: seconds; what has not begun by then is not done at all.
            patience: seconds more, for the end of what has begun.
            synced: as in :meth:`submit`.

        Raises:
            Unsettled: it has begun and is not done in time, and may come about.
            StoreError: it failed, or did not begin in time; it left nothing behind.
        """
        done = self.submit(work, synced=synced)
        try:
            return done.result(deadline)
        except TimeoutError as error:
            if done.cancel():
                raise StoreError(
                    f"{self.path}: the disk does not answer within {deadline:g} s"
                ) from error
        try:
            return done.result(patience)
        except TimeoutError as error:
            raise Unsettled(
                f"{self.path}: it is not known whether it is stored: the disk takes more than"
                f" {deadline + patience:g} s and may have it nevertheless; look again later"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of the caller's own that sees one consistent state."""
        try:
            with closing(_connect(self.path)) as connection:
                connection.execute("PRAGMA query_only = ON")
                yield connection
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be read: {error}") from error

    def close(self, within: float = CLOSE_SECONDS) -> None:
        """Finish what was submitted, then close the file.

        A disk that does not answer is not waited for: what SQLite has not finished is
        undone when the file is opened again.
        """
        self._inbox.put(None)
        self._thread.join(within)
        if not self._thread.is_alive():
            self._writer.close()
            self._lock.close()

    def _write(self) -> None:
        synced = True
        while (item := self._inbox.get()) is not None:
            work, future, wanted = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if wanted is not synced:
                    self._writer.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
                    synced = wanted
                with self._writer:
                    self._writer.execute("BEGIN IMMEDIATE")
                    result = work(self._writer)
            except (sqlite3.Error, OSError) as error:
                self._error = str(error)
                future.set_exception(StoreError(f"{self.path}: cannot be written: {error}"))
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
                future.set_exception(error)
            else:
                self._error = ""
                future.set_result(result)


def half_restored(path: Path) -> Path:
    """Where a restore that is under way has its copy, until it takes the repository's place."""
    return path.with_name(f".{path.name}.new")


def _refuse_remains(path: Path) -> None:
    """Begin no new repository beside what is left of one.

    Raises:
        StoreError: the file is missing, and was not moved away as a whole.
    """
    if path.exists():
        return
    if half_restored(path).exists():
        raise StoreError(
            f"{path}: it is missing, and a restore was cut off: {half_restored(path)} lies there."
            " Run trustctl restore again; or give the one before its name back"
            f" ({path.name}.before-TIME, with its -wal where it has one), and remove that copy"
        )
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"{path}: it is missing, and its log {log.name} is there: put the file back, restore a"
            " backup, or move the log away as well to begin without history"
        )


def _opened(path: Path) -> sqlite3.Connection:
    """The writer's connection, to a sound file of the present schema."""
    connection = _connect(path)
    try:
        prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check the file and bring its schema up to date.

    Raises:
        StoreError: it is damaged, or newer than this trustd; nothing was changed.
    """
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise StoreError(
            f"{path}: the repository is damaged: {verdict}. It was left as it is; restore a backup,"
            " or move the file away to begin without history"
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path}: the repository has schema {version}, this trustd knows {len(MIGRATIONS)}. It"
            " was left as it is; run the newer trustd, or restore a backup"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN;{script};PRAGMA user_version = {number};COMMIT;")
