"""Sockets, and who may ask over which of them."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import pytest
from aiohttp import web

from tests.api.conftest import Served
from tests.api.fleets import FEATURES, assessed, fleet
from trustd.api import CannotListen, Live, inherited_sockets, serve
from trustd.api.peer import Peer, peer_of, prepare
from trustd.metrics import Meters


@pytest.fixture
def live() -> Live:
    return Live(FEATURES, Meters("1.2.3"), version="1.2.3")


async def test_the_socket_is_for_its_owner_and_group(served: Served) -> None:
    """Others have no access to the unix socket."""
    assert stat.S_IMODE(served.socket_path.stat().st_mode) == 0o660


async def test_a_dead_daemons_socket_is_replaced(live: Live, tmp_path: Path) -> None:
    """A file that nobody listens on is no hindrance, and the file is gone at the end."""
    path = tmp_path / "trustd.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    async with serve(live, path, None) as listening:
        assert listening.socket_path == path
        assert listening.tcp is None
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /livez HTTP/1.0\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert not path.exists()


async def test_a_living_daemon_is_not_pushed_aside(live: Live, tmp_path: Path) -> None:
    """A second daemon is refused, and the first one's socket stays."""
    path = tmp_path / "trustd.sock"
    async with serve(live, path, None):
        with pytest.raises(CannotListen, match="another process listens there"):
            async with serve(live, path, None):
                pass
        assert path.is_socket()


async def test_no_other_file_is_removed(live: Live, tmp_path: Path) -> None:
    """A file that is no socket is left alone, and so is a successor's socket at the end."""
    path = tmp_path / "trustd.sock"
    path.write_text("precious")
    with pytest.raises(CannotListen, match="not a socket"):
        async with serve(live, path, None):
            pass
    assert path.read_text() == "precious"
    path.unlink()
    async with serve(live, path, None):
        path.unlink()
        path.write_text("successor")
    assert path.read_text() == "successor"


async def test_a_directory_that_is_missing_is_named(live: Live, tmp_path: Path) -> None:
    """The error says what and where, and nothing is left listening."""
    path = tmp_path / "missing" / "trustd.sock"
    with pytest.raises(CannotListen, match=r"missing/trustd\.sock"):
        async with serve(live, path, None):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])  # noqa: S104
async def test_only_loopback_is_served_over_tcp(live: Live, host: str) -> None:
    """There is no access control over TCP, so no other address is accepted."""
    with pytest.raises(CannotListen, match="only loopback"):
        async with serve(live, None, (host, 0)):
            pass


