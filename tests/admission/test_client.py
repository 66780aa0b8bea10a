"""libvirtd waits for the hook: it is quick, ends in time, and fails only where it means to."""

from __future__ import annotations

import json
import resource
import socket
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from tests.admission.client import CLIENT, XML, Client, answer, serving

YES = answer({"permit": True})
NO = answer({"permit": False, "text": "web may not start here: so says the policy"})
TIMEOUT = 1.0
MARGIN = 12.0
"""Seconds beyond the timeout for starting the program on a busy machine."""

VETOES = ("prepare", "migrate", "restore")
OTHERS = ("start", "started", "stopped", "release", "reconnect", "attach", "something-new")


@pytest.fixture
def client(tmp_path):
    return Client(tmp_path)


def say(data):
    return lambda connection: connection.sendall(data)


def hang(connection):
    """Until the other end has enough."""
    while connection.recv(65536):
        pass


def drip(connection):
    """A byte now and then, each within any timeout for one."""
    for byte in NO * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def endless(connection):
    while True:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65536)


TROUBLES = {
    "hangs": hang,
    "drips": drip,
    "has no end": endless,
    "closes": lambda _: None,
    "is garbage": say(b"\xff\x00 what\r\n\r\n{"),
    "is no permit": say(answer({"permit": "yes"})),
    "is a list": say(answer([True])),
    "is nested": say(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60000),
    "is empty": say(b"HTTP/1.1 200 OK\r\n\r\n"),
    "says 503": say(answer({"detail": "no tick yet"}, "503 Service Unavailable")),
    "says 500": say(answer({"permit": True}, "500 Internal Server Error")),
}


@pytest.mark.parametrize("operation", VETOES)
def test_what_trustd_says_counts(client, operation):
    """A yes lets a guest in, a no does not, with the reason in one line, whatever the setting."""
    for setting in ("open", "closed"):
        client.set(setting)
        with serving(client.socket, say(YES)) as heard:
            told = client.hook(operation)
        assert (told.status, told.out, told.error) == (0, "", "")
        assert json.loads(heard[0].partition(b"\r\n\r\n")[2]) == {
            "operation": operation,
            "xml": XML,
        }
        client.socket.unlink()
        with serving(client.socket, say(NO)):
            told = client.hook(operation)
        assert (told.status, told.out) == (1, "")
        assert told.error == "trustd: web may not start here: so says the policy\n"
        client.socket.unlink()


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("setting", ["open", "closed"])
def test_no_answer_is_what_the_setting_says(client, trouble, setting):
    """Slow, dripping, endless or senseless: in time, and as set; never as the answer pretends."""
    client.set(setting, timeout=TIMEOUT)
    with serving(client.socket, TROUBLES[trouble]):
        told = client.hook("prepare")
    assert told.status == (1 if setting == "closed" else 0)
    assert told.out == ""
    assert told.seconds < TIMEOUT + MARGIN
    if setting == "closed":
        assert told.error.count("\n") == 1
        assert "set it to open" in told.error


@pytest.mark.parametrize("setting", ["open", "closed"])
def test_nobody_there_is_what_the_setting_says(client, setting):
    """Without a socket, with one that nobody serves, and with a full queue: in time, as set."""
    client.set(setting, timeout=TIMEOUT)
    expected = 1 if setting == "closed" else 0
    assert client.hook("prepare").status == expected
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(client.socket))
        assert client.hook("prepare").status == expected
        listener.listen(0)
        waiting = []
        try:
            while True:  # until the queue takes no more
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(client.socket))
        except BlockingIOError:
            pass
        told = client.hook("prepare")
        for each in waiting:
            each.close()
    assert told.status == expected
    assert told.seconds < TIMEOUT + MARGIN


@pytest.mark.parametrize("operation", OTHERS)
def test_nothing_else_ever_fails(client, operation):
    """Anything but a start, an arrival or a restore passes, above all reconnect: whoever is down,
    whatever is set, however wrong the settings are, and whatever the definition is."""
    for settings in ("unavailable = closed", "unavailable = clsoed", "\x00\xff", "timeout = never"):
        client.settings.write_text(f"socket = {client.socket}\n{settings}\n", "utf-8")
        told = client.hook(operation)
        assert (told.status, told.out) == (0, ""), settings
    client.set("closed")
    with serving(client.socket, say(NO)):
        assert client.hook(operation).status == 0
        assert client.hook(operation, xml="x" * 2_000_000).status == 0


