"""The service as systemd runs it: what it is given, how it fails, and how it comes back."""

from __future__ import annotations

import stat
import time

import pytest

from tests.lab.waiting import wait_until
from tests.service.host import (
    ANSWERED,
    POLICY,
    SETTINGS,
    SOCKET,
    UNIT,
    drop_in,
    entries,
    main_pid,
    trustctl,
    wait_ready,
    wait_status,
)
from trustd.daemon.message_ids import MESSAGE_IDS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

HANG = "/etc/trustd/hang"
HANGING = f"""
import os, time

class Hanging:
    name, kinds = "hanging", frozenset()

    def notice(self, events, guests):
        while os.path.exists("{HANG}"):
            time.sleep(0.1)
        return ()
"""
"""A collector from elsewhere that the line waits for as long as a file is there."""


def as_somebody(host, group, *words):
    """Run a command as the user of nobody's, in a further group."""
    who = ["setpriv", "--reuid=65534", "--regid=65534", f"--groups={group}"]
    return host.run(*who, *words, check=False)


def test_installed_is_observing(running):
    """Once installed the service runs, is enabled, observes, and its status line says so."""
    for unit in (UNIT, "trustd.socket"):
        assert running.property(unit, "ActiveState") == "active"
        assert running.systemctl("is-enabled", unit).stdout == "enabled\n"
    assert running.property(UNIT, "User") == "trustd"
    assert trustctl(running, "status")["mode"] == "observe"
    wait_status(running, r"^\d+ guests, 0 stale, observe$")
    assert running.failed() == []


def test_nobody_else_gets_in(running):
    """Its state is its own, its socket its group's: members may read, and others nothing."""
    modes = {
        "/var/lib/trustd": 0o700,
        "/var/lib/trustd/trustd.db": 0o600,
        "/run/trustd": 0o750,
        SOCKET: 0o660,
    }
    found = {path: stat.S_IMODE(running.path(path).stat().st_mode) for path in modes}
    assert found == modes
    assert as_somebody(running, "65534", "trustctl", "status").returncode == 69
    assert as_somebody(running, "trustd", "trustctl", "status").returncode in ANSWERED
    words = ("trustctl", "pause", "--for", "1m", "--reason", "lab")
    refused = as_somebody(running, "trustd", *words)
    assert refused.returncode == 1
    assert "administration.group" in refused.stderr
    assert trustctl(running, "status")["orders"]["pause"] is None


def test_reload_is_checked_first(running):
    """A policy with a mistake fails the reload and the old one stays; mended, it is taken over."""
    policy = running.path(POLICY)
    before, text = trustctl(running, "status")["policy"], policy.read_text("utf-8")
    try:
        policy.write_text(text.replace("leave: 0.65", "leave: 0.85"), "utf-8")
        failed = running.systemctl("reload", UNIT, check=False)
        assert failed.returncode == 1
        assert running.property(UNIT, "ActiveState") == "active"
        assert trustctl(running, "status")["policy"] == before
        assert "default.yaml" in running.journal("--unit", UNIT, "--lines", "20")
        policy.write_text(text.replace("dwell: {up: 5m}", "dwell: {up: 6m}"), "utf-8")
        running.systemctl("reload", UNIT)
        wait_until(
            lambda: trustctl(running, "status")["policy"]["id"] != before["id"],
            "the policy is taken over",
            seconds=60,
        )
    finally:
        policy.write_text(text, "utf-8")
        running.systemctl("reload", UNIT)
        wait_until(
            lambda: trustctl(running, "status")["policy"]["id"] == before["id"],
            "the policy is as it was",
            seconds=60,
        )


