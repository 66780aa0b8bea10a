"""The daemon as a service: its start, its reload, its mistakes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pytest

from tests.lab.daemon import Daemon

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def trustd(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "trustd", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


@pytest.mark.parametrize("command", ["run", "check-config"])
def test_wrong_settings_end_with_78_and_every_place(tmp_path, command):
    """Settings that are wrong end the daemon with 78, and each mistake has file, line and key."""
    path = tmp_path / "trustd.yaml"
    path.write_text("interval: 5s\nhypervisr: {}\nlisten: {port: 70000}\n")
    done = trustd(command, "--config", str(path))
    assert done.returncode == 78
    assert f"{path}:2:1: hypervisr" in done.stderr
    assert 'did you mean "hypervisor"' in done.stderr
    assert f"{path}:3:16: listen.port" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_policy_ends_with_78_and_its_place(tmp_path, policy):
    """A policy with a feature that nothing measures ends the daemon with 78 and says where."""
    bad = tmp_path / "policy.yaml"
    bad.write_text(policy.replace("disk.write.bytes:", "disk.wrte.bytes:"))
    done = trustd("check-config", TRUSTD_POLICY=str(bad))
    assert done.returncode == 78
    line = next(
        number
        for number, text in enumerate(bad.read_text().splitlines(), 1)
        if "disk.wrte.bytes" in text
    )
    assert f"{bad}:{line}:" in done.stderr
    assert "disk.write.bytes" in done.stderr


def test_damaged_repository_is_told_and_kept(tmp_path, policy):
    """A repository that is no database ends the daemon with an error that names it."""
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "trustd.db").write_bytes(b"not a database" * 1000)
    done = trustd("run", TRUSTD_STATE=str(tmp_path), TRUSTD_POLICY=str(tmp_path / "policy.yaml"))
    assert done.returncode == 1
    assert str(tmp_path / "trustd.db") in done.stderr
    assert (tmp_path / "trustd.db").read_bytes() == b"not a database" * 1000


def test_check_config_prints_what_is_in_effect(tmp_path, policy):
    """check-config of sound settings prints them, the policy's id and the collectors."""
    (tmp_path / "policy.yaml").write_text(policy)
    done = trustd("check-config", TRUSTD_POLICY=str(tmp_path / "policy.yaml"), TRUSTD_INTERVAL="2s")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["interval"] == 2.0
    assert shown["in_effect"]["policy"]["name"] == "lab"
    assert "emulator" in shown["in_effect"]["collectors"]


def test_reload_takes_a_good_policy_and_refuses_a_bad_one(host, trio, policy):
    """SIGHUP takes over a policy; one with a mistake is refused, shown, and the last one holds."""
    with Daemon(host, policy) as daemon:
        first = daemon.get("/v1/status")["policy"]
        daemon.policy.write_text(policy.replace("name: lab", "name: other"))
        daemon.signal(signal.SIGHUP)
        daemon.wait(
            lambda: daemon.get("/v1/status")["policy"]["name"] == "other", "the policy is taken"
        )
        second = daemon.get("/v1/status")["policy"]
        assert second["id"] != first["id"]
        daemon.policy.write_text(policy.replace("mode: enforce", "mode: enforc"))
        daemon.signal(signal.SIGHUP)
        daemon.wait(
            lambda: "enforc" in daemon.get("/v1/status")["policy"]["error"], "the mistake is shown"
        )
        assert daemon.get("/v1/status")["policy"]["id"] == second["id"]
        assert b"trustd_policy_last_reload_successful 0" in daemon.get_bytes("/metrics")
        daemon.stop()


def test_metrics_are_what_prometheus_wants(host, trio, policy, tmp_path):
    """promtool finds nothing wrong with what a running daemon exposes."""
    with Daemon(host, policy) as daemon:
        for guest in trio:
            daemon.wait_guest(guest.name, lambda now: now["freshness"] == "fresh", "is measured")
        exposed = daemon.get_bytes("/metrics")
        daemon.stop()
    promtool = shutil.which("promtool")
    assert promtool, "install the Debian package prometheus"
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=exposed, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert exposed.count(b"trustd_guest_trust_ratio{") == 3
