"""What reloads and guests that left leave in memory: nothing that grows."""

from __future__ import annotations

import gc
import weakref

from tests.lab.waiting import wait_until
from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from trustd.model import Disk, GuestState, Intent
from trustd.pipeline.inheriting import KIND
from trustd.pipeline.keeping import Keeping
from trustd.repository import Alias, IntentLedger

A, B = guest_id(0), guest_id(1)
BASE = ("/images/base",)
GONE = {"times": 8, "seconds": 100.0}
"""Ticks after which a guest that was undefined before them is retired."""


def overlay(number, base=BASE):
    return web(number, disks=(Disk("vda", f"/images/{number}", backing=base),))


def kinship(rig):
    return rig.line._roster._kinship


def test_old_policies_go(new_rig):
    """After a dozen reloads with a new guest each, only the one in force and the one before it may
    be alive."""
    rig = new_rig(1)
    rig.tick()
    seen = []
    for number in range(1, 13):
        policy = CALM.replace("{max: 10,", f"{{max: {10 + number},")
        assert policy != CALM
        rig.hypervisor.change(web(number))
        rig.reload(policy)
        seen.append(weakref.ref(rig.line._stages.narrowing.policy))
        rig.tick(2)

    def only_those_are_alive():
        gc.collect()
        return len({id(each()) for each in seen if each() is not None}) <= 2

    # a collection that comes while another thread is within one does nothing
    wait_until(only_those_are_alive, "the policies of earlier reloads are let go", seconds=90)


def test_what_guests_ran_with_is_let_go_with_them(new_rig):
    """Of a hundred guests on one image that came and went, no disk and no holder stays."""
    rig = new_rig([overlay(0)])
    rig.tick()
    for first in range(1, 101, 20):
        known = [overlay(number) for number in range(first, first + 20)]
        rig.hypervisor.change(*known)
        rig.tick()
        rig.hypervisor.undefine(*(each.id for each in known))
        rig.tick(**GONE)
        rig.save()
    names = {"/images/0", *BASE}
    last = kinship(rig)._last
    assert set(last) == {Alias(kind, name) for kind in ("volume", "backing") for name in names}
    assert {id_ for who in last.values() for id_ in who} == {A}
    assert set(kinship(rig)._taken) == {A}


def test_what_was_let_go_is_read_when_it_is_needed(new_rig):
    """A new UUID on the disk of a fallen guest that memory let go of is that guest."""
    rig = new_rig(2)
    rig.tick(8)
    rig.hypervisor.writes[A] = TOO_MUCH
    low = rig.tick(2).guests[A].trust
    rig.hypervisor.writes.clear()
    rig.hypervisor.undefine(A)
    rig.tick(**GONE)
    rig.save()
    disk = Alias("volume", "/images/0.qcow2")
    assert disk not in kinship(rig)._last
    rig.hypervisor.change(web(7, disks=(Disk("vda", disk.identity),)))
    now = rig.tick().guests[guest_id(7)]
    assert now.trust <= low
    assert KIND in {each.kind for each in now.findings}


def test_who_comes_back_is_not_accused_of_what_it_shared(new_rig):
    """On an overlay of a disk whose own guest stopped before it left: nothing was taken since."""
    beside = overlay(3, ("/images/0.qcow2",))
    rig = new_rig([web(0), web(1), web(2, disks=overlay(2, ("/images/0.qcow2",)).disks)])
    rig.tick(8)
    rig.hypervisor.change(beside)
    rig.tick(2)
    assert len(rig.journal(beside.id, "kin")) == 1
    rig.hypervisor.change(web(0, state=GuestState.SHUTOFF))
    rig.tick(20)
    rig.hypervisor.undefine(beside.id)
    rig.tick(**GONE)
    rig.save()
    rig.hypervisor.change(beside)
    rig.tick(2)
    assert len(rig.journal(beside.id, "kin")) == 1


def test_while_the_disk_takes_nothing_memory_keeps_it(new_rig, monkeypatch):
    """What only memory has stays until the repository takes writes again, and goes then."""
    rig = new_rig(2)
    rig.tick()
    disk = Alias("volume", "/images/0.qcow2")
    rig.hypervisor.undefine(A)
    with monkeypatch.context() as broken:
        broken.setattr(Keeping, "error", "the disk is full")
        rig.tick(**GONE)
        rig.save()
        assert disk in kinship(rig)._last
    rig.save()
    assert disk not in kinship(rig)._last


def test_how_a_narrowed_guest_was_described_goes_with_it(new_rig):
    """The description without what trustd did is dropped; what is to be given back is not."""
    rig = new_rig(2)
    prior, ours = {"write_bytes": 0}, ({"write_bytes": 1},)
    IntentLedger(rig.database).record(Intent(A, "dial", "vda", "1", prior, ours, rig.hypervisor.at))
    rig.restart()
    rig.tick()
    assert set(rig.enforcer._undisturbed) == {A}
    rig.hypervisor.undefine(A)
    rig.tick(**GONE)
    assert not rig.enforcer._undisturbed
    assert A in rig.enforcer.narrowed
