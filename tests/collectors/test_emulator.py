"""What the emulator probe says of a process that does what no emulator does."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.emulator import Emulator, foreign, judge, named_ports, unexplained
from collectors.listening import Listener
from collectors.qemu_process import Emulators, OpenFile, Sight
from trustd.errors import NoData
from trustd.model import Disk, Finding, Guest, GuestId, GuestState, Nic, Severity

UUID = "4c7c1e6a-0f4e-4d8e-9f6f-0d1f6e1b7a10"
GUEST = Guest(GuestId(UUID), "<b>../../etc/passwd</b>", GuestState.RUNNING)
OBEY = "import sys\nfor line in sys.stdin:\n    exec(line)\n    print('done', flush=True)"


class Impostor:
    """A real process whose executable is named like a QEMU, and which does as it is told."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.executable = directory / "qemu-system-x86_64"
        if not self.executable.exists():
            shutil.copy(Path(sys.executable).resolve(), self.executable)
        self.process = subprocess.Popen(
            [self.executable, "-c", OBEY, "-uuid", UUID.upper(), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={"PYTHONHOME": sys.base_prefix},
        )
        self.do("pass")

    def do(self, line: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def become(self, program: str, *arguments: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"import os; os.execv({program!r}, {[program, *arguments]!r})\n")
        self.process.stdin.flush()
        link = Path(f"/proc/{self.process.pid}/exe")
        deadline = time.monotonic() + 60
        while link.readlink() == self.executable:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


Start = Callable[..., Impostor]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    impostors: list[Impostor] = []

    def started(*arguments: str) -> Impostor:
        impostors.append(Impostor(tmp_path, *arguments))
        return impostors[-1]

    yield started
    for impostor in impostors:
        impostor.end()


@pytest.fixture
def emulator(tmp_path: Path) -> Emulator:
    return Emulator(Emulators(pids=tmp_path / "nowhere", rescan=0.0))


def findings(emulator: Emulator) -> dict[str, Finding]:
    return {found.kind: found for found in emulator.probe(GUEST, at=1000.0).findings}


def test_an_emulator_that_behaves_is_no_finding(emulator: Emulator, start: Start) -> None:
    """A process that only runs, with the port that its command line names, gives nothing."""
    impostor = start("-vnc", "127.0.0.1:31")
    impostor.do("import socket; s = socket.create_server(('127.0.0.1', 5931))")
    assert findings(emulator) == {}


def test_a_child_process_is_critical(emulator: Emulator, start: Start) -> None:
    """A process that the emulator started is reported while it is there, and not after."""
    impostor = start()
    impostor.do("import subprocess; child = subprocess.Popen(['sleep', '600'])")
    (found,) = findings(emulator).values()
    assert (found.kind, found.severity) == ("emulator-child", Severity.CRITICAL)
    assert Path(str(found.facts["executable"])).name in {"sleep", "busybox", "coreutils"}
    impostor.do("child.kill(); child.wait()")
    assert findings(emulator) == {}


def test_a_child_of_a_thread_is_seen_too(emulator: Emulator, start: Start) -> None:
    """A process that was started from another thread than the first is reported."""
    impostor = start()
    impostor.do(
        "import subprocess, threading; go = threading.Event(); "
        "t = threading.Thread(target=lambda: (subprocess.Popen(['sleep', '600']), go.wait())); "
        "t.start()"
    )
    deadline = time.monotonic() + 60
    while "emulator-child" not in findings(emulator):
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("open_it", "protocol"),
    [
        ("s.bind(('127.0.0.1', 0)); s.listen()", "tcp"),
        ("s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))", "udp"),
    ],
)
def test_a_port_that_nobody_asked_for_is_critical(
    emulator: Emulator, start: Start, open_it: str, protocol: str
) -> None:
    """A socket that waits for what comes, on a port not in the command line, is reported."""
    impostor = start("-vnc", "127.0.0.1:31")
    impostor.do(f"import socket; s = socket.socket(); {open_it}")
    (found,) = findings(emulator).values()
    assert (found.kind, found.severity) == ("emulator-listener", Severity.CRITICAL)
    assert found.facts["protocol"] == protocol


def test_a_socket_to_somewhere_is_no_listener(emulator: Emulator, start: Start) -> None:
    """Connected sockets, as network disks have them, are not reported."""
    impostor = start()
    impostor.do("import socket; u = socket.socket(type=socket.SOCK_DGRAM)")
    impostor.do("u.connect(('127.0.0.1', 9))")
    assert findings(emulator) == {}


def test_memory_of_a_process_in_hand_is_critical(emulator: Emulator, start: Start) -> None:
    """A descriptor of a process's memory is reported."""
    start().do("f = open('/proc/self/mem', 'rb')")
    assert findings(emulator)["emulator-file"].severity is Severity.CRITICAL


def test_another_program_in_the_emulators_place_is_critical(
    emulator: Emulator, start: Start
) -> None:
    """An emulator that becomes another program stays known, and is reported."""
    impostor = start()
    assert findings(emulator) == {}
    impostor.become("/bin/sleep", "600")
    found = findings(emulator)["emulator-executable"]
    assert found.severity is Severity.CRITICAL
    assert found.facts["before"] == str(impostor.executable)


def test_an_upgrade_of_the_package_is_minor(emulator: Emulator, start: Start) -> None:
    """An executable that was replaced on disk is reported as old, not as an escape."""
    impostor = start()
    impostor.executable.unlink()
    (found,) = findings(emulator).values()
    assert (found.kind, found.severity) == ("emulator-outdated", Severity.MINOR)


def test_of_two_that_claim_a_guest_neither_is_believed(emulator: Emulator, start: Start) -> None:
    """Any user can start a process that names a guest; it gets no say about it."""
    start()
    start()
    with pytest.raises(NoData, match=UUID):
        emulator.probe(GUEST, at=1000.0)


def test_the_one_of_libvirts_list_is_believed(start: Start, tmp_path: Path) -> None:
    """Of two claims the one that libvirt's pid file names is the guest's."""
    mine, other = start(), start()
    pids = tmp_path / "pids"
    pids.mkdir()
    (pids / "..%2f$(reboot).pid").write_text(f"{mine.process.pid}\n")
    (pids / "garbage.pid").write_text("no number")
    (pids / "gone.pid").write_text("4194000")
    found = Emulators(pids=pids).find(GUEST.id, at=1000.0)
    assert found.pid == mine.process.pid != other.process.pid


def test_what_was_seen_of_a_process_goes_with_it(emulator: Emulator, start: Start) -> None:
    """Of guests that are not asked for any more nothing stays longer than an hour; one that lives
    is compared with its first sight, however long nobody looked."""
    impostor = start()
    assert findings(emulator) == {}
    impostor.become("/bin/sleep", "600")
    (found,) = emulator.probe(GUEST, at=9000.0).findings
    assert found.kind == "emulator-executable"
    os.killpg(impostor.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, impostor.process.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(NoData):
        emulator.probe(replace(GUEST, id=GuestId("another")), at=18000.0)
    assert not emulator._first


def test_a_guest_that_ended_has_no_data(emulator: Emulator, start: Start) -> None:
    """After the end of the process, or a zombie's, there is nothing to see."""
    impostor = start()
    assert findings(emulator) == {}
    os.killpg(impostor.process.pid, signal.SIGKILL)
    with pytest.raises(NoData):  # not reaped yet
        emulator.probe(GUEST, at=1000.0)
    start()
    assert findings(emulator) == {}


SIGHT = Sight(1, 0.0, "/usr/bin/qemu-system-x86_64", (1, 2), False, (), (), (), ())


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [
        (["-vnc", "none"], set()),
        (["-vnc", "unix:/run/vnc:5"], set()),
        (["-vnc", "0.0.0.0:7,websocket=on"], {5907, 5707}),
        (["-vnc", "[::1]:2,to=9"], {5902}),
        (["-spice", "port=5930,tls-port=5931,addr=127.0.0.1"], {5930, 5931}),
        (["-chardev", "udp,id=u,host=a,port=1,localaddr=b,localport=7777"], {1, 7777}),
        (["-netdev", '{"type":"socket","listen":"127.0.0.1:8010","id":"n"}'], {8010}),
        (["-netdev", "socket,id=n,mcast=230.0.0.1:5558"], {5558}),
        (["-netdev", '{"type":"tap","fd":"32","id":"hostnet0"}'], set()),
        (["-netdev", '{"type":"stream","addr":{"type":"inet","port":"999"}}'], {999}),
        (["-gdb", "tcp::1235"], {1235}),
        (["-s"], {1234}),
        (["-incoming", "tcp:[::]:49160"], {49160}),
        (["-incoming", "defer"], set()),
        (["-name", "guest=x,port=4444", "-append", "port=4444 tcp:0:4444"], set()),
        (["-vnc"], set()),
    ],
)
def test_ports_that_a_command_line_names(arguments: list[str], ports: set[int]) -> None:
    """Only the options that open ports explain them; a name or a kernel's options do not."""
    assert named_ports(arguments) == ports


def test_a_guest_on_its_way_in_may_listen_for_itself() -> None:
    """libvirt's migration ports are explained until the guest runs, and then no more."""
    arriving = ("-incoming", "defer")
    listeners = [Listener("tcp", "::", 49152), Listener("tcp", "::", 4444)]
    paused = replace(GUEST, state=GuestState.PAUSED)
    assert [found.port for found in unexplained(paused, arriving, listeners)] == [4444]
    assert [found.port for found in unexplained(GUEST, arriving, listeners)] == [49152, 4444]
    assert [found.port for found in unexplained(paused, (), listeners)] == [49152, 4444]


def test_a_network_inside_qemu_opens_udp_ports() -> None:
    """UDP is not judged where a NIC has no device on the host; TCP still is."""
    listeners = [Listener("udp", "::", 5353), Listener("tcp", "::", 5353)]
    inside = replace(GUEST, nics=(Nic("52:54:00:00:00:01", "user"),))
    outside = replace(GUEST, nics=(Nic("52:54:00:00:00:01", "default", tap="vnet0"),))
    assert [found.protocol for found in unexplained(inside, (), listeners)] == ["tcp"]
    assert [found.protocol for found in unexplained(outside, (), listeners)] == ["udp", "tcp"]


@pytest.mark.parametrize(
    ("path", "writable", "is_foreign"),
    [
        ("/etc/shadow", False, True),
        ("/etc/ssh/ssh_host_rsa_key", False, True),
        ("/proc/1/mem", False, True),
        ("/root/.ssh/authorized_keys", True, True),
        ("/usr/bin/qemu-img", True, True),
        ("/etc/cron.d/x", True, True),
        ("/usr/share/OVMF/OVMF_CODE.fd", False, False),
        ("/etc/ceph/ceph.conf", False, False),
        ("/usr/local/images/own.qcow2", True, False),
        ("/lib/named-by-the-command-line.raw", True, False),
        ("/var/lib/libvirt/images/a.qcow2", True, False),
        ("/dev/kvm", True, False),
        ("/dev/net/tun", True, False),
        ("/dev/vfio/12", True, False),
        ("/run/libvirt/qemu/a.pid", True, False),
    ],
)
def test_files_that_are_nobody_elses_business(
    path: str,
    writable: bool,
    is_foreign: bool,
) -> None:
    """Secrets, and writing to the system, are foreign; what a guest is defined with is not."""
    guest = replace(GUEST, disks=(Disk("vda", "/usr/local/images/own.qcow2"),))
    arguments = ("-blockdev", '{"filename":"/lib/named-by-the-command-line.raw"}')
    found = list(foreign(guest, arguments, [OpenFile(path, writable)]))
    assert bool(found) is is_foreign


def test_a_rewritten_command_line_explains_nothing() -> None:
    """What counts is the command line at first sight: a process can rewrite its own later."""
    later = replace(SIGHT, arguments=("-vnc", ":1"), listeners=(Listener("tcp", "::", 5901),))
    assert [found.kind for found in judge(GUEST, SIGHT, later, at=1.0)] == ["emulator-listener"]
