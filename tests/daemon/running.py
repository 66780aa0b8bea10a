"""``trustd run`` with a hypervisor that does what the first argument says; for subprocesses."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.pipeline.scripted import Scripted, web
from trustd.config import load_settings
from trustd.daemon import service
from trustd.daemon.build import build, wire
from trustd.daemon.logs import configure
from trustd.errors import TrustdError


class Slow(Scripted):
    """Its replies take two and a half intervals."""

    def sample(self):
        time.sleep(1.3)
        return super().sample()


class Hanging(Scripted):
    """Its second reply never comes."""

    def sample(self):
        if self.clock > 5_000.0:
            threading.Event().wait()
        self.clock += 1.0
        return super().sample()


class Failing(Scripted):
    """What no hypervisor should do: it raises."""

    def sample(self):
        raise RuntimeError("a mistake of ours")


KINDS = {"well": Scripted, "slow": Slow, "hanging": Hanging, "failing": Failing}


STOP_SECONDS = 3.0


def main(kind: str, settings: str) -> None:
    service.STOP_SECONDS = STOP_SECONDS
    known = load_settings(Path(settings), {})
    configure(known.log)
    daemon = build(known)
    hypervisor = KINDS[kind]([web(1)])
    wired = wire(
        daemon.plugins,
        hypervisor,
        daemon.narrowing.policy,
        enforcer=daemon.enforcer,
        database=daemon.database,
        path=known.policy,
        interval=known.interval,
    )
    asyncio.run(
        service.run_until_stopped(
            replace(
                daemon,
                hypervisor=hypervisor,
                narrowing=wired.narrowing,
                probing=wired.probing,
                line=wired.line,
            )
        )
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except TrustdError as error:
        sys.exit(f"trustd: {error}")