def test_mistake_in_the_settings_is_tried_once(running):
    """With wrong settings it ends with 78, says where, and is not tried again and again."""
    settings = running.path(SETTINGS)
    text = settings.read_text("utf-8")
    try:
        settings.write_text(f"{text}\nintervall: 1s\n", "utf-8")
        assert running.systemctl("restart", UNIT, check=False).returncode == 1
        assert running.property(UNIT, "ExecMainStatus") == "78"
        assert running.property(UNIT, "ActiveState") == "failed"
        assert running.property(UNIT, "NRestarts") == "0"
        told = running.journal("--unit", UNIT, "--lines", "20")
        assert "trustd.yaml:4:1" in told
        assert 'did you mean "interval"' in told
    finally:
        settings.write_text(text, "utf-8")


def test_killed_it_comes_back_and_nobody_is_refused(running):
    """After kill -9 it is started again; who asks meanwhile waits at the socket for an answer."""
    before = main_pid(running)
    with drop_in(running, "RestartSec=1"):
        running.run("kill", "-KILL", str(before))
        wait_until(lambda: main_pid(running) != before, "it has gone", seconds=60)
        asked = running.run("trustctl", "status", check=False)
        # before the first tick it says 1; with 69 it may say that a busy host is slow to begin
        # anew, and not that nobody is there
        assert asked.returncode in {1, *ANSWERED} or "does not answer" in asked.stderr
        wait_until(lambda: main_pid(running) not in {0, before}, "another runs", seconds=60)
        wait_status(running, "observe")
    assert int(running.property(UNIT, "NRestarts")) >= 1


def test_watchdog_ends_a_daemon_that_does_not_decide(running):
    """Where no tick comes to its end any more, systemd kills the daemon and starts another."""
    site = running.path("/usr/lib/trustd/lib/python3.11/site-packages")
    about = site / "hanging-1.dist-info"
    about.mkdir()
    (site / "hanging.py").write_text(HANGING, "utf-8")
    (about / "METADATA").write_text("Name: hanging\nVersion: 1\n", "utf-8")
    (about / "entry_points.txt").write_text(
        "[trustd.collectors]\nhanging = hanging:Hanging\n", "utf-8"
    )
    try:
        with drop_in(running, "WatchdogSec=8\nRestartSec=1\nTimeoutAbortSec=5"):
            running.systemctl("restart", UNIT)
            wait_status(running, "observe")
            before, since = main_pid(running), time.time()
            running.path(HANG).touch()
            # the loop that answers is not the one that decides, and goes on
            assert trustctl(running, "status")["mode"] == "observe"
            wait_until(lambda: main_pid(running) not in {0, before}, "another runs", seconds=120)
            told = running.journal("--unit", UNIT, f"--since=@{int(since)}")
            assert "Watchdog timeout" in told
            running.path(HANG).unlink()
            wait_status(running, "observe")
    finally:
        running.path(HANG).unlink(missing_ok=True)
        (about / "entry_points.txt").unlink()
        running.systemctl("restart", UNIT)


def test_journal_has_fields_and_says_what_they_mean(running):
    """Entries have the numbers and fields to filter by, and journalctl -x explains them."""
    begun = entries(running, f"MESSAGE_ID={MESSAGE_IDS['listening']}")[-1]
    assert begun["TRUSTD_SOCKET"] == SOCKET
    assert begun["SYSLOG_IDENTIFIER"] == "trustd"
    assert begun["PRIORITY"] == "6"
    assert begun["_SYSTEMD_UNIT"] == UNIT
    told = running.journal("--catalog", f"MESSAGE_ID={MESSAGE_IDS['listening']}")
    assert "Subject: The trust daemon has begun" in told
    assert f"and {SOCKET} answers" in told


def test_nothing_is_lacking_in_the_sandbox(running):
    """In the sandbox of the unit every tick measures: no collector fails, no call is killed."""
    status = wait_ready(running)
    failing = {name: each for name, each in status["plugins"].items() if each["error"]}
    assert failing == {}
    about = running.path(f"/proc/{main_pid(running)}/status").read_text("utf-8")
    assert "Seccomp:\t2" in about
    assert "CapEff:\t0000000000000000" in about
