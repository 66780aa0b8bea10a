"""The decision point: bands, silence, one policy an answer, records."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest
from aiohttp import web

from tests.conformance.client import EVALUATION, EVALUATIONS, Client
from tests.decisions.serving import AUTHZEN, guest, policy, serving, world
from trustd.daemon.access import boot_clock
from trustd.decisions import Asker, Question
from trustd.decisions.authzen import REASONS, bad, read
from trustd.decisions.body import TooLarge
from trustd.model import GuestState

CALLER = {"name": "store", "user": os.getuid(), "dialects": ["authzen"]}
KNOWN = Asker("store", "authzen")
VOLUME = "/pool/web.qcow2"
JSON_TYPE = "application/json"
WEB = guest(1, app="web")
OPEN = AUTHZEN.read_text("utf-8")


def ask(who, action="write"):
    return Question("guest", who.id, action, "volume", VOLUME)


def document(who, action):
    return {
        "subject": {"type": "guest", "id": who.id},
        "action": {"name": action},
        "resource": {"type": "volume", "id": VOLUME},
    }


@pytest.fixture
def served(tmp_path):
    with serving(tmp_path, world(policy(), {WEB: "trusted"}), {"callers": [CALLER]}) as found:
        yield found


def decide(served, question):
    return served.run(served.point.decide(KNOWN, question))


@pytest.mark.parametrize(
    ("band", "read", "write"),
    [("trusted", True, True), ("restricted", True, False), ("isolated", False, False)],
)
def test_band_of_the_last_tick_decides(served, band, read, write):
    """The guest's band at the last tick narrows what its role permits."""
    served.point.publish(world(policy(), {WEB: band}))
    assert decide(served, ask(WEB, "read")).permit is read
    assert decide(served, ask(WEB, "write")).permit is write


def test_unknown_guest_and_properties_of_guests_get_nothing(served):
    """A guest that is not there is denied; nobody talks a guest's labels into being."""
    stranger = guest(9)
    assert decide(served, ask(stranger)).reason == "unknown-subject"
    served.point.publish(world(policy(), {guest(2): "trusted"}))
    asker = replace(KNOWN, subjects=frozenset({"guest"}))
    brought = ask(guest(2))._replace(brought={"app": "web"})
    assert served.run(served.point.decide(asker, brought)).reason == "no-role"


def test_ticks_that_stay_away_make_bands_worse(served):
    """When no tick comes, the policy's word on silence holds: a cap, and then the bottom."""
    now = world(policy(), {WEB: "trusted"}, fresh_for=15.0)
    expected = {10: "trusted", 20: "trusted", 40: "restricted", 700: "isolated"}
    for age, band in expected.items():
        served.point.publish(replace(now, clock=boot_clock() - age))
        assert decide(served, ask(WEB)).band == band, age


def test_explain_agrees_with_decide(served):
    """For every band and action the explanation has the decision itself."""

    async def explain(question):
        return served.point.explain(KNOWN, question)

    for band in policy().bands:
        served.point.publish(world(policy(), {WEB: band}))
        for action in ("read", "write", "fly"):
            told = served.run(explain(ask(WEB, action)))
            assert told.decision == decide(served, ask(WEB, action))


def test_items_are_answered_as_if_each_were_asked_alone(served):
    """Whatever stands beside it: texts alone, properties, reasons, another policy's subject, or
    what is broken; asked again, the answer is the same."""
    plain = [document(who, action) for who in (WEB, guest(9)) for action in ("write", "fly")]
    items = [
        *plain,
        {**plain[0], "context": {REASONS: True}},
        {**plain[0], "resource": {**plain[0]["resource"], "properties": {"app": "other"}}},
        {**plain[0], "subject": {"type": "user", "id": "alice", "properties": {"app": "web"}}},
        {**plain[0], "action": {"name": "write", "properties": {}}},
        plain[0],
    ]
    client = served.unix()
    alone = [client.post(EVALUATION, each).document for each in items]
    permitted = [at for at, each in enumerate(alone) if each["decision"]]
    assert permitted == [0, 4, 5, 7, 8]
    for asked in (plain, items, [*reversed(items)]):
        answer = client.post(EVALUATIONS, {"evaluations": asked}).document["evaluations"]
        assert answer == [alone[items.index(each)] for each in asked]
    broken = client.post(EVALUATIONS, {"evaluations": [*plain, 7]}).document["evaluations"]
    assert broken[:4] == alone[:4]
    assert "must be an object" in broken[4]["context"]["error"]["message"]


