"""Orders where the disk takes no writes: nothing is loosened by it, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.pipeline.orders import (
    A,
    B,
    band,
    fall,
    override,
    pause,
    protect,
    take,
)
from trustd.errors import StoreError
from trustd.model import (
    Bound,
    Mode,
)


def full(*_):
    raise OSError(28, "No space left on device")


def test_store_that_fails_lets_only_narrowing_through(rig, monkeypatch):
    """While nothing can be stored, lifts, protections and pauses are refused and change nothing;
    a narrowing counts, and says that it is not stored."""
    fall(rig)
    with monkeypatch.context() as patch:
        patch.setattr("trustd.repository.overrides.journalled", full)
        for order in (
            lambda: override(rig, "trusted", Bound.AT_LEAST),
            lambda: override(rig, "trusted"),
            lambda: protect(rig),
            lambda: pause(rig),
        ):
            with pytest.raises(StoreError, match=r"nothing was changed.*No space left"):
                order()
        with pytest.raises(StoreError, match=r"in force and not stored.*No space left"):
            override(rig, "isolated", Bound.AT_MOST, guest=B)
    rig.tick()
    assert (band(rig), band(rig, B)) == ("guarded", "isolated")
    assert rig.fleet.orders.pause is None
    rig.restart()
    rig.tick()
    assert band(rig, B) == "trusted"


def test_what_lifts_is_taken_back_although_the_disk_fails(rig, monkeypatch):
    """A resume, the end of a protection and of a release narrow at once, and are stored when the
    disk allows; what narrows stays where its end cannot be stored."""
    fall(rig)
    pause(rig)
    protect(rig)
    override(rig, "trusted", Bound.AT_LEAST)
    override(rig, "isolated", Bound.AT_MOST, guest=B)
    with monkeypatch.context() as patch:
        patch.setattr("trustd.repository.overrides.journalled", full)
        for place in (("pause", ""), ("protect", A), ("override", A)):
            with pytest.raises(StoreError, match=r"counts no more.*No space left"):
                take(rig, *place)
        with pytest.raises(StoreError, match=r"nothing was changed.*No space left"):
            take(rig, "override", B)
        rig.tick()
        assert rig.fleet.orders.pause is None
        assert rig.fleet.guests[A].mode is Mode.ENFORCE
        assert (band(rig), band(rig, B)) == ("guarded", "isolated")
        rig.settle()
    rig.tick(2)
    rig.settle()
    rig.tick(2)
    rig.restart()
    rig.tick()
    assert rig.fleet.orders.pause is None
    assert not rig.fleet.orders.protections
    assert (band(rig), band(rig, B)) == ("guarded", "isolated")
    assert [e.document["act"] for e in rig.journal(A, "protect")] == ["given", "taken back"]


def test_end_is_tried_again_until_it_is_stored(rig, monkeypatch):
    """A lift ends on time whatever the disk says; when it takes writes, a restart knows it too and
    the journal has it once. An order given meanwhile is not lost by that."""
    override(rig, "isolated", seconds=10)
    override(rig, "isolated", seconds=10, guest=B)
    with monkeypatch.context() as patch:
        patch.setattr("trustd.repository.overrides.journalled", full)
        rig.tick(6)
        assert band(rig) == "trusted"
        rig.settle()
        rig.tick(2)
        rig.settle()
    override(rig, "guarded", seconds=3600, guest=B)
    rig.tick(2)
    rig.settle()
    rig.tick(2)
    rig.restart()
    rig.hypervisor.at -= 3600
    rig.tick()
    assert (band(rig), band(rig, B)) == ("trusted", "guarded")
    assert [e.document["act"] for e in rig.journal(A, "override")] == ["given", "ended"]
