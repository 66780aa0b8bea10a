"""trustctl as a process of its own, against a served API."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.api.conftest import Served, served

__all__ = ["Served", "served"]


@dataclass
class Ran:
    """What a run of trustctl left."""

    code: int
    out: str
    err: str


Trustctl = Callable[..., Awaitable[Ran]]


def environment(served: Served, **more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {**kept, "TRUSTD_SOCKET": str(served.socket_path), "LC_ALL": "C.UTF-8", **more}


COMMAND = (sys.executable, "-c", "from trustd.ctl import main; main()")


@pytest.fixture
def trustctl(served: Served) -> Trustctl:
    """Run trustctl with these arguments and wait for its end."""

    async def run(*args: str, **more: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(served, **more),
        )
        async with asyncio.timeout(90):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    return run
