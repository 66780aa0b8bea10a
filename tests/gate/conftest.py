"""A place for gates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory whose name leaves room for that of a socket."""
    with TemporaryDirectory(prefix="gate-") as made:
        yield Path(made)
