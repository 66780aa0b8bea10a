"""Who may start on a real hypervisor, and what becomes of libvirtd when trustd does not answer."""

from __future__ import annotations

import signal
import threading
import time

import libvirt
import pytest

from tests.admission.conftest import (
    POLICY,
    TIMEOUT,
    entries,
    freeze,
    known,
    refusal,
    running,
    set_to,
    state,
    thaw,
)
from tests.lab.spec import Disk

pytestmark = pytest.mark.lab

MARGIN = 9.0
"""Seconds beyond the hook's timeout for QEMU's own start on a busy machine."""


def test_a_band_keeps_guests_from_starting(daemon, define):
    """A guest in a band that says start: false does not start; libvirt's error says who refused,
    why, and what to do; the journal has it. One in a better band starts."""
    suspect, web = define("suspect", labels={"app": "suspect"}), define("web")
    daemon.wait(lambda: known(daemon, suspect) and known(daemon, web), "both are known")
    error = refusal(suspect)
    assert "trustd: suspect may not start here: it is in the band outcast" in error
    assert "override" in error
    assert not running(suspect)
    assert refusal(web) == ""
    assert running(web)
    daemon.wait(lambda: len(entries(daemon)) == 2, "both are journalled")
    told, allowed = entries(daemon)
    assert (told["guest"], told["permit"], told["reason"]) == (suspect.uuid, False, "band-start")
    assert (told["operation"], told["uid"], told["mode"]) == ("prepare", 0, "enforce")
    assert (allowed["guest"], allowed["permit"]) == (web.uuid, True)


def test_a_newcomer_is_judged_by_its_definition(daemon, define):
    """A guest that trustd has not seen is what its labels make of a newcomer, at once."""
    assert "band outcast" in refusal(define("new", labels={"app": "suspect"}))
    assert refusal(define("other")) == ""


def test_behaviour_keeps_a_guest_out(daemon, define):
    """A guest that misbehaved is not laundered by turning it off and on, nor by a restart of
    trustd in between."""
    guest = define(
        "rogue", labels={"app": "web"}, channel=True, disks=(Disk(),), memory=96 << 20, nics=1
    )
    assert refusal(guest) == ""
    guest.wait_ready(seconds=240)
    daemon.wait_guest("rogue", lambda g: g["band"] == "trusted", "it is trusted", seconds=120)
    guest.write(8e6)
    daemon.wait_guest("rogue", lambda g: g["band"] == "outcast", "it is cast out", seconds=120)
    guest.destroy()
    assert "band outcast" in refusal(guest)
    daemon.stop()
    daemon.start()
    assert "band outcast" in refusal(guest)


def test_history_counts_before_the_guest_is_seen(daemon, define, host):
    """What is on the disk counts for a guest that this run of trustd has not seen: after a boot
    of the host libvirtd starts guests before it answers anybody."""
    guest = define("formerly", labels={"app": "suspect"})
    daemon.wait(lambda: known(daemon, guest), "it is known")
    daemon.stop()
    with guest.domain() as domain:
        document = domain.XMLDesc().replace("suspect", "web")
        domain.undefine()
    daemon.start()
    with host.connection() as connection:
        # it claims to be another role now; where it stood, it stands
        with pytest.raises(libvirt.libvirtError, match="band outcast"):
            connection.createXML(document)
        connection.defineXML(document)


def test_an_override_opens_and_shuts_the_door(daemon, define):
    """What an operator says of a guest's band counts at its next start, in both directions."""
    guest = define("suspect", labels={"app": "suspect"})
    daemon.wait(lambda: known(daemon, guest), "it is known")
    ordered = ("--for", "1h", "--reason", "test")
    for how, band, opened in (("--at-least", "trusted", True), ("--at-most", "outcast", False)):
        daemon.trustctl("override", guest.uuid, how, "--band", band, *ordered)
        daemon.wait_guest("suspect", lambda g, band=band: g["band"] == band, band)
        assert (refusal(guest) == "") is opened
        if opened:
            guest.destroy()


def test_a_wall_keeps_rivals_apart(daemon, define):
    """Of two guests with conflicting values one runs; a guest without the label does not; when
    the first has gone the second may come, at once."""
    red, blue = define("red"), define("blue", labels={"client": "blue"})
    bare = define("bare", labels={"client": ""})
    assert refusal(red) == ""
    error = refusal(blue)
    assert 'the wall "clients" keeps client blue from red' in error
    assert red.uuid in error
    assert 'has no label "client"' in refusal(bare)
    daemon.wait(lambda: state(daemon, red) == "running", "it is seen to run")
    assert "wall" in refusal(blue)
    red.destroy()
    assert refusal(blue) == ""
    assert "wall" in refusal(red)


