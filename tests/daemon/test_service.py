"""The daemon as a process: signals, the service manager, a second one, its end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.daemon.running import STOP_SECONDS
from tests.lab.waiting import wait_until
from tests.pipeline.scripted import CALM
from trustd.daemon import systemd
from trustd.daemon.systemd import Notifier

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOWHERE = "qemu+unix:///system?socket=/nonexistent/trustd-test"


class Running:
    """A daemon in a process of its own, and what it tells the service manager."""

    def __init__(self, directory, **settings):
        self.directory = directory
        self.policy = directory / "policy.yaml"
        self.policy.write_text(CALM)
        self.settings = {
            "interval": "500ms",
            "hypervisor": {"uri": NOWHERE, "deadline": "200ms"},
            "state": str(directory / "state"),
            "policy": str(self.policy),
            "socket": str(directory / "run" / "trustd.sock"),
            "listen": {"enabled": False},
            "collectors": {"disabled": ["emulator", "host"]},
            "log": {"format": "json"},
        } | settings
        self.configuration = directory / "trustd.yaml"
        self.log = directory / "log"
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(directory / "notify"))
        self.messages = []
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        self.process = None

    def start(self, kind=""):
        self.configuration.write_text(json.dumps(self.settings))
        command = (
            ["-m", "tests.daemon.running", kind, str(self.configuration)]
            if kind
            else ["-m", "trustd", "run", "--config", str(self.configuration)]
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(self.directory / "notify")},
            )
        self.hear("READY=1")
        return self

    def hear(self, text, seconds=90):
        """Wait until a message of the daemon holds a text."""
        wait_until(lambda: any(text in each for each in list(self.messages)), text, seconds=seconds)

    def forget(self):
        self.messages.clear()

    def get(self, path):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(60)
        connection.sock.connect(self.settings["socket"])
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM, seconds=90):
        """Signal it and wait; its code and how long it took."""
        began = time.monotonic()
        self.send(number)
        return self.process.wait(seconds), time.monotonic() - began

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.directory / "notify"))
        self._listener.join()
        self.notified.close()

    def _listen(self):
        while message := self.notified.recv(4096):
            self.messages.append(message.decode())


@pytest.fixture
def new(tmp_path):
    made = []

    def make(**settings):
        directory = tmp_path / f"daemon-{len(made)}"
        directory.mkdir()
        made.append(Running(directory, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_it_tells_the_service_manager(new):
    """Ready once it serves, a status and the watchdog's food with every tick, stopping at the end;
    SIGTERM ends it with 0, also while libvirt cannot be reached."""
    daemon = new().start()
    daemon.hear("WATCHDOG=1")
    daemon.hear("0 guests, 0 stale, enforce, hypervisor unreachable")
    code, seconds = daemon.end()
    daemon.hear("STOPPING=1")
    assert (code, seconds < 30) == (0, True)


def test_reload_is_told_from_beginning_to_end(new):
    """SIGHUP is answered by RELOADING with its time and by READY, for a good and a bad policy."""
    daemon = new().start()
    for text, error in (
        (CALM.replace("name: lab", "name: other"), ""),
        ("nonsense: 1", "nonsense"),
    ):
        daemon.forget()
        daemon.policy.write_text(text)
        daemon.send(signal.SIGHUP)
        daemon.hear("RELOADING=1\nMONOTONIC_USEC=")
        daemon.hear("READY=1\nSTATUS=reloaded")
        wait_until(lambda error=error: in_force(daemon, "other", error), "shown", seconds=90)
    assert daemon.end()[0] == 0


def in_force(daemon, name, error):
    policy = daemon.get("/v1/status")["policy"]
    return policy["name"] == name and error in policy["error"]


def test_manager_that_does_not_listen_holds_up_no_tick(new, monkeypatch):
    """A service manager that takes no messages any more costs no tick and no end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        daemon = new()
        deaf.bind(str(daemon.directory / "deaf"))
        notifier = Notifier({"NOTIFY_SOCKET": str(daemon.directory / "deaf")})
        monkeypatch.setattr(systemd, "PATIENCE", 0.001)
        for _ in range(2000):
            notifier.status("x" * 100)
        assert len(deaf.recv(4096)) > 100


