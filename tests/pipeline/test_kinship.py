"""A new UUID on a known disk: what goes over with the disk, and what does not."""

from __future__ import annotations

from random import Random

import pytest

from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from trustd.errors import StoreError
from trustd.model import Author, Bound, Disk, GuestState, Override, Term
from trustd.pipeline.inheriting import KIND
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.kinship import LATEST, Kinship
from trustd.repository import Alias, Database

A, B, C, D = (guest_id(number) for number in range(4))
SLOW = CALM.replace("rise: 360/h", "rise: 3.6/h")
DISK = "/images/0.qcow2"
OFF = GuestState.SHUTOFF
BANDS = ("trusted", "guarded", "restricted", "isolated")


def on(number, *disks, **other):
    """A guest on other disks than its own."""
    return web(number, disks=disks, **other)


def disk(path=DISK, **other):
    return Disk("vda", path, **other)


@pytest.fixture
def rig(new_rig):
    """Three guests that are trusted, in a policy under which trust rises slowly."""
    rig = new_rig(policy=SLOW)
    rig.tick(8)
    return rig


def fall(rig, guest=A):
    """Have a guest misbehave; its trust then."""
    rig.hypervisor.writes[guest] = TOO_MUCH
    rig.tick(2)
    rig.hypervisor.writes.clear()
    assert rig.fleet.guests[guest].band != "trusted"
    return rig.fleet.guests[guest].trust


def kinds(rig, guest):
    return {each.kind for each in rig.fleet.guests[guest].findings}


def test_a_new_uuid_on_the_disk_of_a_fallen_guest_is_that_guest(rig):
    """It stands no better than the other did, from its first tick on; a finding and the journal say
    why, and what is open against the other is open against it. What the other had earned is not
    its own, so that it may stand worse."""
    low = fall(rig)
    before = rig.fleet.guests[A]
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk()))
    now = rig.tick().guests[D]
    assert now.trust <= low
    assert BANDS.index(now.band) >= BANDS.index(before.band)
    assert kinds(rig, D) >= {KIND, *(each.kind for each in before.findings)}
    (told,) = rig.journal(D, "kin")
    assert told.document["forebear"] == A
    assert told.document["identity"] == DISK


def test_without_the_ledger_it_would_be_trusted(rig, monkeypatch):
    """The same with nobody looking for forebears: the fallen guest is back as a newcomer."""
    monkeypatch.setattr(Kinship, "follow", lambda *_, **__: ())
    fall(rig)
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk()))
    assert rig.tick(3).guests[D].band == "trusted"


def test_it_is_kept_over_a_kill(rig):
    """Killed right after it took over, the daemon still knows what the heir is."""
    low = fall(rig)
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk()))
    rig.tick()
    rig.restart()
    now = rig.tick().guests[D]
    assert now.trust <= low + 0.05
    assert now.band != "trusted"


def test_what_was_done_while_nobody_watched_is_seen_at_the_start(rig):
    """The daemon is down while the guest is replaced: its successor is known all the same."""
    low = fall(rig)
    rig.kill()
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk()))
    rig.start()
    assert rig.tick().guests[D].trust <= low


@pytest.mark.parametrize("path", ["/images//0.qcow2", "/images/x/../0.qcow2", "//images/0.qcow2"])
def test_another_spelling_of_the_path_is_the_same_disk(rig, path):
    """A path is compared as the file that it names."""
    low = fall(rig)
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk(path)))
    assert rig.tick().guests[D].trust <= low


def test_an_overlay_of_its_disk_is_its_disk(rig):
    """A new guest on an overlay of what a fallen guest could write is that guest."""
    low = fall(rig)
    rig.hypervisor.change(on(3, disk("/images/new.qcow2", backing=("/images/mid.qcow2", DISK))))
    assert rig.tick().guests[D].trust <= low
    assert KIND in kinds(rig, D)


def test_firmware_and_tpm_are_known_too(rig):
    """The variables of the firmware and a TPM's state tell a guest as its disk does."""
    rig.hypervisor.change(web(0, firmware="/nvram/0"), web(1, tpm="/dev/tpm1"))
    rig.tick()
    low = {A: fall(rig, A), B: fall(rig, B)}
    rig.hypervisor.change(on(3, firmware="/nvram/0"), on(4, tpm="/dev/tpm1"))
    now = rig.tick().guests
    assert now[D].trust <= low[A]
    assert now[guest_id(4)].trust <= low[B]


@pytest.mark.parametrize(
    "other",
    [
        {"readonly": True},
        {"kind": "cdrom"},
        {"shared": True},
    ],
    ids=str,
)
def test_what_several_may_have_makes_nobody_kin(rig, other):
    """A medium that is read-only, exchangeable or shared spreads no distrust, on either side."""
    rig.hypervisor.change(on(0, disk("/shared", **other)))
    rig.tick()
    fall(rig)
    rig.hypervisor.change(on(3, disk("/shared", **other)))
    assert rig.tick().guests[D].band == "trusted"
    rig.hypervisor.change(on(4, disk("/shared")))
    assert rig.tick().guests[guest_id(4)].band == "trusted"


