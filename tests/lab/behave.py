"""``guest NAME COMMAND``: has a guest of the lab behave in a way, or say how it fares.

Runs inside, where ``playground.py`` puts it on the path. It speaks to the guest's own agent;
trustd knows nothing of it.
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.lab.channel import Channel
from tests.lab.errors import LabError
from tests.lab.guest import NOWHERE
from tests.lab.spec import GuestSpec

USAGE = """\
usage: guest NAME COMMAND
  write BYTES      write so many bytes a second to its disk
  flood PACKETS    send so many packets of 200 bytes a second
  burn PERCENT     keep its processor busy
  quiet            end all of that
  rates            what it does, as measured inside over two seconds
  link             whether its network link is up, as it sees it
"""
ORDERS = {
    "write": "write {} 65536",
    "flood": f"flood {{}} 200 {NOWHERE}",
    "burn": "burn {} 1",
    "quiet": "stop",
}
SECONDS = 60.0


def main(arguments: list[str]) -> str:
    """Do what the arguments say; return the line to print, if any.

    Raises:
        LabError: the guest is not there, or refuses.
    """
    match arguments:
        case [name, "rates"]:
            return _rates(_channel(name))
        case [name, "link"]:
            up = _channel(name).ask("counters", seconds=SECONDS)["carrier"] == "1"
            return "up" if up else "down"
        case [name, "quiet"]:
            _channel(name).ask(ORDERS["quiet"], seconds=SECONDS)
        case [name, "write" | "flood" | "burn" as order, amount] if amount.isdecimal():
            _channel(name).ask(ORDERS[order].format(amount), seconds=SECONDS)
        case _:
            raise LabError(USAGE.rstrip())
    return ""


def _rates(channel: Channel) -> str:
    before = channel.ask("counters", seconds=SECONDS)
    time.sleep(2.0)
    after = channel.ask("counters", seconds=SECONDS)
    seconds = (int(after["at"]) - int(before["at"])) / 1e6
    written, sent = ((int(after[key]) - int(before[key])) / seconds for key in ("written", "sent"))
    return f"writes {written / 1000:,.0f} kB/s, sends {sent / 1000:,.0f} kB/s"


def _channel(name: str) -> Channel:
    asked = subprocess.run(
        ["virsh", "-q", "domuuid", "--", name], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise LabError(asked.stderr.strip())
    spec = GuestSpec(name, uuid=asked.stdout.strip())
    return Channel(Path(spec.directory) / "channel")


if __name__ == "__main__":
    try:
        told = main(sys.argv[1:])
    except LabError as error:
        raise SystemExit(f"guest: {error}") from None
    if told:
        sys.stdout.write(told + "\n")
