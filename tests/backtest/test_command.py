"""``trustctl replay --since``: what people and programs are told, and that nothing is done."""

from __future__ import annotations

import hashlib
import json
import sqlite3

import pytest
from click.testing import CliRunner

from tests.backtest.stage import BEGIN, invented
from tests.backtest.test_resolution import SLOW, fallen
from tests.pipeline.scripted import guest_id
from trustd.ctl import main
from trustd.errors import StoreError
from trustd.repository.backup import back_up
from trustd.repository.recorded import Recorded

A, B = guest_id(0), guest_id(1)
SINCE = "2020-01-01T00:00:00Z"


@pytest.fixture
def kept(tmp_path):
    """A repository that its daemon has open: of two guests one falls, to a trust of 0.46 and then
    to 0.10."""
    falls = fallen(3000, (500, 60, 0.46), (1500, 60, 0.10))
    (tmp_path / "state").mkdir()
    database = invented(tmp_path / "state", SLOW, {A: falls, B: fallen(3000)})
    yield database
    if database._thread.is_alive():
        database.close()


@pytest.fixture
def run(tmp_path, kept):
    """Runs the command on that repository with a policy."""

    def run(policy, *options, database=None, code=0):
        file = tmp_path / "tried.yaml"
        file.write_text(policy, "utf-8")
        where = ("--database", str(database or kept.path))
        arguments = ["replay", "--since", SINCE, "--policy", str(file), *where, *options]
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done.stdout if code in (0, 3) else done.output

    return run


STRICTER = SLOW.replace("enter: 0.48, leave: 0.45", "enter: 0.55, leave: 0.50")


def contents(directory):
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in directory.iterdir()
        if not each.name.endswith("-shm")  # who reads has a place there
    }


def test_a_program_has_everything(run):
    """The document tells what was gone through and how finely, of each guest what would have been
    beside what was, and every stretch with its reasons; the exit code tells of more."""
    found = json.loads(run(STRICTER, "-o", "json", code=3))
    assert (found["seen"], found["more"], found["less"], found["scores"]) == (
        2,
        True,
        False,
        "recorded",
    )
    (resolution,) = found["resolutions"]
    assert (resolution["seconds"], resolution["since"]) == (0.0, BEGIN)
    (guest,) = found["guests"]
    assert (guest["guest"], guest["name"]) == (A, "web-0")
    assert (guest["would"]["times"], guest["happened"]["times"]) == (2, 1)
    assert guest["would"]["by_state"] == {"narrowed": guest["would"]["seconds"]}
    assert guest["would"]["band"] == "isolated"
    assert guest["would"]["once"] == ["alert"]
    first, second = guest["stretches"]
    assert (first["change"], second["change"]) == ("more", None)
    assert first["because"] == "trust 0.46, below 0.50 where trusted ends"
    assert first["begin"] == BEGIN + 2500
    (more,) = guest["differences"]
    assert (more["was"], more["would"]) == (["free", "trusted"], ["narrowed", "guarded"])
    assert guest["more"] == more["seconds"] == first["seconds"] == 600.0


def test_exit_codes_tell_whether_it_narrows_further(run):
    """0 for the same policy and for a looser one, 3 for a stricter one, unless the guest that is
    asked for is another one."""
    run(SLOW)
    run(SLOW.replace("enter: 0.48, leave: 0.45", "enter: 0.20, leave: 0.19"), code=78)
    run(SLOW.replace("mode: enforce", "mode: observe"))
    run(STRICTER, code=3)
    run(STRICTER, "--guest", "web-1")


def test_lines_for_programs_have_their_fields(run):
    """Fields are where the page says, with and without --each."""
    (line,) = run(STRICTER, "-o", "plain", code=3).splitlines()
    fields = line.split("\t")
    assert fields[:4] == [A, "web-0", "2", str(600.0 + 300.0 + 300.0)]
    assert fields[4] == "1"
    assert fields[6:8] == ["600.0", "0"]
    assert fields[10:14] == ["isolated", "cpu-quota,disk-throttle,nic-link", fields[12], "alert"]
    lines = run(STRICTER, "-o", "plain", "--each", code=3).splitlines()
    assert [each.split("\t")[7] for each in lines] == ["guarded", "isolated"]


