"""A whole daemon: who may report, and who learns and leaves nothing."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing

import pytest

from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN
from tests.evidence.conftest import report
from trustd.config import load_settings
from trustd.errors import ConfigError

pytestmark = pytest.mark.slow

TOKEN = "open sesame"  # noqa: S105 - of this test
SENDER = {"name": "ids", "dialects": ["evidence"]}
POLICY = AUTHZEN.read_text("utf-8") + "\nsources:\n  ids: {families: [intrusion]}\n"
PATH = "/v1/evidence"


def test_only_registered_senders_are_heard(tmp_path):
    """By token on TCP and by user on the socket; whoever is not registered for evidence gets one
    and the same answer whatever they send, and is journalled, not without bound."""
    token = hashlib.sha256(TOKEN.encode()).hexdigest()
    callers = [
        {**SENDER, "token": token},
        {"name": "pdp", "user": os.getuid(), "dialects": ["opa"]},
    ]
    with Running(tmp_path, POLICY, decisions={"callers": callers}) as daemon:
        # known: it learns that there is no such guest
        answer = daemon.tcp(TOKEN).post(PATH, report())
        assert (answer.status, "no guest" in answer.document["detail"]) == (404, True)
        answers = {
            (found.status, found.body)
            for client in (daemon.tcp(), daemon.tcp("guess"), daemon.client())
            for sent in (report(), report({"name": "x"}), b"nonsense")
            for found in [client.post(PATH, sent)]
        }
        assert [status for status, _ in answers] == [403]
        # what was reported is not for every local user, nor for senders
        assert {daemon.tcp(each).send("GET", PATH).status for each in ("", TOKEN)} == {403}
        assert daemon.client().send("GET", PATH).status == 200
        for _ in range(20):
            daemon.tcp().post(PATH, report())
        daemon.stop()
    with closing(sqlite3.connect(tmp_path / "state/trustd.db")) as connection:
        found = connection.execute("SELECT document FROM transition WHERE kind = 'refused'")
        refused = [json.loads(row[0]) for row in found]
        assert connection.execute("SELECT count(*) FROM report").fetchone() == (0,)
    of_tcp = [each for each in refused if each["uid"] is None]
    assert 6 <= len(of_tcp) <= 10
    assert len(refused) - len(of_tcp) == 3
    assert {each["path"] for each in refused} == {PATH}


def test_operator_reports_with_trustctl(tmp_path):
    """`trustctl evidence add` is a sender like any other: its user has to be registered."""
    callers = [{**SENDER, "user": os.getuid()}]
    with Running(tmp_path, POLICY, decisions={"callers": callers}) as daemon:
        said = ("evidence", "add", "mac:52:54:00:00:00:01", "scan", "--family", "intrusion")
        done = daemon.trustctl(*said)
        assert (done.returncode, "no guest has the mac" in done.stderr) == (1, True)
        done = daemon.trustctl(*said[:4], "--family", "other")
        assert done.returncode == 1


def test_evidence_is_never_open_to_anybody(tmp_path):
    """Settings that would take evidence of whoever comes are refused."""
    path = tmp_path / "trustd.yaml"
    path.write_text("decisions: {open: [evidence]}\n")
    with pytest.raises(ConfigError, match="not taken from anybody"):
        load_settings(path, {})
