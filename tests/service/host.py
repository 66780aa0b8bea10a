"""What the tests of the service ask of a host, and do to it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.lab.errors import LabError
from tests.lab.systemd import Booted
from tests.lab.waiting import wait_until

SETTINGS = "/etc/trustd/trustd.yaml"
POLICY = "/etc/trustd/policies/default.yaml"
SOCKET = "/run/trustd/trustd.sock"
UNIT = "trustd.service"
ANSWERED = (0, 3)
"""What trustctl ends with where it has an answer: a good one, or a bad one."""
SYSUSERS = "/etc/sysusers.d/trustd-enforce.conf"


def install_enforcing(host: Booted, package: Path) -> None:
    """Install the package and let it act, by the steps of docs/install.md."""
    host.run("dpkg", "--install", package)
    enforce = "/usr/share/trustd/enforce"
    host.run(
        *("install", "-D", "-m", "644", f"{enforce}/enforce.conf"),
        f"/etc/systemd/system/{UNIT}.d/enforce.conf",
    )
    host.run("install", "-D", "-m", "644", f"{enforce}/trustd-enforce.conf", SYSUSERS)
    host.run("systemd-sysusers")
    host.systemctl("daemon-reload")
    edit(host, POLICY, "mode: observe", "mode: enforce")
    edit(host, SETTINGS, "interval: 5s", "interval: 1s\nhypervisor: {deadline: 600ms}")
    host.systemctl("restart", UNIT)
    wait_status(host, "^1 guests, 0 stale, enforce$")


def edit(host: Booted, path: str, old: str, new: str) -> None:
    """Change one thing in a file."""
    file = host.path(path)
    text = file.read_text("utf-8")
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new), "utf-8")


def trustctl(host: Booted, *words: str) -> Any:
    """The document that trustctl gets: also one that says that something is not well."""
    ended = host.run("trustctl", *words, "--output", "json", check=False)
    if ended.returncode not in ANSWERED:
        raise LabError(f"trustctl {words} ended with {ended.returncode}: {ended.stderr}")
    return json.loads(ended.stdout)


def wait_ready(host: Booted) -> dict[str, Any]:
    """Wait until the service has looked and says that it is well; its status."""
    status: dict[str, Any] = {}

    def ready() -> bool:
        status.clear()
        status.update(trustctl(host, "status"))
        return bool(status["ready"])

    wait_until(ready, "trustd is ready", seconds=120)
    return status


def main_pid(host: Booted) -> int:
    """The number that the service's process has inside; 0 for none."""
    return int(host.property(UNIT, "MainPID"))


def wait_status(host: Booted, pattern: str, *, seconds: float = 120) -> str:
    """Wait until systemd's status line of the service is as it should be."""
    last = ""

    def fits() -> bool:
        nonlocal last
        last = host.property(UNIT, "StatusText")
        return re.search(pattern, last) is not None

    wait_until(fits, f"the status line has {pattern}", seconds=seconds)
    return last


def entries(host: Booted, *matches: str) -> list[dict[str, Any]]:
    """The entries of the journal that match."""
    lines = host.journal("--output=json", *matches).splitlines()
    return [json.loads(line) for line in lines]


@contextlib.contextmanager
def drop_in(host: Booted, text: str) -> Iterator[None]:
    """Settings of the unit for a while."""
    folder = host.path(f"/etc/systemd/system/{UNIT}.d")
    folder.mkdir(exist_ok=True)
    file = folder / "lab.conf"
    file.write_text(f"[Service]\n{text}\n", "utf-8")
    host.systemctl("daemon-reload")
    try:
        yield
    finally:
        file.unlink()
        host.systemctl("daemon-reload")
