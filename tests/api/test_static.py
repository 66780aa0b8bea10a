"""The page at the root."""

from __future__ import annotations

import re

from tests.api.conftest import Served


async def test_the_page_allows_no_script_but_its_own(served: Served) -> None:
    """A strict policy, no inline script or style, and nothing from elsewhere."""
    async with served.tcp.get("/") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["Content-Security-Policy"].split(";")
        )
        text = await answer.text()
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert all("unsafe" not in sources and "http" not in sources for sources in policy.values())
    assert not re.search(r"<style|\son[a-z]+=|\sstyle=|javascript:|https?://", text)
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == [""]


async def test_all_parts_of_the_page_are_served(served: Served) -> None:
    """Everything that the page refers to is there, with its type."""
    async with served.tcp.get("/") as answer:
        parts = re.findall(r'(?:src|href)="([^"]+)"', await answer.text())
    types = {}
    for part in parts:
        async with served.tcp.get(part) as answer:
            assert answer.status == 200
            types[part] = answer.content_type
    assert types == {"/page.css": "text/css", "/page.js": "text/javascript"}


async def test_names_are_never_markup(served: Served) -> None:
    """The script has no way to turn text into markup or code."""
    async with served.tcp.get("/page.js") as answer:
        script = await answer.text()
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|\.href\s*="
    assert not re.search(sinks, script)
