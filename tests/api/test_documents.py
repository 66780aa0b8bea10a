"""What the API answers about guests and the daemon."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import Served
from tests.api.fleets import AT, BANDS, FEATURES, assessed, fleet, guest_id, narrowed
from trustd.api import views
from trustd.model import Freshness, HypervisorCondition, OutcomeStatus

HOSTILE = "<img src=x onerror=alert(1)>/../\x1b[31m\u202egnp.exe%2f?#&"


async def test_guests_come_lowest_trust_first(served: Served) -> None:
    """The list begins with the guest that one should look at, and says why."""
    served.publish(fleet(assessed(), narrowed()))
    async with served.unix.get("/v1/guests") as answer:
        document = await answer.json()
    assert [guest["name"] for guest in document["guests"]] == ["bad-1", "web-1"]
    first = document["guests"][0]
    assert first["id"] == guest_id(2)
    assert (first["trust"], first["uncertainty"], first["band"]) == (0.27, 0.05, "restricted")
    assert first["restricted"] == ["disk-throttle"]
    assert first["lost"] == 1
    assert first["drivers"][0]["name"] == "disk.write.bytes"
    assert document["total"] == 2
    assert document["next"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("band=guarded", ["c"]),
        ("band=guarded&band=trusted", ["c", "a", "b"]),
        ("label=app:db", ["b"]),
        ("label=app", ["d", "c", "a", "b"]),
        ("label=app:web&label=env:prod", ["a"]),
        ("label=app:nope", []),
        ("role=db", ["b"]),
        ("freshness=partial", ["d"]),
        ("sort=-trust", ["b", "a", "c", "d"]),
        ("sort=name&limit=2", ["a", "b"]),
        ("sort=name&limit=2&offset=3", ["d"]),
        ("sort=age", ["a", "b", "c", "d"]),
    ],
)
async def test_guests_are_filtered_sorted_and_paged(
    served: Served, query: str, names: list[str]
) -> None:
    """Each parameter does what it says; a guest without a trust value is the first to look at."""
    served.publish(
        fleet(
            assessed("a", 1, trust=0.8, labels={"app": "web", "env": "prod"}, age=1.0),
            assessed("b", 2, trust=0.9, labels={"app": "db"}, roles=("db",), age=2.0),
            assessed("c", 3, trust=0.5, band="guarded", age=3.0),
            assessed("d", 4, trust=nan, band="isolated", freshness=Freshness.PARTIAL, age=nan),
        )
    )
    async with served.unix.get(f"/v1/guests?{query}") as answer:
        assert answer.status == 200
        document = await answer.json()
    assert [guest["name"] for guest in document["guests"]] == names


async def test_following_next_gives_every_guest_once(served: Served) -> None:
    """Pages are linked, keep their filter, and end."""
    served.publish(fleet(*(assessed(f"g{n}", n, trust=n / 30) for n in range(25))))
    address, seen = "/v1/guests?limit=10&band=trusted", []
    while address:
        async with served.unix.get(address) as answer:
            document = await answer.json()
        seen += [guest["name"] for guest in document["guests"]]
        address = document["next"]
    assert seen == [f"g{n}" for n in range(25)]


async def test_a_guest_is_shown_whole(served: Served) -> None:
    """Samples carry their unit; a gap is null with its reason; NaN never becomes 0."""
    served.publish(fleet(assessed(), narrowed()))
    async with served.unix.get(f"/v1/guests/{guest_id(1)}") as answer:
        document = await answer.json()
    assert document["samples"] == {
        "cpu.usage": {"value": 12.5, "unit": "percent", "gap": None},
        "net.tx.bytes": {"value": 4096.0, "unit": "bytes/s", "gap": None},
        "net.rx.bytes": {"value": None, "unit": "bytes/s", "gap": "not-a-number"},
        "memory.used": {"value": None, "unit": "percent", "gap": "not-reported"},
    }
    assert document["opinion"]["uncertainty"] == 0.1
    assert document["disks"][0]["identity"] == "/pool/1.qcow2"
    async with served.unix.get("/v1/guests/bad-1") as answer:
        document = await answer.json()
    assert document["findings"][0]["facts"]["huge"] == str(2**70)
    applied, failed = document["actions"]
    assert (applied["status"], applied["prior"]) == ("applied", {"write_bytes": 0})
    assert (failed["status"], failed["error"]) == ("failed", "device busy")


async def test_explain_and_permissions_say_what_was_lost_and_why(served: Served) -> None:
    """The drivers, the open findings, the lost access and the acts stand in one document."""
    served.publish(fleet(narrowed()))
    async with served.unix.get("/v1/guests/bad-1/explain") as answer:
        why = await answer.json()
    assert [driver["share"] for driver in why["drivers"]] == [0.7, 0.3]
    assert why["findings"][0]["kind"] == "snapshot-revert"
    assert why["missing"] == {"memory.used": "not-reported"}
    assert why["lost"] == [
        {"type": "volume", "id": "/pool/2.qcow2", "held": ["read"], "lost": ["write"]}
    ]
    async with served.unix.get("/v1/guests/bad-1/permissions") as answer:
        held = await answer.json()
    assert held["band"] == "restricted"
    assert held["access"] == why["lost"]


async def test_a_uuid_wins_over_a_name(served: Served) -> None:
    """A guest that is named like another's UUID cannot stand in for it."""
    served.publish(fleet(assessed("real", 1), assessed(guest_id(1), 2)))
    for key in (guest_id(1), guest_id(1).upper()):
        async with served.unix.get(f"/v1/guests/{key}") as answer:
            assert (await answer.json())["summary"]["name"] == "real"