def test_storm_of_reloads_ends_with_the_last_policy(new):
    """Of two hundred SIGHUPs with a policy that changes all the time, the last one counts."""
    daemon = new().start()
    for number in range(200):
        draft = daemon.policy.with_suffix(".new")
        draft.write_text(CALM.replace("name: lab", f"name: lab-{number}"))
        draft.rename(daemon.policy)
        daemon.send(signal.SIGHUP)
    wait_until(
        lambda: daemon.get("/v1/status")["policy"]["name"] == "lab-199",
        "the last policy is in force",
        seconds=90,
    )
    assert daemon.end()[0] == 0


def test_slow_hypervisor_costs_ticks_that_are_counted(new):
    """A tick that takes longer than the interval costs the next ones, which are counted; SIGTERM
    during such a tick waits for it and ends with 0."""
    daemon = new().start("slow")
    daemon.hear("1 guests")
    wait_until(lambda: daemon.get("/v1/status")["overruns"] >= 2, "overruns", seconds=90)
    code, seconds = daemon.end()
    assert (code, seconds < 30) == (0, True)


def test_watchdog_is_fed_by_ticks_only(new):
    """While the line hangs the watchdog gets nothing, although the sockets answer; the end does not
    wait for what never comes back."""
    daemon = new().start("hanging")
    daemon.hear("WATCHDOG=1")
    daemon.forget()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert daemon.get("/livez")
        assert not any("WATCHDOG=1" in each for each in list(daemon.messages))
        time.sleep(0.1)
    code, seconds = daemon.end()
    assert code == os.EX_SOFTWARE
    assert seconds < STOP_SECONDS + 30
    assert any(each["event"].startswith("ended by force") for each in daemon.lines())


def test_daemon_whose_ticks_fail_ends(new):
    """When one tick after the other fails the daemon ends by itself with an error, so that its
    supervisor starts it anew."""
    daemon = new().start("failing")
    assert daemon.process.wait(90) == 1
    assert "ticks in a row failed" in daemon.log.read_text()
    assert "a mistake of ours" in daemon.log.read_text()


def test_second_daemon_on_one_repository_is_refused(new):
    """A second daemon on the same state ends with 1 and says which process holds it; the first one
    goes on."""
    daemon = new().start()
    second = new(state=daemon.settings["state"])
    second.configuration.write_text(json.dumps(second.settings))
    done = run_once(second)
    assert done.returncode == 1
    assert f"another trustd (process {daemon.process.pid})" in done.stderr
    assert "Traceback" not in done.stderr
    daemon.forget()
    daemon.hear("WATCHDOG=1")
    assert daemon.end()[0] == 0


def test_second_daemon_on_one_socket_is_refused(new):
    """A second daemon with a state of its own and the same socket ends with 1 and says why; the
    first one is still asked."""
    daemon = new().start()
    second = new(socket=daemon.settings["socket"])
    second.configuration.write_text(json.dumps(second.settings))
    done = run_once(second)
    assert done.returncode == 1
    assert "another process listens there already" in done.stderr
    assert "Traceback" not in done.stderr
    assert daemon.get("/livez")
    assert daemon.end()[0] == 0


def test_killed_daemon_can_be_started_again(new):
    """After SIGKILL neither the lock nor the socket stand in the way of the next start."""
    daemon = new().start()
    assert daemon.end(signal.SIGKILL)[0] == -signal.SIGKILL
    daemon.forget()
    daemon.start()
    assert daemon.end()[0] == 0


def run_once(daemon):
    return subprocess.run(
        [sys.executable, "-m", "trustd", "run", "--config", str(daemon.configuration)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": os.environ["PATH"]},
    )
