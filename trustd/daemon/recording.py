"""Recording the guests' telemetry, without judging it."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import structlog

from trustd.config import Settings
from trustd.daemon.build import door_of
from trustd.hypervisor import LibvirtHypervisor, Recorder

log = structlog.get_logger()


def record(settings: Settings, file: Path) -> None:
    """Record to ``file``, a tick an interval, until SIGINT or SIGTERM.

    Raises:
        TrustdError: the file cannot be written.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    recorder = Recorder(LibvirtHypervisor(door_of(settings)), file, at=time.time())
    recorder.start()
    log.info("recording", file=str(file), interval=settings.interval)
    try:
        while not stop.is_set():
            recorder.events()
            recorder.sample()
            recorder.inventory()
            stop.wait(settings.interval)
    finally:
        recorder.close()
