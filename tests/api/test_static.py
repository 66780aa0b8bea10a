"""The page at the root, as it is served: what it may do, and what it is made of."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

from tests.api.conftest import Served
from trustd.api.page import parts

STATIC = Path(str(files("trustd.api").joinpath("static")))
VENDOR = STATIC / "vendor"
OURS = sorted(STATIC.glob("*.js"))


async def test_the_page_allows_no_script_but_its_own(served: Served) -> None:
    """A strict policy on every part, no inline script or style, nothing from elsewhere."""
    for part in parts():
        async with served.tcp.get(part.path) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == part.content_type
            policy = dict(
                each.strip().split(" ", 1)
                for each in answer.headers["Content-Security-Policy"].split(";")
            )
            assert await answer.read() == part.body
        assert (
            policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
        )
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert policy["trusted-types"] == "'none'"
        assert all("unsafe" not in each and "http" not in each for each in policy.values())
    text = (STATIC / "page.html").read_text()
    assert not re.search(r"<style|\son[a-z]+=|\sstyle=|javascript:|https?://", text)
    assert set(re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)) == {""}


async def test_all_parts_of_the_page_are_served(served: Served) -> None:
    """Everything that the page or one of its modules refers to is there, and nothing else is."""
    paths = {part.path for part in parts()}
    asked = set(re.findall(r'(?:src|href)="([^"]+)"', (STATIC / "page.html").read_text()))
    for module in OURS:
        found = re.findall(r'from "\./([^"]+)"', module.read_text())
        asked |= {f"/page/{name}" for name in found}
    assert asked <= paths
    assert paths - asked == {"/"}
    async with served.tcp.get("/page/vendor/LICENSE.uplot") as answer:
        assert answer.status == 404


def test_every_module_is_fetched_at_once() -> None:
    """The page names its modules ahead, so that none waits for the one that imports it."""
    text = (STATIC / "page.html").read_text()
    preloaded = set(re.findall(r'rel="modulepreload" href="/page/([^"]+)"', text))
    imported = {
        name for module in OURS for name in re.findall(r'from "\./([^"]+)"', module.read_text())
    }
    assert preloaded == imported


def test_names_are_never_markup() -> None:
    """No module of ours has a way to turn text into markup or code."""
    sinks = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|setAttribute"
        r"|dangerously|\.href\s*=|createContextualFragment|DOMParser"
    )
    assert OURS
    for module in OURS:
        assert not re.search(sinks, module.read_text()), module.name


def test_nothing_is_changed_by_the_page() -> None:
    """The page only reads: every request that it makes is a GET."""
    for module in OURS:
        assert not re.search(r"method\s*:|sendBeacon|XMLHttpRequest", module.read_text()), (
            module.name
        )


def test_vendored_libraries_are_what_was_published() -> None:
    """Each has a version, a licence with its text, and the hash of the published file."""
    listed = json.loads((VENDOR / "vendored.json").read_text())
    kept = {path.name for path in VENDOR.iterdir()}
    told = {"vendored.json"}
    for each in listed:
        digest = hashlib.sha256((VENDOR / each["file"]).read_bytes()).hexdigest()
        assert digest == each["sha256"], each["file"]
        assert each["version"] in each["file"]
        assert each["licence"] in {"MIT", "Apache-2.0"}
        assert all((VENDOR / text).stat().st_size > 500 for text in each["texts"])
        told |= {each["file"], *each["texts"]}
    assert kept == told
