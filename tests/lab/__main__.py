"""``python -m tests.lab [GUESTS]``: a hypervisor to play with, and how long it took.

Ends with the end of its standard input (Ctrl-D).
"""

import sys
import time

from tests.lab.errors import LabError
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    began = time.monotonic()
    with Hypervisor() as hypervisor:
        ready = time.monotonic()
        guests = hypervisor.start(
            *(GuestSpec(f"guest{index}", labels={"app": "web"}) for index in range(count)),
            seconds=60.0 + 20.0 * count,
        )
        say(f"hypervisor ready after {ready - began:.1f} s", hypervisor.uri)
        say(f"{count} guests ready after {time.monotonic() - ready:.1f} s more")
        say("a shell inside:", *hypervisor.command("bash"))
        for guest in guests:
            say(f"{guest.name}: {guest.address}, QEMU is process {guest.pid}")
        say("Ctrl-D ends it")
        sys.stdin.read()
        ended = time.monotonic()
    say(f"gone after {time.monotonic() - ended:.2f} s")


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        raise SystemExit(str(error)) from None