def test_a_guest_that_leaves_is_not_held_up(client):
    """A trustd that hangs costs a stop, or a start that was refused, a quarter of a second."""
    client.set("closed", timeout=30)
    with serving(client.socket, hang):
        told = client.hook("release")
    assert told.status == 0
    assert told.seconds < 0.25 + MARGIN


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("unavailable = clsoed", "unavailable must be open or closed"),
        ("timeout = 0", "timeout must be"),
        ("timeout = nan", "timeout must be"),
        ("timeout = soon", "timeout must be"),
        ("socket", "line 1"),
        ("sokcet = /run/x", "line 1"),
    ],
)
def test_wrong_settings_refuse_and_say_so(client, settings, named):
    """A mistake in the settings never makes a closed door an open one."""
    client.settings.write_text(settings, "utf-8")
    told = client.hook("prepare")
    assert told.status == 1
    assert named in told.error


def test_without_settings_the_door_is_open(client):
    """A host where nobody set anything starts its guests, whether trustd runs or not."""
    text = client.program.read_text("utf-8")
    text = text.replace("/run/trustd/trustd.sock", str(client.socket))
    assert text.count('"timeout": "2"') == 1
    client.program.write_text(text.replace('"timeout": "2"', '"timeout": "20"'), "utf-8")
    assert not client.settings.exists()
    assert client.hook("prepare").status == 0
    with serving(client.socket, say(NO)):
        assert client.hook("prepare").status == 1


def test_a_question_that_is_wrong_is_refused(client):
    """Whoever blows a definition up, or makes it one that trustd cannot read, gets no way in."""
    client.set("open")
    told = client.hook("prepare", xml="<domain>" + " " * 500_000)
    assert told.status == 1
    with serving(client.socket, say(answer({"detail": "no UUID"}, "400 Bad Request"))):
        told = client.hook("prepare", xml="<domain/>")
    assert told.status == 1
    assert "no UUID" in told.error


def test_what_it_prints_is_one_harmless_line(client):
    """Nothing of an answer reaches a terminal or a log as a command or as a second line."""
    client.set("open")
    with serving(client.socket, say(answer({"permit": False, "text": "a\nb\x1b[2Jc\u202e\udcff"}))):
        told = client.hook("prepare")
    assert told.error == "trustd: a?b?[2Jc???\n".replace("???", "??")


def test_a_guest_may_be_called_anything(client):
    """The guest's name decides nothing, and reaches nobody."""
    client.set("open")
    for name in ("manage", "--help", "reconnect", "a\nb", ""):
        with serving(client.socket, say(NO)) as heard:
            assert client.hook("prepare", name=name).status == 1
        assert b"--help" not in heard[0]
        client.socket.unlink()


def test_polkit_is_told_in_a_word(client):
    """For polkit it always ends well and says allow, or refuse with the reason."""
    asked = ("00000000-0000-0000-0000-000000000001", "snapshot", "alice")
    client.set("closed")
    told = client.run(*asked)
    assert told.status == 0
    assert told.out.startswith("refuse ")
    client.set("open")
    assert client.run(*asked).out == "allow\n"
    with serving(client.socket, say(NO)) as heard:
        assert client.run(*asked).out == "refuse web may not start here: so says the policy\n"
    sent = json.loads(heard[0].partition(b"\r\n\r\n")[2])
    assert sent == {"operation": "manage", "guest": asked[0], "action": "snapshot", "user": "alice"}


def test_it_is_quick(client):
    """libvirtd waits for it at every turn of every guest: it costs less than 0.1 s of processor."""
    client.set("open")
    with serving(client.socket, say(YES)):
        assert min(processor(client, "prepare") for _ in range(10)) < 0.1
    assert min(processor(client, "reconnect") for _ in range(10)) < 0.05


def processor(client, operation):
    """Seconds of processor that one run takes; a busy machine does not make them more."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert client.hook(operation).status == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_shipped_settings_are_the_defaults(client):
    """Installing hook.conf as it is changes nothing, and its keys are those that documents name."""
    loader = SourceFileLoader("admission_client", str(client.program))
    program = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(program)
    shipped = CLIENT.with_name("hook.conf").read_text("utf-8")
    client.settings.write_text(shipped, "utf-8")
    assert program.read_settings() == program.DEFAULTS
    page = (CLIENT.parents[2] / "docs/admission.md").read_text("utf-8")
    for key, value in program.DEFAULTS.items():
        assert f"| `{key}` | `{value}` |" in page
        assert f"\n{key} = {value}\n" in shipped