async def test_a_name_that_several_guests_have_is_refused(served: Served) -> None:
    """It is answered with 409 and the UUIDs to choose from; an unknown one with 404."""
    served.publish(fleet(assessed("twin", 1), assessed("twin", 2)))
    async with served.unix.get("/v1/guests/twin") as answer:
        assert answer.status == 409
        assert guest_id(2) in (await answer.json())["detail"]
    async with served.unix.get("/v1/guests/none") as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


async def test_a_hostile_name_is_data(served: Served) -> None:
    """Markup, control characters and slashes come back as they are, as JSON text."""
    served.publish(fleet(assessed(HOSTILE)))
    async with served.unix.get(f"/v1/guests/{quote(HOSTILE, safe='')}/explain") as answer:
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "trustd", "no versions"
        assert answer.content_type == "application/json"
        assert (await answer.json())["name"] == HOSTILE


@given(
    name=st.text(max_size=600),
    value=st.text(max_size=50) | st.characters(categories=["Cs"]),
    trust=st.floats(),
)
def test_any_guest_becomes_json(name: str, value: str, trust: float) -> None:
    """No name, label or number makes a document that cannot be sent."""
    guest = replace(
        narrowed(name, labels={"app": value, value: name}), trust=trust, age=trust, at=trust
    )
    for document in (
        views.full(guest, {feature.name: feature for feature in FEATURES}),
        views.explanation(guest),
        views.permissions(guest),
    ):
        assert orjson.loads(orjson.dumps(document))
    assert len(views.summary(guest).name) <= 256


async def test_status_tells_the_daemons_condition(served: Served) -> None:
    """Counts, policy, hypervisor, host and collectors stand in one document."""
    served.publish(fleet(assessed(), narrowed(), overruns=3))
    served.clock.now += 4
    async with served.unix.get("/v1/status") as answer:
        document = await answer.json()
    assert document["ready"] is True
    assert document["age"] == 4
    assert document["overruns"] == 3
    assert document["guests"] == {
        "total": 2,
        "restricted": 1,
        "by_band": {"trusted": 1, "guarded": 0, "restricted": 1, "isolated": 0},
        "by_freshness": {"fresh": 2},
        "by_state": {"running": 2},
    }
    assert document["bands"] == list(BANDS)
    assert document["plugins"]["emulator"]["errors"] == 3
    assert document["policy"]["loaded"] == AT - 100


async def test_readiness_gives_its_reasons(served: Served) -> None:
    """503 before the first tick, when ticks are late, without hypervisor or store; else 200."""

    async def unready() -> set[str]:
        async with served.unix.get("/readyz") as answer:
            document = await answer.json()
            assert (answer.status == 200) is document["ready"]
            assert answer.status in {200, 503}
        assert all(check["ok"] or check["reason"] for check in document["checks"].values())
        return {name for name, check in document["checks"].items() if not check["ok"]}

    every = {"policy", "collection", "hypervisor", "store", "enforcement"}
    assert await unready() == every
    served.publish(fleet(assessed()))
    assert await unready() == set()
    served.clock.now += 31
    assert await unready() == {"collection"}
    down = HypervisorCondition(up=False, since=AT, error="connection refused")
    served.publish(fleet(hypervisor=down, store_error="disk full"))
    assert await unready() == {"hypervisor", "store"}


async def test_a_refused_reload_does_not_make_it_unready(served: Served) -> None:
    """The old policy is in force: status tells the error, readiness stays."""
    well = fleet(assessed())
    served.publish(replace(well, policy=replace(well.policy, error="line 3: unknown band")))
    async with served.unix.get("/v1/status") as answer:
        document = await answer.json()
    assert document["ready"] is True
    assert document["policy"]["error"] == "line 3: unknown band"


async def test_nothing_is_invented_before_the_first_tick(served: Served) -> None:
    """Guests, status and metrics are 503 with a problem; the process is alive all the same."""
    for path in ("/v1/guests", "/v1/status", "/metrics", "/v1/guests/x"):
        async with served.unix.get(path) as answer:
            assert answer.status == 503, path
            assert answer.headers["Retry-After"] == "1"
    async with served.unix.get("/livez") as answer:
        assert await answer.json() == {"alive": True, "version": "1.2.3"}


async def test_observe_mode_shows_what_would_be_restricted(served: Served) -> None:
    """A lever that would narrow a guest is named, with its status."""
    guest = narrowed()
    wished = replace(guest.outcomes[0], status=OutcomeStatus.WOULD_APPLY)
    served.publish(fleet(replace(guest, outcomes=(wished,))))
    async with served.unix.get("/v1/guests/bad-1") as answer:
        document = await answer.json()
    assert document["summary"]["restricted"] == ["disk-throttle"]
    assert document["actions"][0]["status"] == "would-apply"
