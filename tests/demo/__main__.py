"""``make demo``: trustd on a throw-away hypervisor with three real guests.

One guest misbehaves twice, is narrowed for it, behaves again, and has everything given back.
Leaves nothing behind.
"""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from tests.demo.stage import Stage
from tests.lab.daemon import Daemon, Document
from tests.lab.errors import LabError
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.requirements import explain, missing
from tests.lab.spec import GuestSpec
from tests.lab.state import live_state
from tests.lab.waiting import wait_until

PROJECT = Path(__file__).parents[2]
POLICY = PROJECT / "policies/examples/lab.yaml"
PORT = 9747
WRITES = 8_000_000
PACKETS = 4_000


def main() -> int:
    stage = Stage()
    if lacking := missing():
        stage.console.print(explain(lacking))
        return 1
    try:
        play(stage)
    except LabError as error:
        stage.console.print(f"[red]the demo failed:[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        stage.console.print("ended; nothing is left behind")
        return 130
    return 0


def play(stage: Stage) -> None:
    with contextlib.ExitStack() as stack:
        with stage.act("A hypervisor in namespaces of its own"):
            hypervisor = stack.enter_context(Hypervisor("demo"))
            stage.say(f"libvirt and QEMU answer at {hypervisor.uri}")
        with stage.act("Three guests in two roles boot (under emulation, so give them a moment)"):
            done = stage.waiting("booting")
            web, other, database = hypervisor.start(
                GuestSpec("web-1", labels={"app": "web"}),
                GuestSpec("web-2", labels={"app": "web"}),
                GuestSpec("db-1", labels={"app": "db"}),
            )
            done()
        with stage.act("trustd starts, in enforce mode, with policies/examples/lab.yaml"):
            daemon = stack.enter_context(Daemon(hypervisor, POLICY.read_text("utf-8")))
            stage.say(f"look yourself: {stack.enter_context(endpoint(hypervisor))}")
            done = stage.waiting("newcomers are not trusted much: let them earn it")
            for guest in (web, other, database):
                daemon.wait_guest(guest.name, trusted, "earns its trust", seconds=180)
            done()
            show(stage, daemon)
        before = live_state(web)
        misbehave(stage, daemon, web)
        recover(stage, daemon, web, before)
    stage.say("the hypervisor, its guests and trustd are gone; nothing is left behind")


def misbehave(stage: Stage, daemon: Daemon, guest: Guest) -> None:
    with stage.act("web-1 begins to rewrite its disk, as ransomware does"):
        guest.write(WRITES)
        stage.prove("it writes", f"{rate(guest):,.0f} kB/s")
        narrowed = watch(stage, daemon, guest, lambda now: applied(now, "disk-throttle"))
        stage.say(f"         taken away: {lost(narrowed)}")
        wait_until(lambda: rate(guest) < WRITES / 1000 / 20, "its writing is felt", seconds=90)
        stage.prove("it still tries, and writes", f"{rate(guest):,.0f} kB/s")
    with stage.act("web-1 floods the network as well"):
        guest.flood(PACKETS, size=200)
        narrowed = watch(stage, daemon, guest, lambda now: applied(now, "nic-link"))
        stage.say(f"         taken away: {lost(narrowed)}")
        wait_until(lambda: not guest.counters().carrier, "its link is down", seconds=90)
        stage.prove("its network link is", "down")
        show(stage, daemon)


def recover(stage: Stage, daemon: Daemon, guest: Guest, before: str) -> None:
    with stage.act("web-1 behaves again"):
        guest.quiet()
        watch(stage, daemon, guest, lambda now: calm(now) and not now["actions"], seconds=180)
        wait_until(lambda: guest.counters().carrier, "its link is up", seconds=90)
        stage.prove("its network link is", "up")
        guest.write(WRITES // 4)
        wait_until(lambda: rate(guest) > WRITES / 1000 / 8, "it writes freely", seconds=90)
        stage.prove("within its bounds it writes freely,", f"{rate(guest):,.0f} kB/s")
        guest.quiet()
        if live_state(guest) != before:
            raise LabError("web-1 is not as it was before")
        stage.say("its live definition and every limit are what they were, byte for byte")
        show(stage, daemon)


def watch(
    stage: Stage,
    daemon: Daemon,
    guest: Guest,
    condition: Callable[[Document], bool],
    seconds: float = 120,
) -> Document:
    """Follow a guest, line by line, until a condition on it holds."""

    def seen(now: Document) -> bool:
        stage.follow(now)
        return condition(now)

    return daemon.wait_guest(guest.name, seen, "changes as it should", seconds=seconds)


def show(stage: Stage, daemon: Daemon) -> None:
    guests = daemon.get("/v1/guests")["guests"]
    stage.fleet([daemon.guest(each["name"]) for each in sorted(guests, key=lambda g: g["name"])])


def calm(guest: Document) -> bool:
    return guest["freshness"] == "fresh" and guest["band"] == "trusted"


def trusted(guest: Document) -> bool:
    return calm(guest) and guest["trust"] > 0.85


def applied(guest: Document, lever: str) -> bool:
    done = ("applied", "held")
    return any(each["lever"] == lever and each["status"] in done for each in guest["actions"])


def lost(guest: Document) -> str:
    return "; ".join(
        f"{', '.join(each['lost'])} on {each['type']} {each['id']}"
        for each in guest["access"]
        if each["lost"]
    )


def rate(guest: Guest) -> float:
    """kB/s that the guest writes, by its own count."""
    return guest.rates().written / 1000


@contextlib.contextmanager
def endpoint(hypervisor: Hypervisor) -> Iterator[str]:
    """The daemon's TCP endpoint, which is in the namespace, on this machine's loopback."""
    port = free_port()
    # socat takes a bare colon for its own
    inside = rf"nsenter -t {hypervisor.pid} -n socat - TCP\:127.0.0.1\:{PORT}"
    relay = subprocess.Popen(
        ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"EXEC:{inside}"],
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: answers(f"{url}livez"), f"{url} answers", seconds=60)
        yield url
    finally:
        relay.terminate()
        relay.wait()


def answers(url: str) -> bool:
    with contextlib.suppress(OSError, HTTPException), urlopen(url, timeout=20) as answer:  # noqa: S310
        return bool(answer.status == HTTPStatus.OK)
    return False


def free_port() -> int:
    """The usual port where it is free, else any."""
    for port in (PORT, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise LabError("there is no free port on loopback")


if __name__ == "__main__":
    sys.exit(main())
