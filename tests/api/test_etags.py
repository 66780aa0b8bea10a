"""A reader who has an answer is not sent it again."""

from __future__ import annotations

import aiohttp
import pytest

from tests.api.conftest import Served
from tests.api.fleets import assessed, fleet, narrowed


async def asked(client: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, str, bytes]:
    async with client.get(path, headers=headers) as answer:
        return answer.status, answer.headers.get("ETag", ""), await answer.read()


@pytest.mark.parametrize("path", ["/v1/guests", "/openapi.json", "/"])
async def test_same_answer_is_not_sent_twice(served: Served, path: str) -> None:
    """With the tag of the present answer, 304 without a body; with another one, or several of
    which none is it, the answer."""
    served.publish(fleet(assessed()))
    status, tag, body = await asked(served.tcp, path)
    assert (status, bool(body)) == (200, True)
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        assert await asked(served.tcp, path, **{"If-None-Match": sent}) == (304, tag, b"")
    for sent in ('"other"', tag.strip('"'), "", '"a", "b"'):
        assert await asked(served.tcp, path, **{"If-None-Match": sent}) == (200, tag, body)
    async with served.tcp.get(path) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


async def test_next_tick_is_another_answer(served: Served) -> None:
    """A tag holds for one tick of one run, so nobody is shown an old fleet as new."""
    served.publish(fleet(assessed(), tick=7))
    _, tag, _ = await asked(served.unix, "/v1/guests")
    served.publish(fleet(assessed(), narrowed(), tick=8))
    status, new, body = await asked(served.unix, "/v1/guests", **{"If-None-Match": tag})
    assert status == 200
    assert new != tag
    assert b"bad-1" in body


async def test_wrong_question_is_told_whatever_the_reader_has(served: Served) -> None:
    """A parameter that is wrong is an error, also with a tag that holds."""
    served.publish(fleet(assessed()))
    _, tag, _ = await asked(served.unix, "/v1/guests")
    status, _, _ = await asked(served.unix, "/v1/guests?x=1", **{"If-None-Match": tag})
    assert status == 400


async def test_parts_of_the_page_keep_their_headers(served: Served) -> None:
    """304 says no less of how a browser must treat the page than 200."""
    async with served.tcp.get("/") as answer:
        tag, policy = answer.headers["ETag"], answer.headers["Content-Security-Policy"]
    async with served.tcp.get("/", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
        assert answer.headers["Content-Security-Policy"] == policy