def test_two_that_start_at_once_meet_the_wall(daemon, define):
    """Both ask before either runs: one is let in, never both, never none."""
    for turn in range(5):
        pair = [define(f"r{turn}"), define(f"b{turn}", labels={"client": "blue"})]
        errors = ["", ""]
        begin = threading.Barrier(2)

        def start(index: int, pair=pair, errors=errors, begin=begin) -> None:
            begin.wait()
            errors[index] = refusal(pair[index])

        threads = [threading.Thread(target=start, args=(index,)) for index in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(bool, errors)) == [False, True], errors
        assert sorted(map(running, pair)) == [False, True]
        next(guest for guest in pair if running(guest)).destroy()


def test_a_start_that_fails_gives_its_place_back(daemon, define, host):
    """A guest that was let in and could not run keeps nobody out."""
    red = define("red", disks=(Disk(),))
    blue = define("blue", labels={"client": "blue"})
    disk = host.path(red.spec.disk_path(0))
    away = disk.rename(disk.with_suffix(".away"))
    try:
        assert "trustd" not in refusal(red) != ""
        assert refusal(blue) == ""
    finally:
        away.rename(disk)


def test_observe_mode_only_tells(daemon, define):
    """In observe mode everybody starts; the journal says who would have been refused."""
    daemon.policy.write_text(POLICY.replace("mode: enforce", "mode: observe"), "utf-8")
    daemon.signal(signal.SIGHUP)
    daemon.wait(lambda: daemon.get("/v1/policy")["mode"] == "observe", "it observes")
    guest = define("suspect", labels={"app": "suspect"})
    assert refusal(guest) == ""
    daemon.wait(lambda: entries(daemon), "it is journalled")
    (told,) = entries(daemon)
    assert (told["permit"], told["would_refuse"], told["reason"]) == (True, True, "band-start")


@pytest.mark.parametrize("setting", ["open", "closed"])
def test_libvirtd_never_waits_longer_than_the_timeout(daemon, define, host, setting):
    """trustd stopped, frozen, or starting anew: a start takes at most the timeout longer, and
    comes to what is set. When trustd answers again, its word counts."""
    set_to(host, setting, TIMEOUT)
    guest = define("web")
    started = []
    for disturb, mend in (
        (lambda: freeze(daemon), lambda: thaw(daemon)),
        (daemon.kill, daemon.start),
    ):
        disturb()
        try:
            began = time.monotonic()
            error = refusal(guest)
            started.append(time.monotonic() - began)
        finally:
            mend()
        assert started[-1] < TIMEOUT + MARGIN
        assert ("set it to open" in error) == (setting == "closed")
        assert running(guest) == (setting == "open")
        if running(guest):
            guest.destroy()
    assert refusal(guest) == ""


def test_others_work_while_a_start_waits(daemon, define, host):
    """While one guest's start waits for a frozen trustd, libvirtd serves everything else."""
    guest, other = define("web"), define("other")
    set_to(host, "open", TIMEOUT)
    freeze(daemon)
    waiting = threading.Thread(target=refusal, args=(guest,))
    waiting.start()
    try:
        slowest = 0.0
        while waiting.is_alive():
            began = time.monotonic()
            with other.domain() as domain:
                assert domain.info()
            slowest = max(slowest, time.monotonic() - began)
    finally:
        waiting.join()
        thaw(daemon)
    assert 0 < slowest < TIMEOUT / 2


def test_guests_outlive_a_restart_of_libvirtd_without_trustd(daemon, define, host):
    """reconnect passes whatever happens: with trustd dead, the door closed, and even with
    settings that are wrong, a restart of libvirtd leaves running guests running."""
    guest = define("web")
    assert refusal(guest) == ""
    qemu = guest.pid
    daemon.kill()
    for settings in ("closed", "nonsense"):
        set_to(host, settings)
        host.restart_libvirtd(kill=settings == "closed")
        assert running(guest)
        assert guest.pid == qemu
    daemon.start()


def test_restore_is_an_entry_too(daemon, define, host):
    """A guest that was saved and has fallen since is not restored; when it may, it is."""
    guest = define("saved", labels={"app": "web"})
    assert refusal(guest) == ""
    with guest.domain() as domain:
        domain.save("/run/lab/saved.img")
    daemon.wait(lambda: known(daemon, guest), "it is known")
    daemon.trustctl("label", guest.uuid, "client=blue")
    labels = f"/v1/guests/{guest.uuid}"
    daemon.wait(
        lambda: daemon.get(labels)["summary"]["labels"]["client"] == "blue", "the label counts"
    )
    rival = define("rival")
    assert refusal(rival) == ""
    with host.connection() as connection:
        with pytest.raises(libvirt.libvirtError, match="may not be restored here: the wall"):
            connection.restore("/run/lab/saved.img")
        rival.destroy()
        connection.restore("/run/lab/saved.img")
    assert running(guest)
