"""Recording a real hypervisor, and playing the recording through the line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.e2e.line import TOO_MUCH
from tests.lab.daemon import DIRECTORY, Daemon
from tests.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def trustctl(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "trustd.ctl", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def recording(host, trio, policy, tmp_path):
    """Half a minute in which web-1 rewrites its disk."""
    web = trio[0]
    daemon = Daemon(host, policy)
    daemon.configuration.write_text(json.dumps(daemon.settings), "utf-8")
    file = f"{DIRECTORY}/{tmp_path.name}.jsonl"
    path = host.path(file)
    process = host.popen(*daemon.command("record", file))
    try:
        readings = lambda: path.read_text("utf-8").count('"reading"')  # noqa: E731
        wait_until(
            lambda: path.exists() and readings() > 12, "a calm time is recorded", seconds=120
        )
        web.write(TOO_MUCH)
        calm = readings()
        wait_until(lambda: readings() > calm + 8, "the attack is recorded", seconds=120)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(60)
    return path


def test_replay_shows_what_would_have_happened(recording, policy, tmp_path):
    """A recording plays through a policy with no daemon: the guest that misbehaved falls, the
    others do not, and the same recording gives the same answer twice."""
    (tmp_path / "policy.yaml").write_text(policy)
    arguments = ("replay", str(recording), "--policy", str(tmp_path / "policy.yaml"), "-o", "json")
    first, second = trustctl(*arguments), trustctl(*arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    shown = json.loads(first.stdout)
    assert shown["guests"] == 3
    assert {each["name"] for each in shown["transitions"]} == {"web-1"}
    fall = shown["transitions"][0]
    assert fall["from"] == "trusted"
    assert "disk-throttle" in fall["would"]
    assert "disk.write.bytes" in fall["because"][0]


def test_damaged_recording_is_played_to_the_damage(recording, policy, tmp_path):
    """What stands before a damaged line is shown, and the damage is an error with its line."""
    (tmp_path / "policy.yaml").write_text(policy)
    lines = recording.read_bytes().splitlines(keepends=True)
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"".join([*lines[:-1], lines[-1][:20]]))
    done = trustctl("replay", str(broken), "--policy", str(tmp_path / "policy.yaml"), "-o", "json")
    assert done.returncode == 1
    assert f"{broken}:{len(lines)}" in done.stderr
    assert json.loads(done.stdout)["ticks"] > 10
