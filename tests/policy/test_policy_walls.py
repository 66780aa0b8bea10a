"""Chinese Walls: on one host, over time, and against writing what was read."""

from trustd.policy.schema import Wall as WallRule
from trustd.policy.selectors import values_of
from trustd.policy.walls import (
    Blocked,
    Wall,
    bindings,
    bound,
    guarded,
    occupancy,
    occupied_by,
    violations,
)

WRITES = frozenset({"write"})


def wall(mode, write_rule="none", conflicts=(("a", "b"), ("p", "q", "r"))):
    rule = WallRule(name="w", label="client", conflicts=conflicts, mode=mode, write_rule=write_rule)
    return Wall.of(rule, WRITES)


def values(client=None, identity="g"):
    return values_of({} if client is None else {"client": client}, identity)


def over_time(one, client, held, action="read"):
    return bound(guarded([one], values(client)), action, {"w": frozenset(held)})


def test_the_first_access_is_free_and_the_second_of_a_rival_is_not():
    """Brewer and Nash: any one of a conflict set, then only that one."""
    one = wall("history")
    assert over_time(one, "a", []) is None
    assert over_time(one, "a", ["a"]) is None
    assert over_time(one, "b", ["a"]) == Blocked("w", "b", "a")
    assert over_time(one, "p", ["a"]) is None
    assert over_time(one, "q", ["a", "r"]) == Blocked("w", "q", "r")
    assert over_time(one, "other", ["a"]) is None
    assert over_time(one, None, ["a"]) is None


def test_an_object_of_two_rivals_is_for_nobody():
    """Nobody could read it without reading both."""
    assert over_time(wall("history"), ["a", "b"], []) is not None
    assert over_time(wall("history"), ["a", "p"], []) is None


def test_what_was_read_is_not_written_elsewhere():
    """The *-property, for the actions that write, also towards unlabelled objects."""
    one = wall("history", "strict")
    assert over_time(one, "a", ["a"], "write") is None
    assert over_time(one, "a", [], "write") is None
    assert over_time(one, "p", ["a"], "write") == Blocked("w", "p", "a")
    assert over_time(one, None, ["a"], "write") == Blocked("w", "", "a")
    assert over_time(one, "p", ["a"], "read") is None
    assert over_time(wall("history"), "p", ["a"], "write") is None


def test_a_permit_binds_what_is_new_and_matters():
    """Values in a conflict set; with the strict rule every value."""
    several = guarded([wall("history")], values(["a", "r", "p", "x"]))
    assert bindings(several, {"w": frozenset({"a"})}) == (("w", "p"), ("w", "r"))
    assert bindings(guarded([wall("history", "strict")], values("x")), {}) == (("w", "x"),)
    assert bindings(guarded([wall("history")], values("x")), {}) == ()
    assert guarded([wall("history")], values()) == ()


def on_host(one, mine, *others):
    running = {f"g{n}": values(client, f"g{n}") for n, client in enumerate(others)}
    subject = values(mine, "g0")
    occupied = occupancy([one], running)
    return occupied_by([one], subject, occupied)


def test_rivals_do_not_run_together():
    """sHype's wall looks at the other guests that run, never at the guest itself."""
    one = wall("running")
    assert on_host(one, "a", "a") is None
    assert on_host(one, "a", "a", "a", "p") is None
    assert on_host(one, "a", "a", "b") == Blocked("w", "a", "b")
    assert on_host(one, "q", "q", "p") == Blocked("w", "q", "p")
    assert on_host(one, "x", "x", "a", "b") is None


def test_unlabelled_guests_do_not_run_where_a_wall_is():
    """Who says nothing of itself could be anybody's."""
    assert on_host(wall("running"), None) == Blocked("w", "", "")


def test_guests_that_run_against_a_new_wall_are_all_named():
    """Both sides of a conflict, and whoever is unlabelled."""
    running = {
        "g1": values("a", "g1"), "g2": values("b", "g2"), "g3": values("p", "g3"),
        "g4": values(None, "g4"),
    }  # fmt: skip
    found = violations([wall("running"), wall("history")], running)
    assert found == (
        ("g1", Blocked("w", "a", "b")),
        ("g2", Blocked("w", "b", "a")),
        ("g4", Blocked("w", "", "")),
    )
