"""What a tick says that a person should hear of, and how it reaches a receiver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.fleets import AT, assessed, fleet, guest_id, narrowed
from tests.notify.conftest import Listener, database, listener, until
from trustd.config import NotifySettings, load_settings
from trustd.daemon.conditions import Conditions
from trustd.daemon.notifying import Notifying
from trustd.errors import ConfigError
from trustd.metrics import Meters
from trustd.model import (
    Action,
    Finding,
    HypervisorCondition,
    OutcomeStatus,
    Severity,
)
from trustd.repository import Database

__all__ = ["database", "listener"]  # fixtures

UUID = guest_id(1)
ALERT = Action(UUID, "alert", "", {"severity": "major"}, "band guarded")


def test_a_low_band_is_told_and_the_last_is_critical() -> None:
    """The worse half of the bands is worth a notice; settings can say which."""
    bands = {"trusted": None, "guarded": None, "restricted": "major", "isolated": "critical"}
    for band, severity in bands.items():
        found = Conditions().at(fleet(assessed(band=band)))
        assert [each.severity for each in found.values()] == ([severity] if severity else [])
    assert list(Conditions(["guarded"]).at(fleet(assessed(band="guarded")))) == [f"band:{UUID}"]
    assert not Conditions(["guarded"]).at(fleet(assessed(band="isolated")))


def test_the_policys_alert_lasts_as_long_as_the_band() -> None:
    """An alert is told in any band, over a restart too, and is over when the guest leaves it."""
    conditions = Conditions()
    guarded = replace(assessed(band="guarded"), tick=7)
    told = conditions.alert(Severity.CRITICAL, ALERT, guarded)
    assert told.severity is Severity.CRITICAL
    # a tick from before the alert says nothing about it
    conditions.at(fleet(replace(assessed(band="trusted"), tick=6)))
    assert list(conditions.at(fleet(guarded))) == [told.key]
    again = Conditions(known=[told])
    assert again.at(fleet(guarded))[told.key].severity is Severity.CRITICAL
    assert not conditions.at(fleet(replace(assessed(band="trusted"), tick=8)))
    assert not conditions.at(fleet(replace(guarded, tick=9)))


def test_alerts_of_guests_that_are_gone_are_kept_of_the_latest_only() -> None:
    """Guests that come and go for ever cost no memory for ever; those alerted of last are
    told of again when they come back, and while the hypervisor is away nobody is gone."""
    conditions, away = Conditions(), HypervisorCondition(up=False, since=AT, error="gone")
    many = [assessed(number=each, band="guarded") for each in range(1_500)]
    for guest in many:
        conditions.alert(Severity.MAJOR, replace(ALERT, guest=guest.id), guest)
    conditions.at(replace(fleet(), hypervisor=away))
    assert len(conditions.at(fleet(*many))) == len(many)
    conditions.at(fleet())
    back = conditions.at(fleet(*many))
    assert sorted(back) == sorted(f"band:{each.id}" for each in many[500:])


def test_an_action_that_keeps_failing_is_told() -> None:
    """A first failure is tried again and not worth a notice; the third is."""
    guest = narrowed()
    for tries, told in ((1, False), (2, False), (3, True)):
        failing = replace(
            guest.outcomes[0], status=OutcomeStatus.FAILED, tries=tries, error="no such disk"
        )
        found = Conditions(["none"]).at(fleet(replace(guest, outcomes=(failing,))))
        assert (f"actions:{guest.id}" in found) is told
    assert "no such disk" in found[f"actions:{guest.id}"].problem


def test_a_critical_finding_is_told_with_its_kind() -> None:
    """Another kind beside it is news; a milder finding is none."""
    made = Finding(UUID, "hidden-process", Severity.CRITICAL, "guest", "x", AT, "a process hides")
    found = Conditions().at(fleet(assessed(findings=(made,))))[f"findings:{UUID}"]
    both = (made, replace(made, kind="rootkit"))
    assert found.problem == "a process hides"
    assert Conditions().at(fleet(assessed(findings=both)))[found.key].stamp != found.stamp
    assert not Conditions().at(fleet(assessed(findings=(replace(made, severity=Severity.MAJOR),))))


def test_trouble_of_the_host_is_told() -> None:
    """Hypervisor, repository, policy, levers and a hold are conditions of the host."""
    well = fleet(assessed())
    ill = replace(
        well,
        hypervisor=HypervisorCondition(up=False, since=AT, error="refused"),
        store_error="disk full",
        policy=replace(well.policy, error="line 3"),
        lacking={"nic-link": "no permission"},
        held={UUID: "too-many"},
    )
    assert set(Conditions().at(ill)) == {"hypervisor", "store", "policy", "levers", "held"}
    assert Conditions().at(ill)["held"].guests[0].name == "web-1"
    assert not Conditions().at(replace(well, held={UUID: "blind"}))


def test_a_guest_that_nobody_can_see_is_not_told_as_well() -> None:
    """Without the hypervisor a missing guest's notice lasts; with it the guest is gone."""
    empty = fleet()
    blind = replace(empty, hypervisor=HypervisorCondition(up=False, since=AT))
    assert Conditions.unknown(f"band:{UUID}", blind)
    assert not Conditions.unknown(f"band:{UUID}", empty)
    # what others begin is theirs to end
    assert Conditions.unknown("incident:7", empty)


