"""POST /v1/admission: who may ask what, and what nonsense comes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.decisions.running import Running
from tests.lab.waiting import wait_until

POLICY = (Path(__file__).parent / "policy.yaml").read_text("utf-8")
NOBODY = 65534
ADDRESS = "/v1/admission"


def xml(
    number: int = 1, labels: str = "<l:label key='client'>red</l:label>", name: str = "web"
) -> str:
    return (
        f"<domain type='qemu'><name>{name}</name>"
        f"<uuid>00000000-0000-0000-0000-{number:012d}</uuid><metadata>"
        f"<l:guest xmlns:l='urn:trustd:guest:1'>{labels}</l:guest></metadata></domain>"
    )


def labelled(**labels: str) -> str:
    return "".join(f"<l:label key='{key}'>{value}</l:label>" for key, value in labels.items())


@pytest.fixture(scope="module")
def _daemon(tmp_path_factory):
    directory = tmp_path_factory.mktemp("admission")
    directory.chmod(0o755)
    with Running(directory, POLICY) as found:
        yield found


@pytest.fixture
def daemon(_daemon):
    """One for all tests; each gives back the places that it takes."""
    yield _daemon
    for number in (1, 2):
        assert ask(_daemon, "release", xml(number)).status == 200


def ask(daemon, operation: str, document: str = "", **more: str):
    return daemon.client().post(ADDRESS, {"operation": operation, "xml": document} | more)


def ask_as(daemon, user: int, document: dict[str, str]) -> int:
    """The status that somebody else gets, who reaches the socket."""
    daemon.socket.chmod(0o666)
    script = (
        "import json, os, sys\nfrom tests.conformance.client import Client\n"
        "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))\n"
        f"print(Client('unix:' + sys.argv[1]).post({ADDRESS!r}, json.loads(sys.argv[3])).status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, daemon.socket.name, str(user), json.dumps(document)],
        capture_output=True,
        text=True,
        check=True,
        cwd=daemon.directory,  # the folders above it are pytest's own
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return int(done.stdout)


def test_the_places_of_a_wall_are_kept_between_two_ticks(daemon):
    """Of two that would conflict the first one asked for gets in, however often it asks; once it
    has left, the second may."""
    red, blue = xml(1), xml(2, labelled(client="blue"))
    assert ask(daemon, "prepare", red).document["permit"]
    assert ask(daemon, "migrate", red).document["permit"]
    told = ask(daemon, "prepare", blue).document
    assert (told["permit"], told["reason"]) == (False, "wall")
    assert "00000000-0000-0000-0000-000000000001 runs here or is about to" in told["text"]
    assert ask(daemon, "release", red).document["permit"]
    assert ask(daemon, "restore", blue).document["permit"]
    assert not ask(daemon, "prepare", red).document["permit"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_only_root_and_the_daemon_give_and_take_places(daemon):
    """A local user who reaches the socket can neither take a place nor free one, and that is
    journalled; whether a guest may be managed, whoever reads the socket may ask."""
    for operation in ("prepare", "migrate", "restore", "release"):
        assert ask_as(daemon, NOBODY, {"operation": operation, "xml": xml(1)}) == 403
    assert ask(daemon, "prepare", xml(2, labelled(client="blue"))).document["permit"]
    manage = {"operation": "manage", "guest": "00000000-0000-0000-0000-000000000001"}
    assert ask_as(daemon, NOBODY, manage | {"action": "save"}) == 200
    assert daemon.tcp().post(ADDRESS, {"operation": "prepare", "xml": xml()}).status == 403
    wait_until(lambda: "a change was refused" in daemon.log(), "it is told", seconds=60)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<domain",
        "<domain><name>web</name></domain>",
        "<domain><uuid>../../x</uuid></domain>",
        "<network><uuid>00000000-0000-0000-0000-000000000001</uuid></network>",
        "<!DOCTYPE d [<!ENTITY a 'b'>]>" + xml(),
        "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain><uuid>&a;</uuid></domain>",
    ],
    ids=["empty", "cut", "no-uuid", "path", "network", "entity", "external"],
)
def test_a_definition_that_makes_no_sense_is_refused(daemon, document):
    """Whatever is no guest's definition, or more than one, is 400: never a permit, never 500."""
    for operation in ("prepare", "release"):
        assert ask(daemon, operation, document).status == 400


@pytest.mark.parametrize(
    "question",
    [
        {"operation": "reconnect"},
        {"operation": "manage", "guest": "web", "action": "save"},
        {"operation": "manage", "guest": "00000000-0000-0000-0000-000000000001"},
        {"operation": "manage", "guest": "00000000-0000-0000-0000-000000000001", "action": "read"},
        {"operation": "prepare", "xml": 7},
        {"operation": "prepare", "nonsense": "x"},
        [],
    ],
)
def test_a_question_that_makes_no_sense_is_refused(daemon, question):
    """What is no question of libvirt's hook or of polkit is 400."""
    assert daemon.client().post(ADDRESS, question).status == 400


def test_a_hostile_name_stays_in_its_line(daemon):
    """A guest's name reaches the refusal as one line of bounded length, without commands."""
    hostile = "a\n\tb" + "x" * 500
    told = ask(daemon, "prepare", xml(3, labelled(app="suspect", client="red"), hostile))
    text = told.document["text"]
    assert not told.document["permit"]
    assert text.isprintable()
    assert len(text) < 300


def test_whom_nobody_knows_may_be_managed(daemon):
    """A guest of which nothing is known, and so nothing is to be laundered, can be defined."""
    told = ask(
        daemon, "manage", guest="00000000-0000-0000-0000-00000000000a", action="write", user="a"
    )
    assert told.document["permit"]


def test_it_answers_in_milliseconds(daemon):
    """An answer waits neither for a tick nor for libvirt: here nothing answers there at all."""
    client = daemon.client()
    question = {"operation": "prepare", "xml": xml(1)}
    seconds = sorted(_timed(client, question) for _ in range(50))
    # what is busy beside it makes some of them late; a tick is 500 ms apart
    assert seconds[12] < 0.05


def _timed(client, question) -> float:
    began = time.perf_counter()
    assert client.post(ADDRESS, question).status == 200
    return time.perf_counter() - began
