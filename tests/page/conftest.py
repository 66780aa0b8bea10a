"""One browser for all tests of the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.page.chromium import Tab, browser, tab_of


@pytest.fixture(scope="session")
def chromium() -> Iterator[int]:
    with browser() as port:
        yield port


@pytest.fixture
async def tab(chromium: int) -> AsyncIterator[Tab]:
    async with tab_of(chromium) as tab:
        yield tab
