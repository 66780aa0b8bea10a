"""Hooks, alerts and the runner: bounded, without a shell, and never a way in for a guest."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from tests.lab.waiting import wait_until
from trustd.enforce.errands import Alert, Evidence, Hook, Runner
from trustd.enforce.errands.alert import MESSAGE_ID
from trustd.enforce.errands.evidence import copy_sparse
from trustd.errors import EnforceError, Refused, TimedOut
from trustd.model import (
    Action,
    Assessment,
    EffectivePermissions,
    Freshness,
    Guest,
    GuestId,
    Mode,
    Opinion,
    Setting,
    Severity,
)

HOSTILE = 'web"; $(touch /tmp/owned) \x1b[2J\n'


def occasion(name: str = HOSTILE) -> Assessment:
    guest = Guest(GuestId("00000000-0000-4000-8000-000000000001"), name)
    return Assessment(
        guest=guest,
        tick=1,
        at=2.0,
        freshness=Freshness.FRESH,
        age=0.0,
        samples={},
        findings=(),
        opinion=Opinion(0.1, 0.6, 0.3, 0.5),
        trust=0.25,
        drivers=(),
        permissions=EffectivePermissions("isolated", (), ()),
        since=1.0,
        outcomes=(),
        mode=Mode.ENFORCE,
        policy="p",
    )


def errand(lever: str, device: str = "", setting: Setting | None = None) -> Action:
    return Action(occasion().id, lever, device, setting or {}, "isolated: entered")


def script(tmp_path: Path, text: str) -> Mapping[str, list[str]]:
    path = tmp_path / "hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return {"mine": [str(path), "an argument"]}


def test_a_hook_gets_the_assessment_on_its_input_and_nothing_of_the_guest_elsewhere(
    tmp_path: Path,
) -> None:
    """The command is the settings' own; a hostile name is a value of a JSON document."""
    out = tmp_path / "out"
    text = f'cat >{out}; printf "%s\\n" "$#" "$1" >{out}.args; env >{out}.env'
    assert Hook(script(tmp_path, text)).do(errand("hook", "mine"), occasion()) == {}
    told = orjson.loads(out.read_bytes())
    assert told["guest"]["name"] == HOSTILE
    assert (told["band"], told["trust"]) == ("isolated", 0.25)
    assert (tmp_path / "out.args").read_text() == "1\nan argument\n"
    names = {line.partition("=")[0] for line in (tmp_path / "out.env").read_text().splitlines()}
    assert names <= {
        "PATH",
        "LANG",
        "TRUSTD_HOOK",
        "TRUSTD_GUEST",
        "TRUSTD_BAND",
        "PWD",
        "SHLVL",
        "_",
    }


def test_a_policy_cannot_name_what_the_settings_do_not_have() -> None:
    """A path in a policy is not a command."""
    with pytest.raises(Refused, match="no hook /bin/true"):
        Hook({}).do(errand("hook", "/bin/true"), occasion())


def test_a_hook_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """At its deadline, whatever it started."""
    pid = tmp_path / "pid"
    hook = Hook(script(tmp_path, f"sleep 600 & echo $! >{pid}; wait"), deadline=3.0)
    with pytest.raises(TimedOut, match="killed after"):
        hook.do(errand("hook", "mine"), occasion())
    child = Path(f"/proc/{pid.read_text().strip()}/status")

    def gone() -> bool:
        return not child.exists() or "State:\tZ" in child.read_text()

    wait_until(gone, "the child's end", seconds=30)


def test_what_a_hook_writes_is_bounded_and_harmless(tmp_path: Path) -> None:
    """Megabytes are read and dropped; control characters do nothing to a log."""
    hook = Hook(script(tmp_path, r"printf '\033[2J'; head -c 5000000 /dev/zero; exit 3"))
    with pytest.raises(EnforceError, match="ended with status 3") as failed:
        hook.do(errand("hook", "mine"), occasion())
    assert len(str(failed.value)) < 20_000
    assert str(failed.value).isprintable()


def test_a_hook_that_left_a_child_behind_does_not_wait_for_it(tmp_path: Path) -> None:
    """A command that starts something for later is done when it ends itself."""
    pid = tmp_path / "pid"
    hook = Hook(script(tmp_path, f"sleep 600 & echo $! >{pid}; echo done"), deadline=60)
    try:
        assert hook.do(errand("hook", "mine"), occasion()) == {"output": "done"}
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)  # an error where it does not go on