def settings(url: str) -> NotifySettings:
    return NotifySettings.model_validate(
        {"receivers": [{"name": "hook", "kind": "webhook", "url": url}]}
    )


def test_ticks_are_told_and_a_restart_is_quiet(listener: Listener, database: Database) -> None:
    """A fall is told once, over a restart too, and its end is told; both are counted."""
    meters = Meters("1")
    fallen, well = fleet(assessed(band="isolated")), fleet(assessed())
    for _ in range(2):
        notifying = Notifying(settings(listener.url), database, meters)
        notifying.start()
        for _ in range(3):
            notifying.observe(fallen)
        until(lambda: len(listener.sent) == 1)
        until(lambda: len(notifying.dispatcher.lasting) == 1)  # noqa: B023 - read at once
        notifying.close()
    notifying = Notifying(settings(listener.url), database, meters)
    notifying.start()
    notifying.observe(well)
    until(lambda: len(listener.sent) == 2)
    notifying.close()
    counted = meters.registry.get_sample_value(
        "trustd_notices_total", {"channel": "hook", "result": "told"}
    )
    assert counted == 2


def test_a_tick_that_cannot_be_told_ends_nothing(listener: Listener, database: Database) -> None:
    """What goes wrong while a tick is read is logged, and the next one is told."""
    notifying = Notifying(settings(listener.url), database, Meters("1"))
    notifying.start()
    notifying.observe(None)  # type: ignore[arg-type]  # nothing is there to be read
    notifying.observe(replace(fleet(assessed()), guests={UUID: None}))  # type: ignore[dict-item]
    notifying.observe(fleet(assessed(band="isolated")))
    until(lambda: len(listener.sent) == 1)
    notifying.close()


@pytest.mark.parametrize(
    ("receiver", "what"),
    [
        ("{name: a, kind: webhook, url: 'http://192.0.2.1/'}", "loopback"),
        ("{name: a, kind: webhook, url: 'https://me:pw@192.0.2.1/'}", "no user"),
        ("{name: a, kind: webhook, url: 'ftp://localhost/'}", "https"),
        ("{name: a, kind: alertmanager}", "needs url"),
        ("{name: a, kind: command, command: [tool]}", "absolute"),
        ("{name: a, kind: journald, secret: /a}", "takes no secret"),
        ("{name: a, kind: journald}, {name: a, kind: journald}", "two receivers"),
    ],
)
def test_settings_that_will_not_do_are_refused(tmp_path: Path, receiver: str, what: str) -> None:
    """Plain http leaves this host nowhere, no secret stands in a URL, and each kind is whole."""
    path = tmp_path / "trustd.yaml"
    path.write_text(f"notify: {{receivers: [{receiver}]}}")
    with pytest.raises(ConfigError, match=what):
        load_settings(path, {})
