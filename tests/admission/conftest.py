"""Hypervisors whose libvirt asks trustd, and trustd on them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import libvirt
import pytest

from tests.admission.client import CLIENT
from tests.lab.daemon import DIRECTORY, SOCKET, Daemon
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until

POLICY = (Path(__file__).parent / "policy.yaml").read_text("utf-8")
HOOK = "/etc/libvirt/hooks/qemu.d/trustd"
SETTINGS = "/etc/trustd/hook.conf"
TIMEOUT = 10.0
"""Seconds where trustd does not answer."""
PATIENCE = 25.0
"""Seconds where trustd answers, for a machine that is ten times slower than a host."""
LEAVING = 3.0
"""Seconds for telling that a guest has left: more than on a host, for the same reason."""


def hooked(hypervisor: Hypervisor, unavailable: str = "open") -> None:
    """Install the shipped hook as the documents say, and have libvirtd look for it."""
    hook = hypervisor.path(HOOK)
    hook.parent.mkdir(parents=True)
    shipped = CLIENT.read_text("utf-8")
    assert shipped.count("\nLEAVING = 0.25\n") == 1
    hook.write_text(shipped.replace("\nLEAVING = 0.25\n", f"\nLEAVING = {LEAVING}\n"), "utf-8")
    hook.chmod(0o755)
    hypervisor.path(SETTINGS).parent.mkdir(exist_ok=True)
    set_to(hypervisor, unavailable)
    hypervisor.restart_libvirtd()


def set_to(hypervisor: Hypervisor, unavailable: str, timeout: float = PATIENCE) -> None:
    """What happens without an answer within so many seconds."""
    hypervisor.path(SETTINGS).write_text(
        f"socket = {SOCKET}\ntimeout = {timeout}\nunavailable = {unavailable}\n", "utf-8"
    )


@pytest.fixture(scope="package")
def host(shared):
    """One for the package, whose libvirt asks trustd where trustd runs."""
    with Hypervisor("admission", shared=[shared]) as hypervisor:
        hooked(hypervisor)
        yield hypervisor


@pytest.fixture
def daemon(host):
    """trustd on the host, with a new history."""
    host.run("rm", "-rf", f"{DIRECTORY}/state")
    set_to(host, "open")
    made = Daemon(host, POLICY, log={"level": "info"}, interval="2s")
    # an emulator on a busy machine takes longer to answer than on a host
    made.settings["hypervisor"] = {"deadline": "1900ms"}
    with made as running:
        yield running


@pytest.fixture
def define(host):
    """A function that defines guests without starting them; they are removed."""
    mine: list[Guest] = []

    def make(name: str, **options) -> Guest:
        labels = {"client": "red"} | options.pop("labels", {})
        small = {"channel": False, "nics": 0, "disks": (), "memory": 64 << 20}
        mine.append(host.define(GuestSpec(name, labels=labels, **small | options)))
        return mine[-1]

    yield make
    set_to(host, "open")
    for guest in mine:
        guest.remove()


def refusal(guest: Guest) -> str:
    """What libvirt says where it does not start a guest; empty where it does."""
    try:
        guest.start()
    except libvirt.libvirtError as error:
        return str(error)
    return ""


def running(guest: Guest) -> bool:
    with guest.domain() as domain:
        return bool(domain.isActive())


def freeze(daemon: Daemon) -> None:
    """Stop trustd where it stands."""
    daemon.signal(signal.SIGSTOP)
    # nsenter, which waits for it, stops itself as well
    stat = Path(f"/proc/{daemon._process.pid}/stat")
    wait_until(
        lambda: stat.read_text("utf-8").rpartition(")")[2].split()[0] == "T",
        "it is frozen",
        seconds=60,
    )


def thaw(daemon: Daemon) -> None:
    """Let trustd go on."""
    os.kill(daemon._process.pid, signal.SIGCONT)


def known(daemon: Daemon, guest: Guest) -> bool:
    return "summary" in daemon.get(f"/v1/guests/{guest.uuid}")


def state(daemon: Daemon, guest: Guest) -> str:
    return str(daemon.get(f"/v1/guests/{guest.uuid}").get("summary", {}).get("state", ""))


def entries(daemon: Daemon) -> list[dict[str, object]]:
    """What the journal says of admission, oldest first."""
    script = (
        "import json, sqlite3, sys\n"
        "rows = sqlite3.connect(sys.argv[1], timeout=60).execute("
        "\"SELECT guest, document FROM transition WHERE kind = 'admission' ORDER BY id\")\n"
        "print(json.dumps([{'guest': g} | json.loads(d) for g, d in rows]))"
    )
    path = f"{DIRECTORY}/state/trustd.db"
    told = daemon.hypervisor.run("python3", "-c", script, path).stdout
    found: list[dict[str, object]] = json.loads(told)
    return found
