"""The daemon's settings: the file, the environment over it, mistakes at their place."""

from __future__ import annotations

import pytest

from trustd.config import OnStop, load_settings
from trustd.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "trustd.yaml"
        path.write_text(text)
        return path

    return write


def problems(error):
    return {problem.key: problem for problem in error.value.problems}


def test_defaults_hold_where_the_default_file_is_absent():
    """Without a file in the default place every setting has its default."""
    settings = load_settings(None, {})
    assert settings.interval == 5.0
    assert settings.on_stop is OnStop.KEEP


def test_file_that_was_named_must_exist(tmp_path):
    """A file that the administrator names and that is not there is an error."""
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        load_settings(tmp_path / "absent.yaml", {})


def test_environment_wins_over_the_file(write):
    """A variable TRUSTD_A__B sets b in a, whatever the file says."""
    path = write("interval: 2s\nhypervisor: {uri: 'test:///default', deadline: 500ms}\n")
    settings = load_settings(
        path, {"TRUSTD_HYPERVISOR__URI": "qemu:///session", "TRUSTD_CONFIG": "x", "HOME": "/"}
    )
    assert settings.interval == 2.0
    assert settings.hypervisor.uri == "qemu:///session"
    assert settings.hypervisor.deadline == 0.5


def test_every_mistake_is_told_at_its_place(write):
    """Five mistakes in one file and the environment give five problems, each at its line."""
    path = write(
        "intervall: 5s\nhypervisor: {uri: 7}\nlisten:\n  address: 10.0.0.1\npolicy: relative\n"
    )
    with pytest.raises(ConfigError) as error:
        load_settings(path, {"TRUSTD_POLCY": "x"})
    found = problems(error)
    assert {key: problem.line for key, problem in found.items()} == {
        "intervall": 1,
        "hypervisor.uri": 2,
        "listen.address": 4,
        "policy": 5,
        "TRUSTD_POLCY": 0,
    }
    assert 'did you mean "interval"' in found["intervall"].hint
    assert 'did you mean "TRUSTD_POLICY"' in found["TRUSTD_POLCY"].hint


def test_deadline_must_leave_room_for_the_tick(write):
    """A deadline that is not shorter than the interval is refused."""
    with pytest.raises(ConfigError) as error:
        load_settings(write("interval: 2s\nhypervisor:\n  deadline: 2s\n"), {})
    assert problems(error)["hypervisor.deadline"].line == 3


def test_endpoint_stays_on_loopback(write):
    """No setting makes the daemon listen on anything but loopback."""
    for address in ("0.0.0.0", "::", "192.0.2.1", "localhost.example", "name"):  # noqa: S104
        with pytest.raises(ConfigError, match="loopback"):
            load_settings(write(f"listen: {{address: '{address}'}}\n"), {})
