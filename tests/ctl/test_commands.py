"""What trustctl shows, in each form, and how it ends."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.fleets import AT, assessed, fleet, guest_id, narrowed
from tests.ctl.conftest import Served, Trustctl
from trustd.ctl import COMMANDS
from trustd.model import Driver, Freshness, HypervisorCondition, Mode, OutcomeStatus

HOSTILE = "x[b]\x1b[2J\n\t\u202egnp\u200b.exe[/b]\x9b1m"
SHOWN = "x[b]\\x1b[2J\\n\\t\\u202egnp\\u200b.exe[/b]\\x9b1m"


async def test_guests_are_lines_for_programs(served: Served, trustctl: Trustctl) -> None:
    """Away from a terminal: a line a guest, tab-separated, exact, lowest trust first."""
    served.publish(fleet(assessed(), narrowed()))
    ran = await trustctl("guests")
    assert (ran.code, ran.err) == (0, "")
    first, second = (line.split("\t") for line in ran.out.splitlines())
    assert first == [
        guest_id(2),
        "bad-1",
        "0.27",
        "0.05",
        "restricted",
        str(AT - 3600),
        "fresh",
        "0.5",
        "running",
        "disk.write.bytes,snapshot-revert",
        "disk-throttle",
    ]
    assert second[1] == "web-1"


async def test_guests_are_a_table_for_people(served: Served, trustctl: Trustctl) -> None:
    """Trust, uncertainty, band, age, drivers and what narrows it, under their headings."""
    unknown = assessed("frozen", 3, freshness=Freshness.PARTIAL, age=42.0)
    served.publish(fleet(assessed(), narrowed(), unknown))
    ran = await trustctl("guests", "-o", "table")
    lines = ran.out.splitlines()
    for heading in ("GUEST", "TRUST", "UNCERT", "BAND", "SINCE", "AGE", "DRIVERS", "RESTRICTED"):
        assert heading in lines[0] + lines[1]
    bad = next(line for line in lines if "bad-1" in line)
    for part in (
        "0.27",
        "0.05",
        "restricted",
        "disk.write.bytes, snapshot-revert",
        "disk-throttle",
    ):
        assert part in bad
    assert "running, partial" in next(line for line in lines if "frozen" in line)
    assert "\x1b" not in ran.out


async def test_json_is_the_apis_own_document(served: Served, trustctl: Trustctl) -> None:
    """What a script reads with -o json is what the API answers."""
    served.publish(fleet(assessed(), narrowed()))
    for args, path in (
        (("guests",), "/v1/guests"),
        (("guest", "bad-1"), "/v1/guests/bad-1"),
        (("status",), "/v1/status"),
    ):
        ran = await trustctl(*args, "-o", "json")
        async with served.unix.get(path) as answer:
            assert json.loads(ran.out) == await answer.json()


async def test_every_guest_is_listed_however_many(served: Served, trustctl: Trustctl) -> None:
    """More than one page of the API is one list."""
    served.publish(fleet(*(assessed(f"g{n}", n) for n in range(1205))))
    ran = await trustctl("guests", "-o", "json")
    document = json.loads(ran.out)
    assert len({guest["id"] for guest in document["guests"]}) == document["total"] == 1205


async def test_guests_are_filtered_and_sorted(served: Served, trustctl: Trustctl) -> None:
    """Options go to the API; a wrong one is explained."""
    served.publish(fleet(assessed(), narrowed(labels={"app": "db"})))
    ran = await trustctl("guests", "--label", "app:db", "--band", "restricted")
    assert [line.split("\t")[1] for line in ran.out.splitlines()] == ["bad-1"]
    ran = await trustctl("guests", "--sort", "trust", "--reverse")
    assert [line.split("\t")[1] for line in ran.out.splitlines()] == ["web-1", "bad-1"]
    ran = await trustctl("guests", "--band", "best")
    assert ran.code == 1
    assert "known are trusted" in ran.err


async def test_a_guest_is_shown_whole(served: Served, trustctl: Trustctl) -> None:
    """Identity, trust, drivers, findings, acts with what was before, access, samples and gaps."""
    served.publish(fleet(narrowed()))
    ran = await trustctl("guest", "bad-1", "-o", "table")
    assert ran.code == 0
    for part in (
        guest_id(2),
        "app: web",
        "0.27 (belief",
        "uncertainty 0.05",
        "92 MB/s, usually below 3 MB/s",
        "reverted to a snapshot",
        "write_bytes=1048576",
        "write_bytes=0",
        "failed: device busy",
        "12.5 %",
        "4.1 kB/s",
        "not-reported",
    ):
        assert part in ran.out, part
    ran = await trustctl("guest", guest_id(2))
    lines = [line.split("\t") for line in ran.out.splitlines()]
    assert ["sample", "memory.used", "-", "percent", "not-reported"] in lines
    assert ["access", "volume", "/pool/2.qcow2", "read", "write"] in lines


async def test_what_would_be_done_is_marked(served: Served, trustctl: Trustctl) -> None:
    """In observe mode no output says that a guest is narrowed."""
    guest = narrowed()
    wish = replace(guest.outcomes[0], status=OutcomeStatus.WOULD_APPLY)
    served.publish(fleet(replace(guest, outcomes=(wish,), mode=Mode.OBSERVE)))
    for form in ("table", "plain"):
        ran = await trustctl("guests", "-o", form)
        assert "would: disk-throttle" in ran.out


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "plain", "json"])
@pytest.mark.parametrize("color", ["always", "never"])
async def test_a_hostile_guest_is_shown_harmlessly(
    served: Served, trustctl: Trustctl, form: str, color: str
) -> None:
    """Escape sequences, markup, line breaks and bidi overrides come out as visible text."""
    guest = narrowed(
        HOSTILE,
        labels={HOSTILE: HOSTILE},
        drivers=(Driver(HOSTILE, 1.0, HOSTILE),),
    )
    served.publish(fleet(guest))
    for args in (("guests",), ("guest", guest_id(2)), ("guest", HOSTILE)):
        ran = await trustctl(*args, "-o", form, "--color", color, COLUMNS="400")
        assert ran.code == 0
        text = ran.out
        if form == "table" and color == "always":
            # Colours of our own are the only sequences.
            text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert all(char.isprintable() for char in text.replace("\n", "").replace("\t", ""))
        if form == "json":
            continue
        assert SHOWN in text
        assert "gnp.exe" not in text


async def test_status_tells_what_is_wrong(served: Served, trustctl: Trustctl) -> None:
    """0 when ready; 3 with the reason when not."""
    served.publish(fleet(assessed(), narrowed()))
    ran = await trustctl("status", "-o", "table")
    assert ran.code == 0
    for part in ("1.2.3, ready, mode enforce", "2, 1 restricted", "trusted 1", "timeout (3 times)"):
        assert part in ran.out
    down = HypervisorCondition(up=False, since=AT, error="connection refused")
    served.publish(fleet(assessed(), hypervisor=down))
    ran = await trustctl("status", "-o", "table")
    assert ran.code == 3
    assert "NOT READY" in ran.out
    assert "down: connection refused" in ran.out
    ran = await trustctl("status")
    assert ran.code == 3
    assert "checks.hypervisor.reason\tconnection refused" in ran.out.splitlines()


async def test_require_makes_a_low_band_an_exit_code(served: Served, trustctl: Trustctl) -> None:
    """3 where a guest is below the band, 0 where none is, 2 for a band that there is not."""
    served.publish(fleet(assessed(), narrowed()))
    assert (await trustctl("guests", "--require", "guarded")).code == 3
    assert (await trustctl("guests", "--require", "restricted")).code == 0
    ran = await trustctl("guests", "--require", "best")
    assert ran.code == 2
    assert "known bands are trusted" in ran.err


async def test_an_unknown_guest_is_an_error(served: Served, trustctl: Trustctl) -> None:
    """1, with what to do; nothing on standard output."""
    served.publish(fleet(assessed()))
    ran = await trustctl("guest", "nobody")
    assert (ran.code, ran.out) == (1, "")
    assert "no guest has the UUID or name 'nobody'" in ran.err


async def test_a_daemon_that_is_not_there_is_69(
    served: Served, trustctl: Trustctl, tmp_path: Path
) -> None:
    """Every command ends with 69 and says which socket it tried."""
    missing = tmp_path / "missing.sock"
    for args in (("status",), ("guests",), ("guest", "x"), ("top",)):
        ran = await trustctl(*args, "--socket", str(missing))
        assert ran.code == 69, args
        assert str(missing) in ran.err
        assert "Traceback" not in ran.err
    ran = await trustctl("--socket", str(missing), "status")
    assert ran.code == 69


async def test_something_else_on_the_socket_is_told(tmp_path: Path, trustctl: Trustctl) -> None:
    """An answer that is not trustd's is an error of one line, not a traceback."""

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hello")
        writer.close()

    path = tmp_path / "other.sock"
    async with await asyncio.start_unix_server(other, path):
        ran = await trustctl("status", "--socket", str(path))
    assert ran.code == 1
    assert "this is not trustd" in ran.err
    assert "Traceback" not in ran.err


async def test_wrong_usage_is_2(trustctl: Trustctl) -> None:
    """An unknown command or option is told apart from a failure."""
    for args in (("nonsense",), ("guests", "--nonsense"), ("guest",), ("guests", "-o", "xml")):
        assert (await trustctl(*args)).code == 2, args


@pytest.mark.slow
async def test_help_and_version_need_no_daemon(trustctl: Trustctl) -> None:
    """Every command is listed, and explains itself."""
    ran = await trustctl("--help", TRUSTD_SOCKET="/nonexistent")
    assert ran.code == 0
    assert all(f"  {name} " in ran.out for name in COMMANDS)
    for name in COMMANDS:
        ran = await trustctl(name, "--help")
        assert ran.code == 0
    assert (await trustctl("--version")).out.startswith("trustctl, version ")
