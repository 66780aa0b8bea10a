"""``trustctl status``: whether the daemon is well, and how its guests are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click
from rich.table import Table
from rich.text import Text

from trustd.ctl.connection import Document
from trustd.ctl.ordering import pause_line
from trustd.ctl.session import ANSWER_IS_BAD, Session, with_session
from trustd.ctl.tables import band_style, cell, pairs
from trustd.ctl.text import duration, flat

_ON_STOP = {
    "keep": "guests that are narrowed stay so",
    "restore": "everything is given back",
}


@click.command()
@with_session
def command(session: Session) -> None:
    """Show the daemon's condition. Exits with 3 where it is not ready."""
    document = session.connection.get("/v1/status")
    session.show(document, lambda: flat(document), lambda: _table(document, time.time()))
    if not document["ready"]:
        raise SystemExit(ANSWER_IS_BAD)


def _table(status: Document, now: float) -> Table:
    return pairs(_lines(status, now))


def _lines(status: Document, now: float) -> Iterator[tuple[str, str | Text]]:
    guests, policy, hypervisor = status["guests"], status["policy"], status["hypervisor"]
    ready = status["ready"]
    yield (
        "trustd",
        cell(
            f"{status['version']}, {'ready' if ready else 'NOT READY'}, mode {status['mode']}",
            "green" if ready else "red",
        ),
    )
    yield from _orders(status["orders"], now)
    yield from _checks(status["checks"])
    late = f", {status['overruns']} left out" if status["overruns"] else ""
    yield (
        "tick",
        (
            f"{status['tick']}, {duration(status['age'])} ago, took {duration(status['seconds'])},"
            f" every {duration(status['interval'])}{late}"
        ),
    )
    yield "guests", f"{guests['total']}, {guests['restricted']} restricted"
    bands = Text()
    for band, count in guests["by_band"].items():
        bands.append_text(cell(f"{band} {count}  ", band_style(band, status["bands"])))
    yield "  by band", bands
    yield "  known", "  ".join(f"{key} {count}" for key, count in guests["by_freshness"].items())
    yield from _policy(policy, status["wall_violations"])
    if hypervisor["up"]:
        since = hypervisor["since"]
        yield "hypervisor", f"up for {duration(None if since is None else now - since)}"
    else:
        yield "hypervisor", cell(f"down: {hypervisor['error']}", "red")
    if hypervisor["abandoned"] or hypervisor["unresponsive"]:
        yield (
            "  stuck",
            (
                f"{hypervisor['unresponsive']} guests do not answer,"
                f" {hypervisor['abandoned']} calls given up"
            ),
        )
    for name, plugin in sorted(status["plugins"].items()):
        if plugin["error"]:
            yield f"collector {name}", cell(f"{plugin['error']} ({plugin['errors']} times)", "red")
    yield "levers", _levers(status["levers"])
    for lever in status["levers"]:
        if lever["available"] is False:
            yield f"  {lever['name']}", cell(f"not available: {lever['why']}", "yellow")
    if status["store_error"]:
        yield "store", cell(status["store_error"], "red")
    yield "on stop", str(_ON_STOP.get(status["on_stop"], status["on_stop"]))


def _checks(checks: Document) -> Iterator[tuple[str, str | Text]]:
    for name, check in checks.items():
        if not check["ok"]:
            yield f"  {name}", cell(check["reason"], "red")


def _orders(orders: Document, now: float) -> Iterator[tuple[str, str | Text]]:
    paused = pause_line(orders["pause"], now)
    if paused is not None:
        yield "enforcement", paused
    if orders["held"]:
        held = ", ".join(f"{count} {reason}" for reason, count in orders["held"].items())
        yield "held back", cell(f"{held}: trustctl hold", "red")
    if orders["overrides"] or orders["protected"]:
        yield "orders", f"{orders['overrides']} overridden, {orders['protected']} protected"


def _policy(policy: Document, violations: Sequence[Document]) -> Iterator[tuple[str, str | Text]]:
    yield "policy", f"{policy['name']} {policy['id'][:12]} from {policy['path']}"
    if policy["error"]:
        yield "  refused", cell(policy["error"], "red")
    for each in violations:
        against = f", {each['held']} runs here too" if each["held"] else ", it has no label"
        yield "  wall", cell(f"{each['wall']} refuses {each['name']}{against}", "red")


def _levers(levers: list[Document]) -> str:
    """How many of the levers can be pulled."""
    known = [lever for lever in levers if lever["available"] is not None]
    if not known:
        return f"{len(levers)}, not probed"
    return f"{sum(lever['available'] for lever in known)} of {len(known)} available"
