"""The audit trail, read for the API, and its head, signed and published now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson
import structlog
from aiohttp import web

from trustd.api.audit import AUDITOR, Asked, next_page
from trustd.api.audit_shapes import FaultDoc, RecordDoc, StateDoc, TrailDoc, VerdictDoc
from trustd.api.audit_views import state
from trustd.config import AuditSettings
from trustd.daemon.announcing import of_anchor, of_trail
from trustd.errors import StoreError
from trustd.metrics.trail import TrailMeters
from trustd.model import Fleet, Notice
from trustd.repository import Audit, Database, Filter, Signer, genuine
from trustd.repository.anchors import parsed
from trustd.repository.trail import Anchor, Fault, Record, document_of

log = structlog.get_logger()

KEY = "audit.key"


class Auditing:
    """Reads, checks and anchors the trail of one repository.

    Args:
        state: the directory that holds the repository and the key.

    Raises:
        StoreError: the key cannot be used.
    """

    def __init__(
        self, database: Database, state: Path, settings: AuditSettings, meters: TrailMeters
    ) -> None:
        self._audit = Audit(database)
        self._signer = Signer(state / KEY)
        self._file = settings.anchors
        self._meters = meters
        self._anchored = -1
        self._verdict: VerdictDoc | None = None
        self._broken = 0.0
        self._unwritten: tuple[str, float] | None = None
        self._tried = False

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[AUDITOR] = self

    def page(self, asked: Asked) -> TrailDoc:
        """Records, oldest first."""
        wanted = Filter(asked.guest, asked.kind, asked.since, asked.until)
        if asked.after is None:
            found = self._audit.last(wanted, asked.most)
        else:
            found = self._audit.page(wanted, after=asked.after, most=asked.most)
        start = self._audit.start()
        more = asked.after is not None and len(found) == asked.most
        return TrailDoc(
            trail=start.trail,
            first=start.first,
            before=start.before.hex(),
            key=self._signer.public,
            records=[_shown(each) for each in found],
            next=next_page(asked, found[-1].id) if more else None,
        )

    def verify(self) -> VerdictDoc:
        """Check the whole trail, and the anchors in the file of the settings."""
        anchors, forged = self._anchors()
        verdict = self._audit.verify(anchors)
        faults = [*forged, *verdict.faults]
        at = time.time()
        if faults and (self._verdict is None or self._verdict.sound):
            self._broken = at
            log.critical("the audit trail is not what was written", faults=len(faults))
        self._meters.checked(len(faults), at)
        self._verdict = VerdictDoc(
            sound=not faults,
            trail=self._audit.start().trail,
            records=verdict.records,
            last=verdict.last,
            hash=verdict.hash.hex(),
            anchors=verdict.anchors,
            faults=[FaultDoc(each.id, each.what) for each in faults],
        )
        return self._verdict

    def state(self, until: float) -> StateDoc:
        """What the trail adds up to, up to a time."""
        return state(self._audit.replayed(until))

    def check(self) -> None:
        """Check the trail though nobody asks; on a thread that may wait."""
        try:
            self.verify()
        except StoreError as error:
            log.error("the audit trail was not checked", error=str(error))  # noqa: TRY400 - no mistake of ours

    def halt(self) -> None:
        """Have a check that is under way given up; from any thread."""
        self._audit.halt()

    def trail_notices(self, fleet: Fleet) -> Iterable[Notice] | None:
        """What a person should hear of the trail; None where it was not checked yet."""
        verdict = self._verdict
        if verdict is None:
            return None
        if verdict.sound:
            return ()
        first = verdict.faults[0]
        told = f"record {first.id}: {first.what}"
        return (of_trail(told, len(verdict.faults), self._broken, fleet.mode),)

    def anchor_notices(self, fleet: Fleet) -> Iterable[Notice] | None:
        """What a person should hear of its head; None where none was tried to be written yet."""
        if not self._tried:
            return None
        failed = self._unwritten
        return () if failed is None else (of_anchor(*failed, fleet.mode),)

    def anchor(self) -> None:
        """Sign the head where it moved, and publish it: in the log, and in the file."""
        head = self._audit.head()
        if head.id == self._anchored:
            return
        made = self._signer.anchor(head.trail, head.id, head.hash, time.time())
        document = asdict(made)
        log.info("audit anchor", **document)
        if self._file is not None:
            try:
                _appended(self._file, orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
            except OSError as error:
                log.error("the anchor was not written", path=str(self._file), error=str(error))  # noqa: TRY400 - no mistake of ours
                since = time.time() if self._unwritten is None else self._unwritten[1]
                self._unwritten = str(error), since
                self._meters.anchored(failed=True)
                self._tried = True
                return  # tried again the next time
        self._unwritten = None
        self._meters.anchored(failed=False)
        self._tried = True
        self._anchored = head.id

    def _anchors(self) -> tuple[Sequence[Anchor], Sequence[Fault]]:
        """The genuine anchors of the file, and what is wrong with the others."""
        if self._file is None or not self._file.exists():
            return (), ()
        try:
            with self._file.open(encoding="utf-8") as lines:
                every = parsed(lines, str(self._file))
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self._file}: the anchors cannot be read: {error}") from error
        good = [each for each in every if genuine(each, self._signer.public)]
        bad = [Fault(each.id, "its anchor was not signed by this host") for each in every]
        return good, [fault for fault, each in zip(bad, every, strict=True) if each not in good]


def _shown(record: Record) -> RecordDoc:
    # whoever looks for what was tampered with must be shown it
    document = document_of(record.document) or {"unreadable": record.document}
    return RecordDoc(**record._asdict() | {"document": document, "hash": record.hash.hex()})


def _appended(path: Path, line: bytes) -> None:
    """Add a line to a file, on the disk when it returns; a link is not followed."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, 0o644)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
