"""The whole engine as bytes: a checked header of plain values, then raw columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trustd.errors import StoreError
from trustd.trust.columns import Column, Table

MAGIC = b"trustd-engine\n"
VERSION = 1
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot holds.

    Args:
        head: everything that is not a column, as plain values.
        table: the columns.
    """

    head: Mapping[str, Any]
    table: Table


def pack(head: Mapping[str, Any], table: Table) -> bytes:
    """Header and columns as bytes."""
    columns = [
        {
            "name": name,
            "per": table.schema[name].per,
            "depth": table.schema[name].depth,
            "dtype": table[name].dtype.str,
        }
        for name in table
    ]
    whole = {"version": VERSION, "rows": len(table), "labels": table.labels, "columns": columns}
    text = json.dumps({**whole, "head": head}, allow_nan=False).encode()
    body = len(text).to_bytes(8, "little") + text
    body += b"".join(np.ascontiguousarray(table[name]).tobytes() for name in table)
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> Snapshot:
    """The inverse of :func:`pack`.

    Raises:
        StoreError: the bytes are damaged, or of a version that is not known.
    """
    start = len(MAGIC) + _DIGEST
    body = data[start:]
    if data[: len(MAGIC)] != MAGIC:
        raise StoreError("this is no saved state of the scoring; begin without it")
    if hashlib.sha256(body).digest() != data[len(MAGIC) : start]:
        raise StoreError("the saved state of the scoring is damaged; begin without it")
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + size])
    if header["version"] != VERSION:
        raise StoreError(
            f"the saved state of the scoring has version {header['version']}, this is"
            f" {VERSION}; convert it with the release that wrote it, or begin without it"
        )
    schema = {
        each["name"]: Column(each["per"], each["depth"], dtype=each["dtype"])
        for each in header["columns"]
    }
    table = Table(schema, header["labels"])
    table.add(header["rows"])
    _fill(table, body[8 + size :], [each["name"] for each in header["columns"]])
    return Snapshot(header["head"], table)


def _fill(table: Table, raw: bytes, names: Sequence[str]) -> None:
    offset = 0
    for name in names:
        held = table[name]
        held[...] = np.frombuffer(raw, held.dtype, held.size, offset).reshape(held.shape)
        offset += held.nbytes