def test_a_disk_attached_read_only_tells_nothing(rig):
    """Looking at a fallen guest's disk makes nobody that guest."""
    fall(rig)
    rig.hypervisor.change(on(3, disk(readonly=True)))
    assert rig.tick().guests[D].band == "trusted"


def test_a_base_image_makes_nobody_kin(rig):
    """Of many overlays of one image, a fallen one costs its siblings and new ones nothing."""
    rig.hypervisor.change(
        *(on(number, disk(f"/images/o{number}", backing=("/base",))) for number in range(3))
    )
    rig.tick()
    fall(rig)
    rig.hypervisor.change(on(3, disk("/images/o3", backing=("/base",))))
    now = rig.tick(2).guests
    assert {now[id_].band for id_ in (B, C, D)} == {"trusted"}
    assert rig.journal(D, "kin") == []


def test_a_good_forebear_grants_nothing(rig):
    """A new UUID on the disk of a trusted guest begins as any newcomer."""
    rig.tick(20)
    earned = rig.fleet.guests[A].trust
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk()))
    now = rig.tick().guests[D]
    assert now.trust <= 0.51 < earned
    assert now.findings == ()
    (told,) = rig.journal(D, "kin")
    assert told.document["trust"] is None


def test_defining_a_fallen_guest_on_the_disk_of_a_good_one_harms_nobody(rig):
    """A guest that runs is nobody's heir, and one that never ran with a disk left nothing on it."""
    fall(rig)
    rig.hypervisor.change(on(0, disk(), Disk("vdb", "/images/1.qcow2"), state=OFF))
    rig.tick(2)
    assert rig.fleet.guests[B].band == "trusted"
    rig.hypervisor.change(web(1, state=OFF))
    rig.tick()
    rig.hypervisor.change(web(1))
    assert rig.tick(2).guests[B].band == "trusted"
    assert rig.journal(B, "kin") == []


def test_a_second_identity_that_was_prepared_is_found_when_it_starts(rig):
    """A trusted guest that was defined on the disk beforehand takes over when it runs."""
    rig.hypervisor.change(web(1, state=OFF))
    rig.tick()
    rig.hypervisor.change(on(1, disk(), state=OFF))
    rig.tick()
    assert rig.fleet.guests[B].band == "trusted"
    low = fall(rig)
    rig.hypervisor.change(web(0, state=OFF))
    rig.tick()
    rig.hypervisor.change(on(1, disk()))
    now = rig.tick().guests[B]
    assert now.trust <= low
    assert KIND in kinds(rig, B)


def test_a_disk_that_was_added_later_counts(rig):
    """A guest that gets a fallen guest's disk while it runs takes over as well."""
    low = fall(rig)
    rig.hypervisor.change(web(0, state=OFF))
    rig.tick()
    rig.hypervisor.change(on(1, disk("/images/1.qcow2"), Disk("vdb", DISK)))
    assert rig.tick().guests[B].trust <= low


def test_taking_over_happens_once(rig):
    """An heir that an operator absolved is not accused again when it stops and starts, or when the
    daemon does; its own successor stands as it does, and not as the first one did."""
    fall(rig)
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk()))
    rig.tick()
    rig.line._stages.engine.acknowledge(D, "benign", at=rig.hypervisor.at)
    rig.tick(10)
    assert rig.bands()["web-3"] == "trusted"
    for state in (OFF, GuestState.RUNNING):
        rig.hypervisor.change(on(3, disk(), state=state))
        rig.tick()
    rig.save()
    rig.restart()
    rig.tick(5)
    assert rig.bands()["web-3"] == "trusted"
    assert len(rig.journal(D, "kin")) == 1
    # long after: what the first one did was served by the one in between
    rig.tick(20, seconds=100.0)
    rig.hypervisor.undefine(D)
    rig.hypervisor.change(on(4, disk()))
    rig.tick(3)
    assert rig.bands()["web-4"] == "trusted"


def test_two_overlays_that_run_side_by_side_accuse_each_other_at_no_restart(rig):
    """A guest and one on an overlay of its disk: a restart of the daemon is no second take-over,
    also when the first has fallen since."""
    rig.hypervisor.change(on(3, disk("/images/new.qcow2", backing=(DISK,))))
    rig.tick(2)
    fall(rig)
    rig.save()
    rig.restart()
    rig.tick(2)
    assert rig.bands()["web-3"] == "trusted"


def test_setting_the_clock_back_makes_nobody_the_earlier_one(rig):
    """A prepared identity is found also where the time of day was set back in between."""
    rig.hypervisor.change(on(1, disk(), state=OFF))
    rig.tick()
    rig.hypervisor.change(on(1, disk()), web(0, state=OFF))
    rig.tick()
    rig.hypervisor.change(on(1, disk(), state=OFF))
    rig.tick()
    rig.hypervisor.change(web(0))
    rig.tick(step=-7200.0)
    fall(rig)
    rig.hypervisor.change(web(0, state=OFF))
    rig.tick()
    rig.hypervisor.change(on(1, disk()))
    rig.tick()
    assert KIND in kinds(rig, B)