def test_a_person_reads_what_differs(run, monkeypatch):
    """The table names policy, history and its resolution, where trust is from, and what differs;
    a guest that nothing is said of is left out; --each shows each time."""
    monkeypatch.setenv("COLUMNS", "220")
    shown = run(STRICTER, "-o", "table", code=3)
    for text in ("every tick", "as it was recorded", "1 narrowed further than happened", "web-0"):
        assert text in shown
    assert "web-1" not in shown
    assert "not so far" in run(STRICTER, "-o", "table", "--each", code=3)
    weighs = STRICTER.replace("max: 4MiB/s", "max: 8MiB/s", 1)
    assert "weighs the behaviour of 2 of the guests otherwise" in run(weighs, "-o", "table", code=3)
    calm = run(SLOW, "-o", "table", "--guest", "web-1")
    assert "no guest would have been narrowed, and none was" in calm


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--guest", "nobody"), 2, "no guest nobody was recorded"),
        (("--until", "2019-01-01T00:00:00Z"), 2, "--since must be before --until"),
        (("--until", "2021-01-01T00:00:00Z"), 1, "nothing is recorded of that time"),
        (("--until", "yesterday"), 2, "is no time such as"),
        (("recording.jsonl",), 2, "give a recording FILE, or --since"),
        (("--database", "/nowhere/trustd.db"), 1, "there is no such file"),
    ],
)
def test_what_cannot_be_replayed_is_said(run, options, code, message):
    """An unknown guest, a time that is none or of which there is nothing, no repository: each is
    told, and how to do better."""
    assert message in run(SLOW, *options, code=code)


def test_options_of_one_form_are_refused_with_the_other(tmp_path):
    """Without --since there must be a recording, and then nothing that only history has."""
    for options in ([], ["file.jsonl", "--each"], ["file.jsonl", "--guest", "a"]):
        done = CliRunner().invoke(main, ["replay", *options])
        assert done.exit_code == 2


def test_a_wrong_policy_is_78_with_its_place(run):
    """A policy that is wrong exits with 78, and says where."""
    assert "tried.yaml:" in run(SLOW.replace("leave: 0.45", "leave: 0.9"), code=78)


def test_an_empty_or_foreign_file_is_said_to_be_none(run, tmp_path):
    """A file that is no repository, one without history and a newer one are told apart."""
    file = tmp_path / "file.db"
    file.write_text("no database" * 1000)
    assert "cannot be read" in run(SLOW, database=file, code=1)
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "it has schema 99" in run(SLOW, database=file, code=1)


def test_nothing_is_written(run, kept, tmp_path):
    """Reading a repository that a daemon has open, one that nobody has, and a backup, changes no
    byte of them and leaves no file behind; nor does it keep the daemon from writing."""
    before = contents(kept.path.parent)
    with kept.reading() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM chunk")
        run(STRICTER, code=3)
        kept.write(lambda c: c.execute("UPDATE retention SET reference = 1"))
    assert contents(kept.path.parent).keys() == before.keys()
    copy = tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    back_up(kept.path, copy)
    kept.close()
    for file in (copy, kept.path):
        before = contents(file.parent)
        copied = run(STRICTER, "-o", "json", database=file, code=3)
        assert contents(file.parent) == before
        assert json.loads(copied)["guests"]
        assert not list(file.parent.glob(f"{file.name}-*"))


def test_a_daemon_that_begins_meanwhile_is_noticed(kept):
    """A file that nobody had open is read as one that does not change; where somebody begins to
    write it, what was read is not trusted."""
    kept.close()
    recorded = Recorded(kept.path)
    daemon = sqlite3.connect(kept.path)
    with pytest.raises(StoreError, match="run this again"), recorded.reading():
        daemon.execute("UPDATE retention SET reference = 2")
    daemon.close()


def test_it_says_the_same_each_time(run):
    """Two runs give the same document, byte for byte."""
    assert run(STRICTER, "-o", "json", code=3) == run(STRICTER, "-o", "json", code=3)
