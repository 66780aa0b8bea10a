"""What other services report of guests, from whoever the settings and the policy name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from trustd.api.admission import bad
from trustd.api.evidence_guests import meant
from trustd.api.evidence_reading import Said, numbered, read
from trustd.api.evidence_shapes import ReceiptList
from trustd.api.handlers import LIVE
from trustd.api.office import OFFICE
from trustd.api.peer import peer_of
from trustd.api.problems import RequestProblem
from trustd.api.sending import send_json
from trustd.errors import HypervisorError, StoreError, TimedOut, TrustdError
from trustd.model import Assessment, Fleet, GuestId


class NotAllowed(TrustdError):
    """The policy does not let this sender say this."""


class TooMany(TrustdError):
    """This sender says more than the policy lets it.

    Args:
        again: seconds after which it may go on.
    """

    def __init__(self, what: str, again: float) -> None:
        super().__init__(what)
        self.again = again


@dataclass(frozen=True, slots=True)
class About:
    """A report, and the guest that it means."""

    said: Said
    guest: Assessment


class Witnesses(Protocol):
    """Whoever takes reports to the line. Called on the loop."""

    def sender(self, request: web.Request) -> str | None:
        """The name of whoever sends a request; None for one who may not report."""

    def admit(self, sender: str, reports: int) -> None:
        """Count what a sender says.

        Raises:
            NotAllowed: the policy does not know it.
            TooMany: it says too much.
        """

    def holders(self, disk: str) -> Collection[GuestId]:
        """Guests that have a disk, by any name of it."""

    async def leases(self, address: str) -> Collection[str]:
        """Network addresses of the interfaces that lease an IP address.

        Raises:
            ValueError: it is no address.
            HypervisorError: the hypervisor does not say.
            TimedOut: it does not answer.
        """

    async def take(
        self, sender: str, reports: Sequence[About], by: str, *, dry_run: bool = False
    ) -> ReceiptList:
        """Have reports count from the next tick on; on the disk when it returns.

        Args:
            by: how the sender showed who it is.
            dry_run: whether only to say what would become of them.

        Raises:
            NotAllowed: the policy lets the sender say one of them not; none counts.
            TooMany: too much of it is open on one guest; none counts.
            StoreError: they are not stored; it says what counts.
        """


EVIDENCE = web.AppKey("evidence", Witnesses)


async def add(request: web.Request) -> web.StreamResponse:
    """Take reports, all of a request or none."""
    witnesses = request.app.get(EVIDENCE)
    if witnesses is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon hears nobody")
    sender, peer = witnesses.sender(request), peer_of(request)
    count, way = request.app[LIVE].meters.evidence, "token" if peer is None else "socket"
    if sender is None:
        count.refused(way, "unregistered")
        _journal(request, {})
        raise RequestProblem(
            HTTPStatus.FORBIDDEN,
            "evidence is taken from callers in the setting decisions.callers that have the dialect"
            " evidence, and show who they are by their user, group or token",
        )
    fleet = request.app[LIVE].fleet
    try:
        dry_run = _dry_run(request)
        # an empty request counts, too: whoever sends rubbish has no more of them
        witnesses.admit(sender, 1)
        said = read(request.content_type, request.headers, await request.read())
        witnesses.admit(sender, len(said) - 1)
        about = [
            await _about(witnesses, fleet, each, place, len(said))
            for place, each in enumerate(said)
        ]
        by = f"uid {peer.uid} pid {peer.pid}" if peer is not None else "token"
        taken = await witnesses.take(sender, about, by, dry_run=dry_run)
    except NotAllowed as error:
        count.refused(way, "policy")
        _journal(request, {"sender": sender, "why": str(error)})
        raise RequestProblem(HTTPStatus.FORBIDDEN, str(error)) from error
    except TooMany as error:
        count.refused(way, "rate")
        again = {"Retry-After": str(max(1, round(error.again)))}
        raise RequestProblem(HTTPStatus.TOO_MANY_REQUESTS, str(error), again) from error
    except StoreError as error:
        count.refused(way, "store")
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    except RequestProblem as error:
        nobody = error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
        count.refused(way, "guest" if nobody else "invalid")
        raise
    if not dry_run:
        for each in taken.reports:
            count.taken(way, each.counts)
    return await send_json(request, taken)


def _dry_run(request: web.Request) -> bool:
    asked = request.query.get("dry_run", "false")
    if asked not in {"true", "false"} or set(request.query) - {"dry_run"}:
        raise bad("the only parameter is dry_run, true or false")
    return asked == "true"


def _journal(request: web.Request, more: Mapping[str, str]) -> None:
    """Have a refusal journalled, where there is a journal."""
    office = request.app.get(OFFICE)
    if office is not None:
        what = {"method": request.method, "path": request.path, **more}
        office.refused(peer_of(request), what)


async def _about(witnesses: Witnesses, fleet: Fleet, said: Said, place: int, several: int) -> About:
    ref = said.report.guest
    try:
        leases = await _leases(witnesses, ref.ip) if ref.ip is not None else ()
        return About(said, meant(ref, fleet, holders=witnesses.holders, leases=leases))
    except RequestProblem as error:
        raise (numbered(place, error) if several > 1 else error) from error


async def _leases(witnesses: Witnesses, address: str) -> Collection[str]:
    try:
        return await witnesses.leases(address)
    except ValueError as error:
        raise RequestProblem(HTTPStatus.BAD_REQUEST, "ip must be an IP address") from error
    except (HypervisorError, TimedOut) as error:
        raise RequestProblem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the hypervisor does not say who leases an address: name the guest otherwise",
        ) from error
