"""The settings in effect at their address, for whoever may open the unix socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import web

from trustd.api.etags import send_json_tagged
from trustd.api.peer import peer_of
from trustd.api.problems import RequestProblem
from trustd.api.route import Route


@dataclass(frozen=True, slots=True)
class ConfigDoc:
    """The settings in effect, with everything secret left out.

    ``hash`` is the sha256 of ``settings`` as canonical JSON, by which two hosts, or two
    times, can be compared; what is hidden there does not count. ``environment`` names the
    variables that had a say.
    """

    hash: str
    settings: Mapping[str, Any]
    environment: Sequence[str]
    version: str


class Configured(Protocol):
    """Whoever knows the settings."""

    def shown(self) -> ConfigDoc:
        """The settings in effect."""


CONFIGURED = web.AppKey("configured", Configured)


async def config(request: web.Request) -> web.StreamResponse:
    """The settings in effect."""
    if peer_of(request) is None:
        raise RequestProblem(HTTPStatus.FORBIDDEN, "this is answered over the unix socket only")
    known = request.app.get(CONFIGURED)
    if known is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon has no settings")
    return await send_json_tagged(request, known.shown())


CONFIG_ROUTES = (
    Route(
        "/v1/config",
        "config",
        config,
        "The settings in effect and their hash, without secrets; over the unix socket only",
        ConfigDoc,
        problems=(403, 503),
        tagged=True,
    ),
)
