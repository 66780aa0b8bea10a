"""A disk that takes no writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.disk import small_disk
from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN

pytestmark = pytest.mark.slow

POLICY = AUTHZEN.read_text("utf-8")


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def content(state: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted(state.iterdir())}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_disk_refuses_the_start_and_is_not_touched(tmp_path):
    """After a kill, on a file system that was mounted read-only: trustd does not start, says why
    and what to do, and leaves everything as it is; writable again, nothing is missing."""
    with small_disk(tmp_path / "disk", megabytes=24) as disk:
        daemon = Running(tmp_path, POLICY, state=str(disk / "state"))
        with daemon:
            assert daemon.trustctl("label", "--object", "record:r9", "owner=alice").returncode == 0
            daemon.kill()
            before = content(disk / "state")
            remount(disk, "ro")
            ran = subprocess.run(
                [sys.executable, "-m", "trustd", "run", "--config", tmp_path / "trustd.yaml"],
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
                env={"PATH": os.environ["PATH"]},
            )
            assert ran.returncode not in {0, -9}
            told = ran.stdout + ran.stderr
            assert "Read-only file system" in told
            assert "Nothing was changed; mend the cause" in told
            assert content(disk / "state") == before
            remount(disk, "rw")
            daemon.start()
            assert daemon.trustctl("audit", "verify").returncode == 0
            shown = daemon.get("/v1/labels?type=record&id=r9")
            assert shown["labels"]["owner"] == "alice"
