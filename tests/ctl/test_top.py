"""``trustctl top``: live, on a terminal and off it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.api.conftest import until
from tests.api.fleets import assessed, fleet, narrowed
from tests.ctl.conftest import COMMAND, Served, Trustctl, environment


@dataclass
class Terminal:
    """A terminal with trustctl on it."""

    leader: int
    process: asyncio.subprocess.Process
    seen: str = field(default="")

    async def shows(self, pattern: str) -> None:
        """Wait until what was drawn since the last call matches."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(90):
            while not (match := re.search(pattern, self.seen, re.DOTALL)):
                self.seen += await loop.run_in_executor(None, self._read)
        self.seen = self.seen[match.end() :]

    def _read(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(self.leader, 65536).decode())

    def press(self, keys: str) -> None:
        os.write(self.leader, keys.encode())


@contextlib.asynccontextmanager
async def top(served: Served, *args: str) -> AsyncIterator[Terminal]:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    before = termios.tcgetattr(follower)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "top",
        *args,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment(served, TERM="xterm-256color"),
    )
    try:
        yield Terminal(leader, process)
        async with asyncio.timeout(90):
            await process.wait()
        assert termios.tcgetattr(follower) == before
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(follower)
        os.close(leader)


async def test_top_follows_the_ticks_and_sorts_by_key(served: Served) -> None:
    """A fall is seen at its tick; n and r sort; q ends with 0 and gives the terminal back."""
    served.publish(fleet(assessed("aaa", 1), assessed("zzz", 2, trust=0.5), tick=1))
    async with top(served) as terminal:
        await terminal.shows(r"tick 1 .*by trust.*zzz.*aaa.*q quit")
        served.publish(fleet(assessed("aaa", 1), narrowed("zzz", 2), tick=2))
        await terminal.shows(r"tick 2 .*zzz.*0\.27.*restricted.*q quit")
        terminal.press("n")
        await terminal.shows(r"by name.*aaa.*zzz.*q quit")
        terminal.press("r")
        await terminal.shows(r"by -name.*zzz.*aaa.*q quit")
        terminal.press("q")
    assert terminal.process.returncode == 0


async def test_top_ends_after_so_many_ticks(served: Served) -> None:
    """--ticks is for those who want to look once, on a terminal too."""
    served.publish(fleet(assessed(), tick=1))
    async with top(served, "--ticks", "1"):
        pass


async def test_top_waits_out_a_restart(served: Served) -> None:
    """While trustd does not answer the old guests stay, marked as old, with the reason."""
    served.publish(fleet(assessed(), tick=1))
    async with top(served) as terminal:
        await terminal.shows(r"tick 1 .*q quit")
        moved = served.socket_path.with_name("away")
        served.socket_path.rename(moved)
        served.live.hub.close()
        await terminal.shows(r"OLD: .*web-1.*q quit")
        moved.rename(served.socket_path)
        await until(lambda: len(served.live.hub) == 1)
        served.publish(fleet(assessed("back"), tick=2))
        await terminal.shows(r"tick 2 +1 guests +mode enforce +by trust\s.*back.*q quit")
        terminal.press("q")


async def test_top_gives_blocks_off_a_terminal(served: Served, trustctl: Trustctl) -> None:
    """A block of lines a tick, with an empty line after it."""
    served.publish(fleet(assessed(), tick=1))
    running = asyncio.ensure_future(trustctl("top", "--ticks", "2"))
    await until(lambda: len(served.live.hub) == 1)
    served.publish(fleet(assessed(), narrowed(), tick=2))
    ran = await running
    assert ran.code == 0
    blocks = ran.out.strip("\n").split("\n\n")
    assert len(blocks) == 2
    assert blocks[1].splitlines()[0].split("\t")[1] == "bad-1"


async def test_top_ends_with_69_when_the_daemon_stops(served: Served, trustctl: Trustctl) -> None:
    """A script that follows is told that there is nothing to follow any more."""
    served.publish(fleet(assessed(), tick=1))
    running = asyncio.ensure_future(trustctl("top"))
    await until(lambda: len(served.live.hub) == 1)
    served.live.hub.close()
    assert (await running).code == 69
