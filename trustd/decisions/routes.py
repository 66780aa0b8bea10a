"""Every address at which other services ask."""

from __future__ import annotations

from aiohttp import web

from trustd.decisions import authzen, opa, oslo, search, subrequest
from trustd.decisions.desk import Desk

__all__ = ["Desk", "mount"]


def mount(desk: Desk, app: web.Application) -> None:
    """Add the addresses of all dialects to an application."""
    for dialect in (authzen, search, opa, oslo, subrequest):
        for method, path, handler in dialect.routes(desk):
            app.router.add_route(method, path, handler)
