"""Signed heads of the audit trail, to be kept where whoever rewrites the trail cannot reach."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from trustd.errors import StoreError
from trustd.repository.trail import Anchor


class Signer:
    """Signs anchors with a key of this host's own (Ed25519, RFC 8032).

    Args:
        path: the key's file; it is made, readable by its owner only, where there is none.

    Raises:
        StoreError: there is a file, and no key in it; or it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._key = _read(path) if path.exists() else _made(path)
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise StoreError(
                f"{path}: the key of the audit trail cannot be used: {error}. Restore it from a"
                " backup, or move it away to have a new one made"
            ) from error
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = base64.b64encode(public).decode()

    def anchor(self, trail: str, record: int, digest: bytes, at: float) -> Anchor:
        """An anchor of the trail as it is now.

        Args:
            record: the newest one's place.
            digest: its hash.
            at: epoch seconds.
        """
        bare = Anchor(trail, record, digest.hex(), at, self.public)
        signature = self._key.sign(bare.signed_part())
        return replace(bare, signature=base64.b64encode(signature).decode())


def genuine(anchor: Anchor, key: str) -> bool:
    """Whether an anchor was signed by the holder of a key.

    Args:
        key: the public half, base64. The one that the anchor names proves nothing.
    """
    if anchor.key != key:
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(anchor.signature, validate=True), anchor.signed_part())
    except (InvalidSignature, ValueError):
        return False
    return True


def parsed(lines: Iterable[str], where: str) -> Sequence[Anchor]:
    """Anchors from JSON lines; other lines of a log are passed over.

    Raises:
        StoreError: a line tells of an anchor and is none.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        if '"signature"' not in line:
            continue
        try:
            told = orjson.loads(line)
            found.append(
                Anchor(
                    trail=str(told["trail"]),
                    id=int(told["id"]),
                    hash=str(told["hash"]),
                    at=float(told["at"]),
                    key=str(told["key"]),
                    signature=str(told["signature"]),
                )
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{where}:{number}: this is no anchor: {error!r}") from error
    return found


def _read(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("it is of another kind")  # noqa: TRY004 - the file is wrong, not a type
    return key


def _made(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    new.rename(path)
    return key
