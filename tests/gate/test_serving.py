"""The server of a gate, against the client that QEMU is: real nbdkit, real qcow2."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gate.servers import SIZE, Client, gate_of, served
from tests.lab.waiting import wait_until
from trustd.gate import NOTHING_DENIED, Gate, Gates, Keeper, deny, keeping, serving
from trustd.gate.image import Qcow2

NO_WRITES = {**NOTHING_DENIED, "deny_write": True}
NO_READS = {**NOTHING_DENIED, "deny_read": True}
DENIED = "Operation not permitted"


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    return Gates(tmp_path / "gates", tmp_path / "run")


@pytest.fixture(params=["qcow2", "raw"])
def gate(request: pytest.FixtureRequest, tmp_path: Path, gates: Gates) -> Gate:
    made = gate_of(tmp_path, kind=request.param)
    gates.add(made)
    return made


@pytest.fixture
def client(gates: Gates, gate: Gate) -> Iterator[Client]:
    with served(gates, gate):
        opened = Client(gate)
        yield opened
        opened.close()


def test_writes_fail_at_once_while_reads_go_on(client: Client, gates: Gates, gate: Gate) -> None:
    """On the connection that is open: every kind of write is refused, reads are served, and
    afterwards all is as before."""
    place = gates.place(gate)
    assert "wrote 65536/65536" in client.do("write -P 7 0 64k")
    deny(place, NO_WRITES)
    for change in ("write 0 4k", "write -z 0 4k", "write 1M 4k"):
        assert DENIED in client.do(change), change
    assert "read 65536/65536" in client.do("read -P 7 0 64k")
    deny(place, NOTHING_DENIED)
    assert "wrote 4096/4096" in client.do("write -P 9 0 4k")
    assert "read 4096/4096" in client.do("read -P 9 0 4k")


def test_reads_fail_at_once_while_writes_go_on(client: Client, gates: Gates, gate: Gate) -> None:
    """On the connection that is open: reads are refused, writes are taken, and afterwards what
    was written can be read."""
    place = gates.place(gate)
    assert "wrote 65536/65536" in client.do("write -P 7 0 64k")
    deny(place, NO_READS)
    assert DENIED in client.do("read 0 4k")
    assert "wrote 4096/4096" in client.do("write -P 8 0 4k")
    deny(place, NOTHING_DENIED)
    assert "read 4096/4096" in client.do("read -P 8 0 4k")


def test_a_whole_disk_fits_and_the_image_stays_sound(
    client: Client, gates: Gates, gate: Gate
) -> None:
    """An image that begins small takes all that its disk holds; denied writes leave no damage."""
    for start in range(0, SIZE, 2**20):
        assert "wrote 1048576/1048576" in client.do(f"write -P 5 {start} 1M")
        deny(gates.place(gate), NO_WRITES)
        assert DENIED in client.do(f"write -P 6 {start} 1M")
        deny(gates.place(gate), NOTHING_DENIED)
    assert f"read {SIZE}/{SIZE}" in client.do(f"read -P 5 0 {SIZE}")
    client.close()
    if gate.format == "qcow2":
        check = ["qemu-img", "check", "-U", "--output=json", gate.disk]
        found = json.loads(subprocess.run(check, check=True, capture_output=True).stdout)
        assert "corruptions" not in found
        assert found["allocated-clusters"] == SIZE // 65536


def test_a_server_that_is_killed_denies_when_it_is_back(gates: Gates, gate: Gate) -> None:
    """A client that waits for the server's return goes on, and what was denied still is."""
    with served(gates, gate) as first:
        client = Client(gate)
        assert "wrote" in client.do("write -P 7 0 64k")
        deny(gates.place(gate), NO_WRITES)
        first.kill()
        first.wait()
    assert not serving(gates.place(gate))
    with served(gates, gate):
        assert "read 4096/4096" in client.do("read -P 7 0 4k")
        assert DENIED in client.do("write 0 4k")
        client.close()