def test_a_store_that_cannot_be_read_is_asked_again(rig, monkeypatch):
    """Where the repository cannot be read the heir is found as soon as it can."""
    low = fall(rig)
    aliases = rig.line._stages.keeping.aliases
    with monkeypatch.context() as broken:

        def fails(*_):
            raise StoreError("the disk is away")

        broken.setattr(aliases, "forebears", fails)
        rig.hypervisor.undefine(A)
        rig.hypervisor.change(on(3, disk()))
        rig.tick()
    assert rig.tick().guests[D].trust <= low


def test_a_guest_that_is_gone_for_good_is_not_forgotten(rig):
    """Also long after the engine dropped it: its disk, under another UUID, and its own UUID."""
    low = fall(rig)
    rig.hypervisor.undefine(A)
    rig.tick(8, seconds=100.0)
    rig.land()
    rig.hypervisor.change(on(3, disk()))
    assert rig.tick().guests[D].trust <= low
    rig.hypervisor.undefine(D)
    rig.hypervisor.change(web(0))
    assert rig.tick().guests[A].trust <= low


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(Bound.AT_MOST, Bound.AT_MOST), (Bound.PIN, Bound.AT_MOST), (Bound.AT_LEAST, None)],
)
def test_an_override_that_narrows_goes_over(rig, bound, expected):
    """What an operator narrowed the one to binds its heir until the same end; what was permitted
    is not taken over."""
    at, clock = rig.hypervisor.at, rig.hypervisor.clock
    given = Override(A, "restricted", bound, Term(at, clock, 3600.0), Author(0, 1, "root"), "why")
    rig.line.overriding.give(given, at=at)
    rig.tick()
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk()))
    rig.tick()
    found = rig.line.overriding.orders.overrides.get(D)
    assert (found and found.bound) == expected
    assert rig.tick().guests[D].band == ("restricted" if expected else "trusted")
    if found is not None:
        assert found.term == given.term
        assert A in found.reason


def test_an_heir_that_was_absolved_before_its_first_start_stays_so(rig):
    """Who took over when it was defined does not take the same over again when it starts."""
    fall(rig)
    rig.hypervisor.undefine(A)
    rig.hypervisor.change(on(3, disk(), state=OFF))
    rig.tick()
    rig.line._stages.engine.acknowledge(D, "benign", at=rig.hypervisor.at)
    rig.hypervisor.change(on(3, disk()))
    rig.tick(10)
    assert KIND not in kinds(rig, D)
    assert len(rig.journal(D, "kin")) == 1


def test_a_disk_under_ever_new_uuids_is_remembered_by_its_latest(rig):
    """Without a pause and for ever: memory holds the last of them, and nobody is laundered."""
    low = fall(rig)
    former = A
    for number in range(10, 24):
        rig.hypervisor.undefine(former)
        rig.hypervisor.change(on(number, disk()))
        rig.tick(seconds=400.0)
        former = guest_id(number)
        assert KIND in kinds(rig, former)
    known = rig.line._roster._kinship._last[Alias("volume", DISK)]
    assert former in known
    assert len(known) <= LATEST / 400.0 + 3
    assert rig.fleet.guests[former].trust <= low + 0.1


class _Whole(Kinship):
    """The same without dropping anybody."""

    def _shorten(self, alias):
        """Keep all."""


@pytest.mark.parametrize("seed", range(8))
def test_whom_memory_drops_makes_no_difference(tmp_path, seed):
    """Guests come, stop and go with two disks and overlays of them: the same take over."""
    chance = Random(seed)  # noqa: S311 - no secret
    databases = [Database(tmp_path / name) for name in ("short", "whole")]
    short, whole = (
        kinship(Keeping(each)) for kinship, each in zip((Kinship, _Whole), databases, strict=True)
    )
    guests, at, taken, dropped = {}, 1e9, 0, 0
    for _ in range(300):
        id_ = guest_id(chance.randrange(12))
        if chance.random() < 0.3:
            guests.pop(id_, None)
        else:
            path = chance.choice(["/a", "/b"])
            lies_on = chance.choice([(), ("/a",), ("/b",)]) if path == "/b" else ()
            state = chance.choice([OFF, GuestState.RUNNING, GuestState.RUNNING])
            guests[id_] = on(int(id_[-12:]), disk(path, backing=lies_on), state=state)
        at += chance.choice([1.0, 60.0, 500.0, 1000.0])
        found = [each.follow(dict(guests), at=at) for each in (short, whole)]
        assert set(found[0]) == set(found[1])
        taken += len(found[0])
        if chance.random() < 0.5:
            for each in (short, whole):
                each.save(at=at)
        dropped += sum(map(len, whole._last.values())) - sum(map(len, short._last.values()))
    assert taken > 20
    assert dropped > 100
    for each in databases:
        each.close()
