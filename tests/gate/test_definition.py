"""A gate's definition: whole or not there, and never a way out of its place."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gate.servers import GUEST, gate_of
from trustd.errors import StoreError
from trustd.gate import Gates, denied, deny
from trustd.gate.definition import name_of, read_gate


@pytest.mark.parametrize(
    ("guest", "target"),
    [
        ("../../../etc/cron.d/x", "vda"),
        (GUEST.upper(), "vda"),
        (GUEST, "../vda"),
        (GUEST, "vda/.."),
        (GUEST, ""),
        (GUEST, "vda\n"),
    ],
)
def test_no_name_leads_out_of_the_directory(guest: str, target: str) -> None:
    """A gate is named by a UUID and a target, and by nothing else that somebody may choose."""
    with pytest.raises(ValueError, match="is no"):
        name_of(guest, target)


def test_gates_are_there_again_after_a_restart(tmp_path: Path) -> None:
    """What was defined is found by the next run, equal; what was removed is not."""
    gates = Gates(tmp_path / "gates", tmp_path / "run")
    one, other = gate_of(tmp_path, target="vda"), gate_of(tmp_path, target="vdb")
    gates.add(one)
    gates.add(other)
    gates.remove(other)
    assert Gates(tmp_path / "gates").known == {one.id: one}
    with pytest.raises(StoreError, match="already"):
        gates.add(one)


def test_what_was_half_done_when_it_was_killed_is_cleared(tmp_path: Path) -> None:
    """A directory that never got its name, or just lost it, is no gate, and is in nobody's way."""
    gates = Gates(tmp_path / "gates")
    gate = gate_of(tmp_path)
    gates.add(gate)
    place = gates.place(gate)
    place.rename(place.with_name(f".gone-{gate.id}"))
    again = Gates(tmp_path / "gates")
    assert not again.known
    again.add(gate)
    assert [each.name for each in (tmp_path / "gates").iterdir()] == [gate.id]


def test_one_broken_definition_costs_the_others_nothing(tmp_path: Path) -> None:
    """A gate whose file was damaged is left out; the others are there."""
    gates = Gates(tmp_path / "gates")
    good, bad = gate_of(tmp_path, target="vda"), gate_of(tmp_path, target="vdb")
    gates.add(good)
    gates.add(bad)
    (gates.place(bad) / "gate.json").write_bytes(b"{")
    assert list(Gates(tmp_path / "gates").known) == [good.id]


def test_a_definition_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """The server, which may be root, believes no directory that others could have filled."""
    gates = Gates(tmp_path / "gates")
    gate = gate_of(tmp_path)
    gates.add(gate)
    place = gates.place(gate)
    assert read_gate(place) == gate
    place.chmod(0o770)
    with pytest.raises(StoreError, match="only its owner"):
        read_gate(place)
    place.chmod(0o700)
    secret = tmp_path / "secret"
    (place / "gate.json").rename(secret)
    (place / "gate.json").symlink_to(secret)
    with pytest.raises(StoreError, match="not a gate"):
        read_gate(place)


def test_a_definition_in_another_gates_place_is_refused(tmp_path: Path) -> None:
    """A directory defines the gate whose name it has."""
    gates = Gates(tmp_path / "gates")
    gate = gate_of(tmp_path)
    gates.add(gate)
    moved = gates.place(gate).rename(tmp_path / "gates" / f"{GUEST}-vdz")
    with pytest.raises(StoreError, match="another gate"):
        read_gate(moved)


def test_denials_are_files_and_follow_no_link(tmp_path: Path) -> None:
    """What is denied is what is there; a link in the way is an error, and what it names stays."""
    assert denied(tmp_path) == {"deny_read": False, "deny_write": False}
    deny(tmp_path, {"deny_read": False, "deny_write": True})
    assert denied(tmp_path) == {"deny_read": False, "deny_write": True}
    deny(tmp_path, {"deny_read": False, "deny_write": False})
    assert not list(tmp_path.iterdir())
    (tmp_path / "deny-read").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        deny(tmp_path, {"deny_read": True, "deny_write": False})
    assert not (tmp_path / "elsewhere").exists()


def test_a_gate_needs_absolute_paths(tmp_path: Path) -> None:
    """A path that depends on where the server was started is refused."""
    with pytest.raises(ValueError, match="absolute"):
        replace(gate_of(tmp_path), disk=os.path.relpath(tmp_path))
