"""``capture``: keeps a guest's memory and disks as they are now."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import libvirt
import orjson
import structlog

from trustd.enforce.actuator import Control
from trustd.enforce.errands.evidence import (
    Evidence,
    copy_sparse,
    created,
    sha256_of,
    write_document,
)
from trustd.enforce.errands.occasion import occasion_document
from trustd.enforce.errands.overlay import divert, overlay_of, plain_files, reunite
from trustd.errors import EnforceError, NoSuchGuest, Refused, TrustdError
from trustd.model import Action, Assessment, Guest, GuestId, Setting

log = structlog.get_logger()

_DIVERTED = "diverted"
"""The folder of notes on disks whose writes go elsewhere for a while."""
_SLOWEST = 20 * 1024 * 1024
"""Bytes a second of a disk that is slow, by which deadlines are reckoned."""
_LEAST = 60.0
_QUICK = 10.0
_FORGOTTEN = 600.0
"""Seconds after which a call that was given up does not come about any more."""


@dataclass(frozen=True, slots=True)
class _Diverted:
    """A disk whose writes go to an overlay."""

    guest: GuestId
    disk: str
    base: str
    overlay: str


class Capture:
    """Writes memory through libvirt, and copies disks while the guest writes beside them.

    While memory is written libvirt lets nobody change the guest, so the standing
    measures are sent before. A disk is copied from its own file, to which nothing is
    written meanwhile; then what was written beside it is brought in, and the guest
    uses it again. Every such disk is on record until it does: whatever happens to
    trustd between, the next run brings it back.

    Args:
        root: where the files of the hypervisor's host are seen from here.
        clock: epoch seconds.
    """

    at_once = 1

    def __init__(
        self,
        control: Control,
        evidence: Evidence,
        *,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._control = control
        self._evidence = evidence
        self._root = root
        self._clock = clock
        self._lock = Lock()
        self._bases: dict[str, str] = {each.overlay: each.base for each in self._noted()}

    def do(self, action: Action, occasion: Assessment) -> Setting:
        """Keep what is asked for, with a manifest.

        Raises:
            Refused: there is no room.
            EnforceError: not everything could be kept; what could is.
        """
        guest = action.guest
        self.mend()
        memory, disks, others = self._control.call(guest, _size, timeout=_QUICK)
        wanted = (
            {name: size for name, (_, size) in disks.items()} if action.setting["disks"] else {}
        )
        needed = (memory if action.setting["memory"] else 0) + sum(wanted.values())
        folder = self._evidence.folder(guest, self._clock(), needed)
        write_document(folder / "occasion.json", occasion_document(occasion))
        problems = [f"{name}: no file of this host" for name in others] if wanted else []
        work: dict[str, Callable[[Path], None]] = {}
        if action.setting["memory"]:
            work["memory.elf"] = partial(self._dump, guest, memory)
        for name, size in wanted.items():
            work[f"{name}.disk"] = partial(self._copy, guest, name, disks[name][0], size)
        for name, keep in work.items():
            try:
                keep(folder / name)
            except (TrustdError, OSError) as error:
                problems.append(f"{name}: {error}")
        self._conclude(folder, action, occasion, problems)
        if problems:
            raise EnforceError(f"{folder}: {'; '.join(problems)}")
        return {"evidence": str(folder)}

    def undiverted(self, guests: Mapping[GuestId, Guest]) -> Mapping[GuestId, Guest]:
        """The guests with their own disks where one is diverted: to the policy it is no other.

        The same mapping where none is.
        """
        bases = dict(self._bases)
        changed = {
            id_: replace(
                guest,
                disks=tuple(
                    replace(disk, identity=bases.get(disk.identity, disk.identity))
                    for disk in guest.disks
                ),
            )
            for id_, guest in (guests.items() if bases else ())
            if any(disk.identity in bases for disk in guest.disks)
        }
        return {**guests, **changed} if changed else guests

    def mend(self) -> None:
        """Bring back every disk that an earlier capture left diverted; tells what remains."""
        with self._lock:
            for each in self._noted():
                try:
                    self._reunite(each)
                except NoSuchGuest:
                    log.warning("capture.guest_gone", guest=each.guest, overlay=each.overlay)
                    self._note(each).unlink(missing_ok=True)
                except (TrustdError, OSError) as error:
                    log.error(  # noqa: TRY400 - the hypervisor's word, not a mistake of ours
                        "capture.disk_diverted", guest=each.guest, disk=each.disk, error=str(error)
                    )

    def _dump(self, guest: GuestId, size: int, path: Path) -> None:
        os.close(created(path))  # so that it is ours, and nobody else's, before anything is in it

        def dump(domain: libvirt.virDomain) -> None:
            domain.coreDumpWithFormat(
                str(path),
                libvirt.VIR_DOMAIN_CORE_DUMP_FORMAT_RAW,
                libvirt.VIR_DUMP_MEMORY_ONLY | libvirt.VIR_DUMP_LIVE,
            )

        self._control.call(guest, dump, timeout=_LEAST + size / _SLOWEST)

    def _copy(self, guest: GuestId, disk: str, base: str, size: int, path: Path) -> None:
        each = _Diverted(guest, disk, base, overlay_of(base, uuid4().hex))
        source = self._root / base.lstrip("/")
        with self._lock:
            self._evidence.beside(source)
            self._bases[each.overlay] = base
            write_document(self._note(each), {"disk": disk, "base": base, "overlay": each.overlay})
            # one that was given up may still come about: then the note is needed later
            self._control.call(
                guest, lambda domain: divert(domain, disk, each.overlay), timeout=_LEAST
            )
            try:
                copy_sparse(source, path)
            finally:
                self._reunite(each, size)

    def _reunite(self, each: _Diverted, size: int = 0) -> None:
        deadline = _LEAST + size / _SLOWEST
        note = self._note(each)
        was = self._control.call(
            each.guest,
            lambda domain: reunite(domain, each.disk, each.overlay, deadline=deadline),
            timeout=deadline + _QUICK,
        )
        if was or self._clock() - note.stat().st_mtime > _FORGOTTEN:
            note.unlink()

    def _conclude(
        self, folder: Path, action: Action, occasion: Assessment, problems: Iterable[str]
    ) -> None:
        files = [
            {"name": each.name, "bytes": each.stat().st_size, "sha256": sha256_of(each)}
            for each in sorted(folder.iterdir())
        ]
        write_document(
            folder / "manifest.json",
            {
                "guest": action.guest,
                "band": occasion.band,
                "because": action.because,
                "policy": occasion.policy,
                "decided": occasion.at,
                "finished": self._clock(),
                "files": files,
                "missing": list(problems),
            },
        )

    def _note(self, each: _Diverted) -> Path:
        place = self._evidence.directory / _DIVERTED
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place / f"{each.guest}.{each.disk}.json"

    def _noted(self) -> list[_Diverted]:
        found = []
        for path in sorted((self._evidence.directory / _DIVERTED).glob("*.json")):
            try:
                note: dict[str, Any] = orjson.loads(path.read_bytes())
            except orjson.JSONDecodeError:
                path.unlink()  # not written whole, and so nothing was diverted yet
                continue
            guest = GuestId(path.name.partition(".")[0])
            found.append(_Diverted(guest, note["disk"], note["base"], note["overlay"]))
        return found


def _size(domain: libvirt.virDomain) -> tuple[int, dict[str, tuple[str, int]], list[str]]:
    """Bytes of memory; of each disk its file and its bytes; disks that are no files."""
    if not domain.isActive():
        raise Refused("the guest does not run")
    files, others = plain_files(domain)
    # what it may come to hold, not what it holds: a guest writes on while it is copied
    disks = {name: (path, domain.blockInfo(name)[0]) for name, path in files.items()}
    return domain.info()[1] * 1024, disks, others
