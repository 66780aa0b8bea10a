"""An exported audit trail, read from a file or from the API's pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from trustd.ctl.connection import Document
from trustd.errors import StoreError
from trustd.repository.trail import Record, Start


def of_file(file: Path) -> tuple[Document, Iterator[Record]]:
    """Where an exported trail begins, and its records.

    Raises:
        StoreError: it is none.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
        head, *rest = [json.loads(line) for line in lines]
        Start(head["trail"], head["first"], bytes.fromhex(head["before"]))
        records = [record_of(each) for each in rest]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{file}: this is no exported trail: {error!r}; make one with trustctl audit export"
        ) from error
    return head, iter(records)


def record_of(told: Mapping[str, object]) -> Record:
    """A record, as the API and an export give it."""
    # the document was hashed as orjson writes it, which does so the same way each time
    document = orjson.dumps(told["document"]).decode()
    fields = {**told, "document": document, "hash": bytes.fromhex(str(told["hash"]))}
    return Record(**fields)  # type: ignore[arg-type]
