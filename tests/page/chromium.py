"""A headless Chromium, spoken to by its debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

BINARY = shutil.which("chromium")
_START = 120.0
PATIENCE = 90.0
"""Seconds in which anything that a page does must have come about."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-default-apps",
    "--mute-audio",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)
_KEYS = {
    "ArrowDown": 40,
    "ArrowUp": 38,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
}


class Trouble(Exception):
    """The browser, or what runs in it, failed."""


class Tab:
    """One page that is open in the browser.

    Attributes:
        complaints: errors on its console, uncaught exceptions, violations of its policy.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                waiting = self._waiting.pop(told["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(told)
            else:
                self._note(told["method"], told.get("params", {}))

    def _note(self, method: str, said: Mapping[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", str(details)))
        elif method == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and said["type"] in {"error", "assert"}:
            self.complaints.append(str(said["args"]))

    async def send(self, method: str, **arguments: Any) -> dict[str, Any]:
        """One command, and its answer."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": arguments})
        async with asyncio.timeout(PATIENCE):
            told = await answer
        if "error" in told:
            raise Trouble(f"{method}: {told['error']['message']}")
        return told["result"]

    async def look(self, expression: str) -> Any:
        """What an expression is in the page; a promise is waited for."""
        told = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in told:
            raise Trouble(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    async def until(self, expression: str, within: float = PATIENCE) -> Any:
        """Wait until an expression is true in the page, and give what it is."""
        try:
            async with asyncio.timeout(within):
                while not (found := await self.look(expression)):  # noqa: ASYNC110 - in a browser
                    await asyncio.sleep(0.03)
        except TimeoutError:
            text = await self.look("document.body.innerText.slice(0, 1500)")
            raise Trouble(f"never so: {expression}; complaints {self.complaints}; {text}") from None
        return found

    async def key(self, name: str) -> None:
        """Press and release one key."""
        code = _KEYS.get(name, ord(name[0].upper()))
        text = (
            {} if name in _KEYS and name != "Enter" else {"text": "\r" if name == "Enter" else name}
        )
        common = {"key": name, "windowsVirtualKeyCode": code}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    async def type(self, text: str) -> None:
        for letter in text:
            await self.key(letter)

    async def open(self, address: str) -> None:
        """Go to an address; complaints begin anew."""
        self.complaints.clear()
        await self.send("Page.navigate", url=address)

    async def size(self, width: int, height: int, *, dark: bool = False) -> None:
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self) -> bytes:
        """What is to be seen, as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])


@contextmanager
def browser() -> Iterator[int]:
    """A browser of its own, until the context ends; gives the port of its protocol."""
    assert BINARY is not None, "Debian's package chromium is needed"
    # a path of its own below /tmp: the sockets in it have short names only
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            # it ends with these tests, however they end
            ["setpriv", "--pdeathsig", "KILL", BINARY, *_OPTIONS, f"--user-data-dir={folder}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield _port(Path(folder) / "DevToolsActivePort", process)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def tab_of(port: int) -> AsyncIterator[Tab]:
    """A new tab of the browser at this port, 1440 by 900; closed when the context ends."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        async with client.put("/json/new?about:blank") as answer:
            target = await answer.json(content_type=None)
        address = target["webSocketDebuggerUrl"]
        async with client.ws_connect(address, max_msg_size=1 << 27) as socket:
            tab = Tab(socket)
            for part in ("Page", "Runtime", "Log"):
                await tab.send(f"{part}.enable")
            await tab.size(1440, 900)
            try:
                yield tab
            finally:
                await tab.close()
        async with client.get(f"/json/close/{target['id']}"):
            pass


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    """The port that the browser chose, once it says it."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Trouble(f"chromium ended with {process.returncode}")
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.05)
    raise Trouble(f"chromium did not begin within {_START:g} s")
