"""What was reported is listed to readers, and tried out without leaving anything."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from tests.evidence.conftest import IDS, LIMITED, VERIFIER, A, B, Reporting, report
from trustd.repository import ReportStore


async def listed(reporting: Reporting, query: str = "") -> list[dict[str, Any]]:
    async with reporting.client.get(f"/v1/evidence{query}") as answer:
        assert answer.status == 200, await answer.text()
        return list((await answer.json())["evidence"])


def count(reporting: Reporting, sender: str, result: str, reason: str) -> float | None:
    return reporting.live.meters.registry.get_sample_value(
        "trustd_evidence_reports_total", {"sender": sender, "result": result, "reason": reason}
    )


async def test_a_finding_is_listed_once_with_how_often_it_was_said(reporting: Reporting) -> None:
    """Said thrice it is one row; what becomes of it shows, with who said it and how it counts."""
    for _ in range(3):
        await reporting.taken(report(key="k", facts={"sid": 7}, confidence=0.5))
    await reporting.taken(report(B, severity="minor", expires_in=5), LIMITED)
    other, first = await listed(reporting)
    assert (first["sender"], first["guest"], first["name"]) == (IDS, A, "web-0")
    assert (first["kind"], first["key"], first["times"]) == ("ids:exploit", "k", 3)
    assert (first["severity"], first["confidence"], first["facts"]) == (
        "critical",
        0.5,
        {"sid": 7},
    )
    assert first["last"] >= first["first"]
    assert first["until"] == pytest.approx(first["last"] + 600)
    assert (other["sender"], other["state"]) == (LIMITED, "open")
    gone = {"guest": {"uuid": A}, "kind": "exploit", "family": "intrusion", "state": "resolved"}
    await reporting.taken({**gone, "key": "k"})
    assert [each["state"] for each in await listed(reporting, "?sender=ids")] == ["resolved"]


async def test_readers_choose_and_page(reporting: Reporting) -> None:
    """Each filter holds, pages follow each other without a gap, and what makes no sense is 400."""
    for key in ("a", "b", "c"):
        await reporting.taken(report(key=key))
    good = {"kind": "quote", "family": "attestation", "state": "ok"}
    await reporting.taken({"guest": {"uuid": B}, **good}, VERIFIER)
    for query, keys in (
        (f"?guest={A}", ["c", "b", "a"]),
        ("?guest=web-1", [""]),
        ("?family=attestation&state=ok", [""]),
        ("?severity=critical&limit=2", ["c", "b"]),
        ("?state=expired", []),
        ("?sender=nobody", []),
    ):
        assert [each["key"] for each in await listed(reporting, query)] == keys, query
    path, found = "/v1/evidence?limit=3", []
    while path:
        async with reporting.client.get(path) as answer:
            page = await answer.json()
        found += [each["key"] for each in page["evidence"]]
        path = page["next"]
    assert found == ["", "c", "b", "a"]
    for query in ("?limit=0", "?before=x", "?state=lost", "?severity=huge", "?who=me"):
        async with reporting.client.get(f"/v1/evidence{query}") as answer:
            assert answer.status == 400, query
    async with reporting.client.get("/v1/evidence?guest=nobody") as answer:
        assert answer.status == 404


async def test_a_dry_run_says_all_and_keeps_nothing(reporting: Reporting) -> None:
    """What would become of a report is told as it would be, and no trace of it is left."""
    path = "/v1/evidence?dry_run=true"
    await reporting.taken(report(id="known", key="k"))
    before = count(reporting, "socket", "accepted", "new")
    for sent, counts in (
        (report(), "new"),
        (report(key="k"), "again"),
        (report(id="known"), "duplicate"),
    ):
        status, document = await reporting.post(sent, path=path)
        assert (status, document["dry_run"]) == (200, True)
        assert [each["counts"] for each in document["reports"]] == [counts]
    status, _ = await reporting.post(report(family="storage"), path=path)
    assert status == 403
    status, _ = await reporting.post(report(), path="/v1/evidence?dry_run=maybe")
    assert status == 400
    assert len(await listed(reporting)) == 1
    assert len(ReportStore(reporting.rig.database).waiting()) == 1
    assert count(reporting, "socket", "accepted", "new") == before
    assert await reporting.taken(report()) == ["new"]


async def test_what_became_of_reports_is_counted(reporting: Reporting) -> None:
    """Accepted, folded and refused by their reason; no word of a sender becomes a label."""
    await reporting.taken(report(id="x"))
    await reporting.taken(report(id="x"))
    await reporting.taken(report())
    for sent in (report(family="storage"), report({"name": "nobody"}), {"kind": "no report"}):
        await reporting.post(sent)
    for result, reason in (
        ("accepted", "new"),
        ("folded", "duplicate"),
        ("folded", "again"),
        ("refused", "policy"),
        ("refused", "guest"),
        ("refused", "invalid"),
    ):
        assert count(reporting, "socket", result, reason) == 1, reason
    assert count(reporting, "socket", "refused", "unregistered") == 0


async def trustctl(reporting: Reporting, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "trustd.ctl", "--socket", str(reporting.socket), "evidence", "list", *words),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def test_operators_list_it(reporting: Reporting) -> None:
    """`trustctl evidence list` has a line for each finding, in the order of the API."""
    await reporting.taken([report(key="a"), report(B, key="b", summary="a scan")])
    lines = [line.split("\t") for line in (await trustctl(reporting)).splitlines()]
    assert [line[1:9] for line in lines] == [
        [IDS, B, "web-1", "ids:exploit", "b", "critical", "open", "1"],
        [IDS, A, "web-0", "ids:exploit", "a", "critical", "open", "1"],
    ]
    assert "a scan" in await trustctl(reporting, "--guest", "web-1", "-o", "table")
    assert await trustctl(reporting, "--state", "resolved") == ""