async def test_body_that_came_at_once_is_bounded_too(tmp_path):
    """What is there as soon as its head is refused like what comes piece by piece: too large."""

    async def handler(request: web.Request) -> web.Response:
        assert request.content.is_eof()
        try:
            await read(request)
        except TooLarge as error:
            return bad(error)
        return web.Response()

    app = web.Application(client_max_size=20)
    app.router.add_post("/", handler)
    path, statuses = str(tmp_path / "s"), []
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    for size in (20, 21):
        reader, writer = await asyncio.open_unix_connection(path)
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON_TYPE}\r\nContent-Length: {size}"
        writer.write(f"{head}\r\n\r\n".encode() + b"{}".ljust(size))
        statuses.append((await reader.readline()).split()[1])
        writer.close()
    await runner.cleanup()
    assert statuses == [b"200", b"413"]


def test_every_answer_is_of_one_policy(served):
    """While policies are swapped under a storm of batches, each answer is wholly of one of them."""
    open_, closed = policy(), policy(OPEN.replace("name: authzen", "name: closed"))
    worlds = {
        w.policy.id: w for w in (world(open_, {WEB: "trusted"}), world(closed, {WEB: "isolated"}))
    }
    permits = {open_.id: True, closed.id: False}
    client = served.unix()
    body = {"evaluations": [{}] * 2000, **document(WEB, "write")}

    async def swap():
        for _ in range(200):
            for each in worlds.values():
                served.point.publish(each)
                await asyncio.sleep(0.001)

    task = asyncio.run_coroutine_threadsafe(swap(), served.loop)
    seen = set()
    while not task.done():
        answer = client.post(EVALUATIONS, body)
        decided = {each["decision"] for each in answer.document["evaluations"]}
        assert decided == {permits[answer.headers["X-Trust-Policy"]]}
        seen |= decided
    assert seen == {True, False}


def test_running_wall_keeps_rivals_apart(tmp_path):
    """Of two rivals that run, neither is permitted anything; when one stops, the other is."""
    text = OPEN.replace(
        "mode: history}",
        "mode: history}\n  - {name: hosts, label: tenant, "
        "conflicts: [[acme, bolt]], mode: running}",
    )
    acme, bolt = guest(1, app="web", tenant="acme"), guest(2, app="web", tenant="bolt")
    with serving(tmp_path, world(policy(text), {acme: "trusted"}), {}) as served:
        assert decide(served, ask(acme)).permit
        served.point.publish(world(policy(text), {acme: "trusted", bolt: "trusted"}))
        assert decide(served, ask(acme)).reason == decide(served, ask(bolt)).reason == "wall"
        stopped = type(bolt)(bolt.id, bolt.name, GuestState.SHUTOFF, bolt.labels)
        served.point.publish(world(policy(text), {acme: "trusted", stopped: "trusted"}))
        assert decide(served, ask(acme)).permit


def test_denials_are_recorded_and_permits_by_setting(tmp_path):
    """A denial is always recorded with its reason and policy; a permit where that is set."""
    for record, expected in (("denials", [False]), ("all", [True, False])):
        directory = tmp_path / record
        directory.mkdir()
        settings = {"callers": [CALLER], "record": record}
        with serving(directory, world(policy(), {WEB: "restricted"}), settings) as served:
            client: Client = served.unix()
            for action in ("read", "write"):
                client.post(EVALUATION, document(WEB, action))
            records = served.records()
            assert [each.permit for each in records] == expected
            last = records[-1]
            assert (last.caller, last.dialect, last.reason) == ("store", "authzen", "band-cap")
            assert (last.subject, last.object, last.band) == (WEB.id, VOLUME, "restricted")
            assert last.policy == policy().id


def test_records_are_bounded(tmp_path):
    """Beyond the bound the oldest records go."""
    settings = {"callers": [CALLER], "keep": 1000}
    with serving(tmp_path, world(policy()), settings) as served:
        body = {"evaluations": [{}] * 700, **document(WEB, "write")}
        for _ in range(3):
            served.unix().post(EVALUATIONS, body)
            served.records()
        with served.database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM decision").fetchone()
        assert count == 1000