def test_an_alert_is_one_line_that_can_be_found() -> None:
    """Level, message id, guest and reason are fields of their own."""
    with capture_logs() as logged:
        Alert().do(errand("alert", "critical", {"severity": "critical"}), occasion("web-1"))
    (line,) = logged
    assert (line["log_level"], line["event"]) == ("critical", "alert")
    assert line["message_id"] == MESSAGE_ID
    assert (line["name"], line["band"], line["because"]) == (
        "web-1",
        "isolated",
        "isolated: entered",
    )


def test_one_teller_that_fails_costs_the_others_nothing() -> None:
    """Everybody else is told; and that one was not is what became of the alert."""
    told: list[Severity] = []

    def broken(*_: object) -> None:
        raise EnforceError("nobody answers")

    def works(severity: Severity, *_: object) -> None:
        told.append(severity)

    with capture_logs(), pytest.raises(EnforceError, match="nobody answers"):
        Alert(broken, works).do(errand("alert", "", {"severity": "minor"}), occasion())
    assert told == [Severity.MINOR]


class _Counting:
    at_once = 2

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.both = threading.Barrier(2, timeout=30)

    def do(self, action: Action, occasion: Assessment) -> Setting:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.both.wait()  # whoever runs alone waits for another one, which may run as well
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        if action.device == "bad":
            raise ValueError("a bug")
        return {}


def test_no_more_run_at_once_than_their_kind_allows() -> None:
    """A dozen at a time wait their turn, and a bug in one is that one's failure."""
    trade = _Counting()
    runner = Runner({"capture": trade})
    for number in range(12):
        runner.begin(errand("capture", "bad" if number == 3 else str(number)), occasion())
    done: list[str] = []

    def ended() -> bool:
        done.extend(str(outcome.status) for _, outcome in runner.finished())
        return len(done) == 12

    wait_until(ended, "all ended", seconds=60)
    assert trade.most == 2
    assert (done.count("done"), done.count("failed")) == (11, 1)


def test_what_there_is_no_trade_for_is_refused_aloud() -> None:
    """Nothing that a policy asks for is left out in silence."""
    runner = Runner({})
    runner.begin(errand("capture"), occasion())
    ((_, outcome),) = runner.finished()
    assert (outcome.status, outcome.error) == ("refused", "this trustd has no way to capture")


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(tmp_path / "evidence", most=1_000_000, free=0, each=2)


def test_evidence_is_for_its_owner_only(evidence: Evidence) -> None:
    """Folders of mode 0700; a place into which others can look is not used."""
    folder = evidence.folder(occasion().id, 3.5, 1000)
    for place in (folder, folder.parent, evidence.directory):
        assert place.stat().st_mode & 0o777 == 0o700
    assert folder.name == "19700101T000003.500000Z"
    evidence.directory.chmod(0o755)
    with pytest.raises(Refused, match="others can look"):
        evidence.folder(occasion().id, 4.0, 1000)


def test_evidence_is_bounded_and_never_thrown_away(evidence: Evidence) -> None:
    """In all, by guest, and by what must stay free: beyond that a capture is refused."""
    first = evidence.folder(occasion().id, 1.0, 1000)
    (first / "memory.elf").write_bytes(b"x" * 600_000)
    with pytest.raises(Refused, match="larger than"):
        evidence.folder(occasion().id, 2.0, 500_000)
    evidence.folder(occasion().id, 3.0, 1000)
    with pytest.raises(Refused, match="2 captures of this guest"):
        evidence.folder(occasion().id, 4.0, 1000)
    assert (first / "memory.elf").stat().st_size == 600_000
    greedy = Evidence(evidence.directory, most=2**60, free=2**59, each=9)
    with pytest.raises(Refused, match="bytes of disk"):
        greedy.folder(occasion().id, 5.0, 1000)


def test_a_thin_disk_stays_thin(tmp_path: Path) -> None:
    """Holes are not written out, and every byte is the same."""
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for at in (0, 10_000_000, 60_000_000):
            file.seek(at)
            file.write(b"data" * 1000)
        file.truncate(64_000_000)
    copy_sparse(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 1_000_000
    assert target.stat().st_mode & 0o777 == 0o600
