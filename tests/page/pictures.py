"""Pictures of the page for people to look at: ``python -m tests.page.pictures FOLDER``."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from tests.page.chromium import Tab, browser, tab_of
from tests.page.fleets import fleet_of, hostile, unknown
from tests.page.serving import page_of
from trustd.model import Mode

HUNDRED = 100
READY = "document.querySelectorAll('tbody tr[aria-rowindex]').length > 3"


async def shoot(folder: Path) -> None:
    """At 10, 100 and 1,000 guests, light and dark, with and without a guest opened."""
    with browser() as port:
        async with tab_of(port) as tab:
            await _all(tab, folder)


async def _all(tab: Tab, folder: Path) -> None:
    for number in (10, 100, 1000):
        mode = Mode.OBSERVE if number == HUNDRED else Mode.ENFORCE
        async with page_of(fleet_of(number, mode=mode, at=time.time())) as page:
            for dark in (False, True):
                await _both(tab, folder, page.address, number, dark=dark)
    async with page_of(fleet_of(4, *hostile(), unknown(), at=time.time())) as page:
        await _both(tab, folder, page.address, "hostile", dark=False)
    ill = fleet_of(40, at=time.time(), store_error="no space left on the device", interval=0.5)
    async with page_of(ill) as page:
        await tab.open(page.address)
        await tab.until("document.querySelector('.page.old') !== null")
        (folder / "page-stale.png").write_bytes(await tab.picture())


async def _both(tab: Tab, folder: Path, address: str, name: object, *, dark: bool) -> None:
    await tab.size(1440, 900, dark=dark)
    await tab.open(address)
    await tab.until(READY)
    await tab.until("document.querySelector('.pulse.on') !== null")
    look = "dark" if dark else "light"
    await _settled(tab)
    (folder / f"page-{name}-{look}.png").write_bytes(await tab.picture())
    await tab.look("document.querySelector('tbody tr[aria-rowindex]:not(.unknown)').click()")
    await tab.until("document.querySelector('.drawer .u-over') !== null")
    await tab.until("document.querySelector('.drawer .access') !== null")
    await _settled(tab)
    (folder / f"page-{name}-{look}-guest.png").write_bytes(await tab.picture())
    for complaint in tab.complaints:
        print(name, look, complaint)  # noqa: T201 - for whoever runs it


async def _settled(tab: Tab) -> None:
    """Until what moves has come to rest."""
    await tab.look(
        "Promise.all(document.getAnimations().map((each) => each.finished)).then(() =>"
        " new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"
    )


if __name__ == "__main__":
    asyncio.run(shoot(Path(sys.argv[1])))