async def test_a_taken_port_is_refused_and_the_unix_socket_is_given_up(
    live: Live, tmp_path: Path
) -> None:
    """Either everything is served or nothing."""
    path = tmp_path / "trustd.sock"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(CannotListen, match="choose another port"),
    ):
        async with serve(live, path, ("127.0.0.1", taken.getsockname()[1])):
            pass
    assert not path.exists()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "LOCALHOST:8080"}, 200),
        ({"Host": "[::1]:9747"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost.evil.example:9747"}, 421),
        ({"Host": "evil.example@127.0.0.1"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "localhost:80", "Origin": "http://localhost:80"}, 200),
        ({"Host": "localhost:80", "Origin": "http://localhost:3000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ],
)
async def test_web_pages_cannot_read_loopback(
    served: Served, headers: dict[str, str], status: int
) -> None:
    """A rebound name, another origin and an embedded request are refused; a person is not."""
    served.publish(fleet(assessed()))
    for path in ("/v1/guests", "/metrics", "/", "/v1/events"):
        async with served.tcp.get(path, headers=headers) as answer:
            assert answer.status == status, path
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_the_unix_socket_asks_for_no_particular_host(served: Served) -> None:
    """A browser cannot reach it, and clients put there what they like."""
    async with served.unix.get("/livez", headers={"Host": "anything"}) as answer:
        assert answer.status == 200


@asynccontextmanager
async def telling(path: Path, app: web.Application) -> AsyncIterator[list[Peer | None]]:
    """Serve an application there; what is yielded is who asked, request by request."""
    seen: list[Peer | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(peer_of(request))
        return web.Response()

    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    yield seen
    await runner.cleanup()


async def test_the_kernel_tells_who_asks(tmp_path: Path) -> None:
    """A handler knows the process at the other end of the unix socket, and none over TCP."""
    path = tmp_path / "peer.sock"
    asks = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(100)"
    )
    async with telling(path, web.Application()) as seen:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", asks, str(path))
        await process.wait()
    (peer,) = seen
    assert peer is not None
    assert (peer.pid, peer.uid, peer.gid) == (process.pid, os.getuid(), os.getgid())


async def test_the_kernel_is_asked_once_a_connection(tmp_path: Path) -> None:
    """All requests on a connection are of whoever made it, and those on the next one of another:
    what was said of one connection is never said of another one."""
    path, app = tmp_path / "peer.sock", web.Application()
    prepare(app)
    asks = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "[(s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'), s.recv(9999)) for _ in 'ab']"
    )
    made = []
    async with telling(path, app) as seen:
        for _ in range(3):
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", asks, str(path))
            await process.wait()
            made.append(process.pid)
    assert [peer.pid for peer in seen if peer] == [pid for pid in made for _ in "ab"]
    assert all(seen[at] is seen[at + 1] for at in (0, 2, 4)), "asked again"


def test_sockets_of_systemd_are_served(tmp_path: Path) -> None:
    """A socket that was opened before the daemon started is used, and its file is left alone."""
    path = tmp_path / "activated.sock"
    script = """
import asyncio, os, sys
from trustd.api import Live, inherited_sockets, serve
from trustd.metrics import Meters

os.environ["LISTEN_PID"] = str(os.getpid())

async def main():
    live = Live((), Meters("1"), version="1")
    passed = inherited_sockets()
    async with serve(live, None, None, inherited=passed) as listening:
        print(listening.socket_path, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def pass_on() -> None:
            os.dup2(listener.fileno(), 3)

        with subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"LISTEN_FDS": "1"},
            pass_fds=(3,) if listener.fileno() == 3 else (),
            preexec_fn=pass_on,  # noqa: PLW1509 - no threads here; the number must be 3
            close_fds=False,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().decode().strip() == str(path)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(60)
                client.connect(str(path))
                client.sendall(b"GET /livez HTTP/1.0\r\nHost: x\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.0 200")
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert path.is_socket()


def test_sockets_for_another_process_are_not_taken() -> None:
    """LISTEN_FDS without our own process id is somebody else's."""
    assert inherited_sockets({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, pid=2) == ()


async def test_connections_beyond_the_limit_are_hung_up_on(served: Served) -> None:
    """A local user who opens very many leaves the daemon its files, and the others their answer."""
    served.publish(fleet(assessed()))
    opened = []
    try:
        for _ in range(300):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            opened.append((reader, writer))
        refused = 0
        for _, writer in opened:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(60):
            for reader, _ in opened:
                try:
                    refused += not await reader.read(12)
                except ConnectionError:
                    refused += 1
        assert refused == 300 - 256
        async with served.unix.get("/livez") as answer:
            assert answer.status == 200
    finally:
        for _, writer in opened:
            writer.close()


async def test_the_end_does_not_wait_for_open_streams(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams are ended in order, so that stopping takes a moment and not a timeout."""
    # the package has a function of the module's name
    monkeypatch.setattr(import_module("trustd.api.serve"), "_GRACE", 60.0)
    path = tmp_path / "trustd.sock"
    loop = asyncio.get_running_loop()
    async with serve(live, path, None):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"retry: 2000")
        began = loop.time()
    assert loop.time() - began < 20
    assert (await reader.read())[-5:] == b"0\r\n\r\n"
    writer.close()
    await writer.wait_closed()