def test_the_socket_is_the_guests_alone(gates: Gates, gate: Gate) -> None:
    """Only its owner may connect, nobody may put another in its place, and while the guest has
    it nobody else gets in."""
    with served(gates, gate):
        about = Path(gate.socket).stat()
        assert stat.S_ISSOCK(about.st_mode)
        assert stat.S_IMODE(about.st_mode) == 0o600
        assert (about.st_uid, about.st_gid) == (gate.user, gate.group)
        assert stat.S_IMODE(Path(gate.socket).parent.stat().st_mode) == 0o710
        client = Client(gate)
        assert "wrote" in client.do("write 0 4k")
        with socket.socket(socket.AF_UNIX) as second:
            second.connect(gate.socket)
            second.settimeout(60)
            assert second.recv(1) == b""
        client.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_another_guests_emulator_does_not_get_in(gates: Gates, gate: Gate) -> None:
    """A process of another user and group cannot even see the socket."""
    for path in (Path(gate.socket).parents[2], *Path(gate.socket).parents[2].parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    with served(gates, gate):
        done = subprocess.run(
            ["stat", gate.socket], user=65534, group=65534, extra_groups=[], check=False
        )
        assert done.returncode != 0


@pytest.mark.parametrize("gate", ["qcow2"], indirect=True)
def test_an_image_that_is_in_use_is_not_served(gates: Gates, gate: Gate, tmp_path: Path) -> None:
    """What a QEMU writes to is not served, and no QEMU writes to what is served."""
    with subprocess.Popen(["qemu-io", "-f", gate.format, gate.disk], stdin=subprocess.PIPE) as held:
        probe = ["qemu-io", "-f", gate.format, "-c", "read 0 512", gate.disk]

        def locked() -> bool:
            done = subprocess.run(probe, capture_output=True, text=True, check=False)
            return "lock" in done.stderr + done.stdout

        def opened() -> bool:
            links = Path(f"/proc/{held.pid}/fd").iterdir()
            return any(os.path.realpath(each) == os.path.realpath(gate.disk) for each in links)

        # asked before, the question itself would hold the lock that qemu-io wants
        wait_until(opened, "qemu-io has it open", seconds=60)
        wait_until(locked, "and holds it", seconds=60)
        keeper = Keeper(gates, tmp_path / "no-systemd")
        keeper.keep()
        wait_until(lambda: "another QEMU" in keeper.told(gate), "it is refused", seconds=90)
        assert not serving(gates.place(gate))
        held.communicate(b"quit\n")
    with served(gates, gate):
        assert locked()


def test_an_image_on_another_is_not_served(gates: Gates, tmp_path: Path) -> None:
    """A qcow2 image with a backing file is refused: the other file would be open to the guest."""
    base = gate_of(tmp_path, kind="raw")
    top = tmp_path / "top.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base.disk, "-F", "raw", str(top)]
    subprocess.run(create, check=True)
    gate = replace(base, disk=str(top), format="qcow2")
    gates.add(gate)
    keeper = Keeper(gates, tmp_path / "no-systemd")
    keeper.keep()
    wait_until(lambda: "backing file" in keeper.told(gate), "it is refused", seconds=90)


def test_the_keeper_starts_what_ended_and_nothing_twice(
    gates: Gates, gate: Gate, tmp_path: Path
) -> None:
    """A server that outlived its trustd is left alone by the next one; one that was killed is
    started again; one that is retired ends."""
    first = Keeper(gates, tmp_path / "no-systemd")
    first.keep()
    assert first.wait(gate, within=90)
    first.keep()  # sees that it serves
    process = serving(gates.place(gate))
    second = Keeper(gates, tmp_path / "no-systemd")
    second.keep()
    assert serving(gates.place(gate)) == process
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not serving(gates.place(gate)), "it is gone", seconds=60)
    first.keep()
    assert first.wait(gate, within=90)
    place, again = gates.place(gate), serving(gates.place(gate))
    assert again not in {0, process}
    second.retire(gate)
    assert not place.exists()
    first.keep()  # reaps, and starts nothing
    assert not gates.known


def test_a_gate_that_is_being_retired_keeps_no_tick_waiting(
    gates: Gates, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a server takes its time to end, looking after the gates comes back at once."""
    keeper = Keeper(gates, tmp_path / "no-systemd")
    keeper.keep()
    assert keeper.wait(gate, within=90)
    ending, end = threading.Event(), threading.Event()
    begin_end = keeping._end

    def slowly(place: Path) -> None:
        ending.set()
        assert end.wait(120)
        begin_end(place)

    monkeypatch.setattr(keeping, "_end", slowly)
    retiring = threading.Thread(target=keeper.retire, args=(gate,))
    retiring.start()
    assert ending.wait(60)
    looking = threading.Thread(target=keeper.keep)
    looking.start()
    looking.join(30)
    waits = looking.is_alive()
    end.set()
    retiring.join(60)
    looking.join(60)
    assert not waits
    assert not gates.known


def test_a_server_outlives_whoever_started_it(gates: Gates, gate: Gate, tmp_path: Path) -> None:
    """A kill -9 of the process that started the server cuts nobody's disk."""
    code = f"""
import time
from pathlib import Path
from trustd.gate import Gates, Keeper
Keeper(Gates(Path({str(tmp_path / "gates")!r})), Path({str(tmp_path / "none")!r})).keep()
time.sleep(600)
"""
    place = gates.place(gate)
    with subprocess.Popen([sys.executable, "-c", code]) as starter:
        wait_until(lambda: serving(place) > 0, "it serves", seconds=90)
        client = Client(gate)
        assert "wrote" in client.do("write 0 4k")
        starter.kill()
    assert "wrote" in client.do("write 4k 4k")
    assert "read" in client.do("read 0 4k")
    client.close()
    Keeper(gates, tmp_path / "none").retire(gate)


def test_where_systemd_runs_the_keeper_starts_nothing(
    gates: Gates, gate: Gate, tmp_path: Path
) -> None:
    """There the unit serves the gate, outside trustd's control group."""
    Keeper(gates, tmp_path).keep()
    assert [each.name for each in gates.place(gate).iterdir()] == ["gate.json"]


@pytest.mark.parametrize("cluster", ["4096", "65536", "2M"])
@pytest.mark.parametrize("size", ["1M", "777M", "20G", "3T"])
def test_there_is_room_for_all_that_qemu_may_need(cluster: str, size: str, tmp_path: Path) -> None:
    """The room that is made is more than what QEMU reckons for an image that is full."""
    image = tmp_path / "image.qcow2"
    options = ["-o", f"cluster_size={cluster}"]
    create = ["qemu-img", "create", "-q", "-f", "qcow2", *options, str(image), size]
    subprocess.run(create, check=True)
    measure = ["qemu-img", "measure", "-O", "qcow2", *options, "--size", size, "--output=json"]
    full = json.loads(subprocess.run(measure, check=True, capture_output=True).stdout)
    with image.open("rb") as file:
        room = Qcow2.of(file.read(104)).room
    assert room > 1.9 * full["fully-allocated"]


@pytest.mark.parametrize("head", [b"", b"QFI\xfb" + b"\xff" * 100, b"\0" * 104])
def test_what_is_no_image_is_refused(head: bytes) -> None:
    """A head that makes no sense is an error, whatever numbers stand in it."""
    with pytest.raises(ValueError, match="qcow2"):
        Qcow2.of(head)
