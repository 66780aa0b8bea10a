"""What is answered at each address."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from trustd.api import views
from trustd.api.etags import has, send_json_tagged, unchanged
from trustd.api.incidents import INCIDENTS
from trustd.api.live import Live
from trustd.api.override_views import pause_doc
from trustd.api.peer import peer_of
from trustd.api.query import find, parse
from trustd.api.sending import send, send_json
from trustd.api.shapes import GuestList, Liveness
from trustd.metrics import CONTENT_TYPE

LIVE = web.AppKey("live", Live)

_KEEPALIVE = 15.0


async def metrics(request: web.Request) -> web.StreamResponse:
    """The last tick's page, as it was built then."""
    page = request.app[LIVE].page
    headers = {"Content-Type": CONTENT_TYPE, "Vary": "Accept-Encoding"}
    if takes_gzip(request.headers.get("Accept-Encoding", "")):
        return await send(request, page.compressed, headers | {"Content-Encoding": "gzip"})
    return await send(request, page.plain, headers)


async def livez(request: web.Request) -> web.StreamResponse:
    """The process answers."""
    return await send_json(request, Liveness(alive=True, version=request.app[LIVE].version))


async def readyz(request: web.Request) -> web.StreamResponse:
    """Whether what is shown can be relied upon; 503 with reasons where not."""
    ready = request.app[LIVE].readiness(local=peer_of(request) is not None)
    status = HTTPStatus.OK if ready.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return await send_json(request, ready, status)


async def status(request: web.Request) -> web.StreamResponse:
    """The daemon's condition."""
    live, incidents = request.app[LIVE], request.app.get(INCIDENTS)
    local = peer_of(request) is not None
    document = views.status(
        live.fleet,
        live.readiness(local=local),
        version=live.version,
        age=live.age,
        streams=len(live.hub),
        on_stop=live.on_stop,
        incidents=None if incidents is None else incidents.waiting(),
        local=local,
    )
    return await send_json(request, document)


async def matrix(request: web.Request) -> web.StreamResponse:
    """The bands of all guests over the last day."""
    live = request.app[LIVE]
    plain, compressed = live.matrix.answer(live.fleet)
    headers = {"Content-Type": "application/json", "Vary": "Accept-Encoding"}
    if takes_gzip(request.headers.get("Accept-Encoding", "")):
        return await send(request, compressed, headers | {"Content-Encoding": "gzip"})
    return await send(request, plain, headers)


async def guests(request: web.Request) -> web.StreamResponse:
    """One page of the guests that match."""
    live = request.app[LIVE]
    fleet = live.fleet
    query = parse(request.query, fleet)
    # the address says which of them, and a tick what they are
    tag = f'"{live.run}-{fleet.tick}"'
    if has(request, tag):
        return unchanged(tag)
    total, found = query.select(fleet.guests.values())
    end = query.offset + len(found)
    more = bool(found) and end < total
    document = GuestList(
        tick=fleet.tick,
        at=views.number(fleet.at),
        mode=fleet.mode,
        bands=fleet.bands,
        total=total,
        next=str(request.rel_url.update_query(offset=end)) if more else None,
        guests=[views.summary(guest) for guest in found],
        pause=pause_doc(fleet.orders.pause),
    )
    return await send_json_tagged(request, document, tag)


async def guest(request: web.Request) -> web.StreamResponse:
    """Everything about one guest."""
    live = request.app[LIVE]
    found = find(live.fleet, request.match_info["guest"])
    return await send_json(request, views.full(found, live.features))


async def permissions(request: web.Request) -> web.StreamResponse:
    """What a guest may do at the moment."""
    found = find(request.app[LIVE].fleet, request.match_info["guest"])
    return await send_json(request, views.permissions(found))


async def events(request: web.Request) -> web.StreamResponse:
    """One message a tick, until the reader leaves or lags."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    if request.method == "HEAD":
        return web.Response(headers={"Content-Type": "text/event-stream"})
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the reader left before it was answered")
    last = request.headers.get("Last-Event-ID")
    with request.app[LIVE].hub.open(
        last, transport.abort, local=peer_of(request) is not None
    ) as stream:
        await response.prepare(request)
        await response.write(b"retry: 2000\n\n")
        async for message in stream.messages(_KEEPALIVE):
            await response.write(message)
    return response


def takes_gzip(accept: str) -> bool:
    """Whether an Accept-Encoding header allows gzip.

    >>> takes_gzip("gzip, deflate"), takes_gzip("gzip;q=0"), takes_gzip("br")
    (True, False, False)
    """
    for offer in accept.lower().split(","):
        coding, _, weight = offer.partition(";")
        if coding.strip() in {"gzip", "x-gzip"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
