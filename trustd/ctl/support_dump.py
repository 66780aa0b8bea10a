"""``trustctl support-dump FILE``: what somebody who helps needs to see, and nothing secret."""

from __future__ import annotations

import gzip
import io
import json
import os
import platform
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from trustd import __version__
from trustd.ctl.connection import Connection, Declined, Unreachable
from trustd.ctl.ordering import dry_run
from trustd.ctl.session import Session, with_session
from trustd.ctl.tables import table
from trustd.ctl.text import harmless, size

MOST = 4 << 20
"""Bytes of one part at most; what is longer is cut, and says so."""
_CUT = b"\n(the rest was left out)\n"
_FOLDER = "trustd-support"
_COUNTED = 1000
"""Decisions and incidents that are counted at most."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@dry_run
@with_session
def command(session: Session, *, file: Path, force: bool, dry_run: bool) -> None:
    """Write status, settings, policy, health and counts to FILE, a tar archive.

    Secrets are left out, and so is who the guests are and who paused, but for what metrics
    and policy say of them. Whoever gets FILE can read it all: look before you send it. Where
    the daemon does not answer, FILE has what there is without it, and the exit code is 69.
    """
    parts, unreachable = _collected(session.connection)
    rows = [(name, str(len(body))) for name, body in parts.items()]
    if not dry_run:
        _write(file, parts, force=force)
    session.show(
        {"file": str(file), "written": not dry_run, "parts": dict(rows)},
        lambda: rows,
        lambda: table(
            ("PART", ">SIZE"), [(name, Text(size(float(length)))) for name, length in rows]
        ),
    )
    if unreachable:
        raise Unreachable(unreachable)


def _collected(connection: Connection) -> tuple[Mapping[str, bytes], str]:
    """Every part by its name, and why the daemon could not be asked; empty where it could."""
    parts = {"versions.json": _json(_versions())}
    troubles: dict[str, str] = {}
    unreachable = ""
    for name, ask in _QUESTIONS.items():
        try:
            parts[name] = _bounded(ask(connection))
        except Declined as error:
            troubles[name] = error.message
        except Unreachable as error:
            unreachable = troubles[name] = error.message
            break
    if troubles:
        parts["missing.json"] = _json(troubles)
    return parts, unreachable


def _versions() -> dict[str, Any]:
    release: dict[str, str] = {}
    with suppress(OSError):
        release = platform.freedesktop_os_release()
    return {
        "trustctl": __version__,
        "python": platform.python_version(),
        "system": release.get("PRETTY_NAME", ""),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "packages": dict(sorted({each.name: each.version for each in distributions()}.items())),
    }


def _document(path: str) -> Callable[[Connection], bytes]:
    def ask(connection: Connection) -> bytes:
        _, found = connection.ask(path)
        return _json(found)

    return ask


def _decisions(connection: Connection) -> bytes:
    """How many of the newest decisions there were of each kind, and no subject of any."""
    found = connection.get("/v1/decisions", {"limit": _COUNTED})["decisions"]
    keys = ("dialect", "permit", "reason", "mode", "band")
    counts = Counter(tuple(str(each.get(key)) for key in keys) for each in found)
    rows = [dict(zip(keys, kind, strict=True)) | {"count": n} for kind, n in counts.most_common()]
    return _json({"newest": len(found), "kinds": rows})


def _incidents(connection: Connection) -> bytes:
    """How many incidents there are of each kind, and no guest of any."""
    found = connection.get("/v1/incidents", {"state": "all"})["incidents"]
    keys = ("severity", "state", "conclusion")
    counts = Counter(tuple(str(each.get(key)) for key in keys) for each in found)
    rows = [dict(zip(keys, kind, strict=True)) | {"count": n} for kind, n in counts.most_common()]
    return _json({"known": len(found), "kinds": rows})


def _notices(connection: Connection) -> bytes:
    """How receivers fare, and how many notices there are of each kind, and none of what they say.

    An answer of a receiver's, which is its ``error``, may repeat what it was told.
    """
    found = connection.get("/v1/notices")
    counts = Counter(
        (str(each["severity"]), str(each["labels"].get("kind"))) for each in found["notices"]
    )
    return _json(
        {
            "receivers": [
                {name: value for name, value in each.items() if name != "error"}
                for each in found["receivers"]
            ],
            "kinds": [
                {"severity": severity, "kind": kind, "count": n}
                for (severity, kind), n in counts.most_common()
            ],
        }
    )


def _ready(connection: Connection) -> bytes:
    """Whether the daemon is ready, and what is not well."""
    _, found = connection.ask("/readyz")
    return _json(_without_reasons(found))


def _without_reasons(found: Mapping[str, Any]) -> dict[str, Any]:
    """A document, without why something is well all the same: somebody paused, with a reason."""
    checks = found.get("checks", {})
    return {
        **found,
        "checks": {
            name: {**each, "reason": ""} if each["ok"] else each for name, each in checks.items()
        },
    }


def _status(connection: Connection) -> bytes:
    """The status, without whom walls refuse, and without who paused and why."""
    _, found = connection.ask("/v1/status")
    if "orders" not in found:  # there is no status yet, and this says why
        return _json(found)
    orders = found["orders"]
    pause = orders["pause"] and {name: orders["pause"][name] for name in ("keep", "since", "until")}
    return _json(
        {
            **_without_reasons(found),
            "wall_violations": len(found["wall_violations"]),
            "orders": {**orders, "pause": pause},
        }
    )


_QUESTIONS: dict[str, Callable[[Connection], bytes]] = {
    "ready.json": _ready,
    "status.json": _status,
    "config.json": _document("/v1/config"),
    "policy.json": _document("/v1/policy"),
    "storage.json": _document("/v1/storage"),
    "notices.json": _notices,
    "decisions.json": _decisions,
    "incidents.json": _incidents,
    "metrics.txt": lambda connection: connection.text("/metrics"),
}


def _json(document: object) -> bytes:
    # ASCII only: what somebody called a guest must not reach a terminal
    return json.dumps(document, indent=2).encode() + b"\n"


def _bounded(body: bytes) -> bytes:
    return body if len(body) <= MOST else body[: MOST - len(_CUT)] + _CUT


def _write(file: Path, parts: Mapping[str, bytes], *, force: bool) -> None:
    """Write an archive that only its owner may read; a link is not followed."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    if not force and file.exists():
        raise click.ClickException(f"{harmless(str(file))} is there already: --force replaces it")
    try:
        with (
            open(os.open(new, flags, 0o600), "wb") as raw,  # noqa: PTH123 - with its flags
            gzip.GzipFile(fileobj=raw, mode="wb") as packed,
            tarfile.open(fileobj=packed, mode="w|") as archive,
        ):
            for member, body in _members(parts):
                archive.addfile(member, io.BytesIO(body))
        new.replace(file)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        why = error.strerror or str(error)
        raise click.ClickException(f"cannot write {harmless(str(file))}: {why}") from error


def _members(parts: Mapping[str, bytes]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name, body in parts.items():
        member = tarfile.TarInfo(f"{_FOLDER}/{name}")
        member.size, member.mode, member.mtime = len(body), 0o600, int(time.time())
        yield member, body
