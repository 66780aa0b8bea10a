"""``trustctl`` against a whole daemon: the configuration, and what is packed for whoever helps."""

from __future__ import annotations

import json
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.test_configuration import SECRETS
from tests.decisions.running import Running

pytestmark = pytest.mark.slow

POLICY = Path(__file__).parents[1] / "decisions/dialects.yaml"
PARTS = {
    "versions.json",
    "ready.json",
    "status.json",
    "config.json",
    "policy.json",
    "storage.json",
    "notices.json",
    "decisions.json",
    "incidents.json",
    "metrics.txt",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A daemon with secrets in its settings."""
    caller = {"name": "nova", "token": SECRETS["token"], "dialects": ["oslo"]}
    receiver = {
        "name": "pager",
        "kind": "command",
        "command": ["/bin/true", SECRETS["argument"]],
    }
    directory = tmp_path_factory.mktemp("daemon")
    with Running(
        directory,
        POLICY.read_text("utf-8"),
        decisions={"callers": [caller], "record": "all"},
        notify={"receivers": [receiver]},
        hooks={"page": ["/bin/true", SECRETS["argument"]]},
    ) as running:
        yield running


def unpacked(path: Path) -> dict[str, bytes]:
    """What an archive holds, by the names without their folder."""
    with tarfile.open(path) as archive:
        found = {}
        for member in archive.getmembers():
            assert member.isfile()
            folder, _, name = member.name.partition("/")
            assert folder == "trustd-support"
            body = archive.extractfile(member)
            assert body is not None
            found[name] = body.read()
    return found


def test_configuration_is_shown_with_its_hash(daemon: Running) -> None:
    """Every form has the hash and the settings in effect, and no secret."""
    plain = daemon.trustctl("config", "show", "-o", "plain")
    lines = dict(line.split("\t", 1) for line in plain.stdout.splitlines())
    document = json.loads(daemon.trustctl("config", "show", "-o", "json").stdout)
    table = daemon.trustctl("config", "show", "-o", "table").stdout
    assert plain.returncode == 0
    assert lines["hash"] == document["hash"]
    assert document["hash"] in table
    assert lines["interval"] == "0.5"
    for shown in (plain.stdout, table, json.dumps(document)):
        assert not {name for name, secret in SECRETS.items() if secret in shown}


def test_configuration_is_for_the_unix_socket_only(daemon: Running) -> None:
    """Any local user reaches the port, and is not told."""
    assert daemon.tcp().send("GET", "/v1/config").status == 403


def test_support_dump_has_what_helps_and_no_secret(daemon: Running, tmp_path: Path) -> None:
    """One archive, for its owner alone, with every part; none of them holds a secret, the state's
    key or a token."""
    path = tmp_path / "dump.tar.gz"
    ran = daemon.trustctl("support-dump", path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    parts = unpacked(path)
    assert parts.keys() == PARTS
    assert {line.split("\t")[0] for line in ran.stdout.splitlines()} == PARTS
    key = (daemon.directory / "state/audit.key").read_bytes()
    for name, body in parts.items():
        assert not {what for what, secret in SECRETS.items() if secret.encode() in body}, name
        assert key not in body
        if name.endswith(".json"):
            json.loads(body)
    assert json.loads(parts["status.json"])["plugins"]
    assert "trustd" in json.loads(parts["versions.json"])["packages"]
    assert b"trustd_build_info" in parts["metrics.txt"]


def test_support_dump_replaces_nothing_unasked(daemon: Running, tmp_path: Path) -> None:
    """A file that is there stays, a dry run writes none, and a link is not followed."""
    path = tmp_path / "dump.tar.gz"
    assert daemon.trustctl("support-dump", path, "--dry-run").returncode == 0
    assert not path.exists()
    path.write_text("mine")
    assert daemon.trustctl("support-dump", path).returncode == 1
    assert path.read_text() == "mine"
    target = tmp_path / "target"
    target.write_text("theirs")
    link = tmp_path / "link"
    link.symlink_to(target)
    assert daemon.trustctl("support-dump", link, "--force").returncode == 0
    assert target.read_text() == "theirs"
    assert unpacked(link).keys() == PARTS


def test_support_dump_without_a_daemon_has_what_there_is(daemon: Running, tmp_path: Path) -> None:
    """Where the daemon does not answer the archive says so, and the exit code is 69."""
    path = tmp_path / "dump.tar.gz"
    ran = daemon.trustctl("--socket", tmp_path / "none", "support-dump", path)
    assert ran.returncode == 69
    parts = unpacked(path)
    assert parts.keys() == {"versions.json", "missing.json"}
    assert "No such file" in parts["missing.json"].decode()
