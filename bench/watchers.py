"""trustd and what others run to watch guests, each started and asked in the same way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.debian import unpacked
from tests.lab.hypervisor import Hypervisor
from tests.lab.namespaces import Inside
from tests.lab.waiting import wait_until

HERE = Path(__file__).parent
PACKAGES = {
    "libvirt_exporter": ("prometheus-libvirt-exporter",),
    "collectd": ("collectd-core", "libmicrohttpd12", "libprotobuf-c1"),
}
LIBRARIES = "usr/lib/x86_64-linux-gnu"
PLACE = "/var/lib/bench"
POLICY = HERE.parent / "policies/default.yaml"
COLLECTD = """\
Hostname "lab"
FQDNLookup false
Interval {interval:g}
PIDFile "/run/collectd.pid"
BaseDir "{place}"
PluginDir "{root}/usr/lib/collectd"
TypesDB "{root}/usr/share/collectd/types.db"
LoadPlugin virt
LoadPlugin write_prometheus
<Plugin virt>
  Connection "qemu:///system"
  HostnameFormat name
</Plugin>
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "9103"
</Plugin>
"""


@dataclass(frozen=True)
class Watcher:
    """A program that watches guests: its command, and the address of its page."""

    kind: str
    url: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scrape:
    """What one scrape brought: when it was due, asked and ended, and each guest's sample's time."""

    due: float
    asked: float
    ended: float
    error: str
    times: dict[str, float]


def watchers(hypervisor: Hypervisor, interval: float) -> list[Watcher]:
    """All of them, as their packages come: with the same interval where they have one."""
    root = unpacked([package for packages in PACKAGES.values() for package in packages])
    place = hypervisor.path(PLACE)
    place.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "interval": f"{interval:g}s",
        "policy": f"{PLACE}/policy.yaml",
        "state": f"{PLACE}/state",
    }
    (place / "policy.yaml").write_text(POLICY.read_text("utf-8"), "utf-8")
    (place / "trustd.yaml").write_text(json.dumps(settings), "utf-8")
    configuration = COLLECTD.format(interval=interval, root=root, place=PLACE)
    (place / "collectd.conf").write_text(configuration, "utf-8")
    return [
        Watcher(
            "trustd",
            "http://127.0.0.1:9747/metrics",
            (sys.executable, "-m", "trustd", "run", "--config", f"{PLACE}/trustd.yaml"),
        ),
        Watcher(
            "libvirt_exporter",
            "http://127.0.0.1:9177/metrics",
            (f"{root}/usr/bin/prometheus-libvirt-exporter", "--web.listen-address=127.0.0.1:9177"),
        ),
        Watcher(
            "collectd",
            "http://127.0.0.1:9103/metrics",
            (f"{root}/usr/sbin/collectd", "-f", "-C", f"{PLACE}/collectd.conf"),
            {"LD_LIBRARY_PATH": f"{root}/{LIBRARIES}"},
        ),
    ]


class Running:
    """A watcher that runs. ``pid`` is its process, as the outside sees it."""

    def __init__(self, hypervisor: Hypervisor, watcher: Watcher, log: Path) -> None:
        self._hypervisor = hypervisor
        self.watcher = watcher
        self.began = time.time()
        environment = [f"{name}={value}" for name, value in watcher.environment.items()]
        with log.open("ab") as output:
            self.process: Inside = hypervisor.popen(
                *("env", *environment, *watcher.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        wait_until(lambda: bool(children.read_text("ascii")), "it runs", seconds=10)
        self.pid = int(children.read_text("ascii"))

    @property
    def alive(self) -> bool:
        """Whether the process that was started still runs."""
        return self.process.poll() is None

    @contextmanager
    def scraping(self, interval: float, count: int) -> Iterator[list[Scrape]]:
        """Scrape beside what the block does; the list is full when the block has been left."""
        found: list[Scrape] = []
        command = (sys.executable, "-I", HERE / "scrape.py", self.watcher.url, self.watcher.kind)
        with self._hypervisor.popen(
            *command, str(interval), str(count), stdout=subprocess.PIPE, text=True
        ) as scraper:
            yield found
            output, _ = scraper.communicate(timeout=interval * (count + 10))
        found += sorted((Scrape(**json.loads(line)) for line in output.splitlines()), key=_due)

    def scrape(self, interval: float, count: int = 1) -> list[Scrape]:
        """Scrape so often, and wait for that."""
        with self.scraping(interval, count) as found:
            pass
        return found


def _due(scrape: Scrape) -> float:
    return scrape.due


@contextmanager
def running(hypervisor: Hypervisor, watcher: Watcher, log: Path) -> Iterator[Running]:
    """Run a watcher, with nothing left of an earlier run; it has ended when the block was left."""
    hypervisor.run("rm", "-rf", f"{PLACE}/state")
    started = Running(hypervisor, watcher, log)
    try:
        yield started
    finally:
        started.process.terminate()
        try:
            started.process.wait(20)
        except subprocess.TimeoutExpired:
            started.process.kill()
            started.process.wait(20)
