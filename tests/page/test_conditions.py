"""What the page says of the daemon, and when it may not say anything."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.page.chromium import Tab
from tests.page.fleets import fleet_of, made
from tests.page.serving import forwarded, page_of
from tests.page.test_page import ROWS, opened
from trustd.model import Author, Mode, Orders, Pause, Term

pytestmark = pytest.mark.slow

BAR = "document.querySelector('.bar').innerText"


async def test_a_page_that_hears_nothing_says_so_and_shows_nothing_as_good(tab: Tab) -> None:
    """Without a tick for three intervals all is grey and called stale; then it is well again."""
    async with page_of(fleet_of(10, at=time.time(), interval=0.4)) as page:
        await opened(tab, page.address, 10)
        await tab.until("document.querySelector('.page.old') !== null")
        bar = await tab.look("document.querySelector('.bar').innerText")
        assert "stale" in bar
        assert "well" not in bar
        assert "no longer tells" in await tab.look(
            "document.querySelector('[role=alert]').innerText"
        )
        green = await tab.look(
            "getComputedStyle(document.documentElement).getPropertyValue('--tone-0')"
        )
        tones = await tab.look(
            "[...document.querySelectorAll('.tone-0')].map((each) =>"
            " getComputedStyle(each).getPropertyValue('--tone'))"
        )
        assert tones
        assert green not in tones
        page.tick(interval=10.0)
        await tab.until("document.querySelector('.page.old') === null")
        assert "well" in await tab.look("document.querySelector('.bar').innerText")


async def test_a_daemon_that_goes_and_comes_back_is_followed_again(tab: Tab) -> None:
    """Meanwhile the page keeps what it has and calls it stale; then it shows the new run."""
    async with page_of(fleet_of(10, at=time.time(), interval=0.4)) as page:
        await opened(tab, page.address, 10)
    await tab.until("document.querySelector('.pill.stale') !== null")
    assert await tab.look(f"{ROWS}.length") == 10
    port = int(page.address.rstrip("/").rpartition(":")[2])
    async with page_of(fleet_of(12, at=time.time()), port=port):
        await tab.until(f"{ROWS}.length == 12")
        await tab.until("document.querySelector('.page.old') === null")
        assert "well" in await tab.look(BAR)


async def test_what_is_wrong_with_the_daemon_stands_above_all(tab: Tab) -> None:
    """A store that fails, a refused policy, guests held back: told, and nothing is called well."""
    fleet = fleet_of(10, at=time.time(), store_error="no space left on the device")
    refused = replace(fleet.policy, error="line 7: unknown band <b>worst</b>")
    fleet = replace(fleet, policy=refused, held={made(1).id: "too-many"})
    async with page_of(fleet) as page:
        await opened(tab, page.address, 10)
        told = await tab.look("document.querySelector('[role=alert]').innerText")
        bar = await tab.look(BAR)
    assert "store: no space left on the device" in told
    assert "line 7: unknown band <b>worst</b>" in told
    assert "1 guest fell at once" in told
    assert "degraded" in bar
    assert "well" not in bar


async def test_the_mode_is_always_told(tab: Tab) -> None:
    """Observing says what would be done; a pause says by whom, until when and why."""
    fleet = fleet_of(10, at=time.time(), mode=Mode.OBSERVE)
    async with page_of(fleet) as page:
        await opened(tab, page.address, 10)
        assert "observing" in await tab.look(BAR)
        assert "would: disk-throttle" in await tab.look(f"{ROWS}[0].innerText")
        assert "would be narrowed" in await tab.look("document.querySelector('.tiles').innerText")
        await tab.until("document.querySelector('.pulse.on') !== null")
        author = Author(uid=0, pid=1, name="ann")
        pause = Pause(False, Term(fleet.at, 0.0, 3600.0), author, "<i>new kernel</i>")
        page.tick(orders=Orders(pause=pause))
        await tab.until("document.querySelector('.pill.paused') !== null")
        told = await tab.look("document.querySelector('.notice').innerText")
    assert "by ann: <i>new kernel</i>. Everything is given back." in told


async def test_over_the_socket_more_is_shown(tab: Tab, tmp_path: Path) -> None:
    """On loopback incidents and decisions are counts and commands; forwarded they are there."""
    socket = tmp_path / "trustd.sock"
    shown = "document.querySelector('.drawer .body').innerText"
    ready = "document.querySelector('.drawer .access') !== null"
    async with page_of(fleet_of(10, at=time.time()), socket=socket) as page:
        await opened(tab, page.address, 10)
        await tab.look(f"{ROWS}[0].click()")
        await tab.until(ready)
        text = await tab.look(shown)
        assert "trustctl incidents" in text
        assert "fell to isolated" not in text
        assert "deny" not in text
        assert tab.complaints == []
        async with forwarded(socket) as address:
            await opened(tab, address, 10)
            await tab.look(f"{ROWS}[0].click()")
            await tab.until(ready)
            text = await tab.look(shown)
            assert "fell to isolated" in text
            assert "trustctl incident 41" in text
            assert "deny" in text
            assert "write backups" in text
            assert tab.complaints == []
            await tab.open("about:blank")
