"""``trustctl policy``: check, test, compare and show policies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text

from trustd.ctl.connection import Declined, Document
from trustd.ctl.ordering import dry_run
from trustd.ctl.session import ANSWER_IS_BAD, BAD_DOCUMENT, Session, with_session
from trustd.ctl.tables import cell, pairs, table
from trustd.ctl.text import harmless

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


class Invalid(Declined):
    """The daemon found the policy wrong."""

    exit_code = BAD_DOCUMENT


@click.group()
def command() -> None:
    """Check, test, compare and show policies."""


@command.command()
@click.argument("file", type=_FILE)
@click.option("--strict", is_flag=True, help="Doubts are mistakes too.")
@with_session
def check(session: Session, *, file: Path, strict: bool) -> None:
    """Check FILE as a start or a reload would: every mistake at its place, tests included.

    Needs no daemon. Exits with 78 where the policy is wrong.
    """
    # the parser and the collectors are behind this: other commands start without them
    from trustd.daemon.source import Source  # noqa: PLC0415
    from trustd.plugins import discover  # noqa: PLC0415

    features = {feature.name for feature in discover().features}
    read = Source(file, None, features).read(at=time.time())
    for doubt in read.doubts:
        click.echo(f"{doubt.code}: {doubt.problem}", err=True)
    name, identity = read.policy.name, read.policy.id
    doubts = [f"{doubt.code}: {doubt.problem}" for doubt in read.doubts]
    session.show(
        {"name": name, "id": identity, "doubts": doubts},
        lambda: [(name, identity)],
        lambda: cell(f"{name} {identity}"),
    )
    if strict and read.doubts:
        raise SystemExit(ANSWER_IS_BAD)


@command.command()
@click.argument("policy", type=_FILE)
@click.argument("cases", type=_FILE, nargs=-1)
@click.option("--coverage", is_flag=True, help="Name the rules that no case reaches.")
@with_session
def test(session: Session, *, policy: Path, cases: Sequence[Path], coverage: bool) -> None:
    """Ask POLICY what the files of cases expect; without any, those in tests/ beside it.

    Needs no daemon. Exits with 3 where an answer is another one.
    """
    from trustd.daemon.source import cases_of  # noqa: PLC0415
    from trustd.policy import load_policy  # noqa: PLC0415
    from trustd.policy.cases import load_cases  # noqa: PLC0415
    from trustd.policy.testing import run_cases  # noqa: PLC0415

    loaded = load_policy(policy.read_text("utf-8"), str(policy))
    files = [load_cases(each.read_text("utf-8"), str(each)) for each in cases]
    report = run_cases(loaded, files or [found for _, found in cases_of(policy)])
    failed = [
        {
            "case": each.case,
            "what": each.action or "band",
            "is": each.got,
            "expected": each.expected,
        }
        for each in report.failed
    ]
    reached = report.coverage
    missed = [
        (kind, name)
        for kind in ("permits", "drops", "forbids", "bands")
        for name in (getattr(reached, kind) if coverage else ())
    ]
    found = {
        "answers": report.answers,
        "wrong": len(failed),
        "rules": reached.rules,
        "reached": reached.reached,
        "failed": failed,
        "unreached": [{"kind": kind, "name": name} for kind, name in missed],
    }
    session.show(found, lambda: _tested(found), lambda: _judged(found))
    if report.failed:
        raise SystemExit(ANSWER_IS_BAD)


@command.command()
@click.argument("file", type=_FILE)
@click.option(
    "--fail-on",
    type=click.Choice(["grant", "revoke", "any"]),
    help="Exit with 3 where FILE grants, revokes, or changes anything.",
)
@with_session
def diff(session: Session, *, file: Path, fail_on: str | None) -> None:
    """Show what FILE would change on the guests and objects of the running daemon.

    Lines begin with + for what it grants, - for what it revokes, ~ for a guest in another
    band, role or mode, and ! for a guest that a wall would refuse.
    """
    proposal = {"text": file.read_text("utf-8"), "path": str(file)}
    found = session.connection.post("/v1/policy/difference", proposal)
    session.show(found, lambda: _differences(found), lambda: _compared(found))
    worse = {"grant": found["granted"], "revoke": found["revoked"], None: ()}
    worse["any"] = [*found["granted"], *found["revoked"], *found["moved"], *found["broken"]]
    if worse[fail_on]:
        raise SystemExit(ANSWER_IS_BAD)


@command.command()
@click.option("--force", is_flag=True, help="Also where its walls refuse guests that run now.")
@dry_run
@with_session
def reload(session: Session, *, force: bool, dry_run: bool) -> None:
    """Have the daemon take over its policy file and its labels.

    Exits with 78 where the policy is wrong, or where a wall refuses a guest that runs now; the
    one in force stays then. With --force such guests are marked instead, in `status`, in
    `policy show` and in the metric trustd_wall_violations.
    """
    try:
        found = session.connection.post("/v1/policy/reload", {"force": force, "dry_run": dry_run})
    except Declined as declined:
        if declined.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise Invalid(declined.status, declined.message) from declined
        raise
    rows = [("would load" if dry_run else "loaded", found["name"], found["id"])]
    # below its first line a doubt has the place in the file
    rows += [("doubt", doubt.partition("\n")[0], "") for doubt in found["doubts"]]
    rows += [("violated", violation, "") for violation in found["violations"]]
    session.show(found, lambda: rows, lambda: table(("", "", ""), rows))


@command.command()
def schema() -> None:
    """Print the JSON Schema of policies, for editors."""
    from trustd.policy.jsonschema import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(), indent=2))


@command.command()
@with_session
def show(session: Session) -> None:
    """Show the policy in force, as it was read."""
    found = session.connection.get("/v1/policy")
    head = [(name, str(found[name])) for name in ("name", "id", "path", "mode", "error")]
    # shown line by line: a file may hold anything
    lines = [harmless(line) for line in found["text"].splitlines()]
    head += [("violated", f"{each['wall']} refuses {each['name']}") for each in found["violations"]]
    session.show(
        found,
        lambda: [*head, *([line] for line in lines)],
        lambda: Group(pairs(head), Text(), *(Text(line) for line in lines)),
    )


def _tested(found: Document) -> Iterator[Sequence[str]]:
    for each in found["failed"]:
        yield "failed", each["case"], each["what"], str(each["is"]), str(each["expected"])
    for each in found["unreached"]:
        yield "unreached", each["kind"], each["name"]
    for name in ("answers", "wrong", "rules", "reached"):
        yield name, str(found[name])


def _judged(found: Document) -> RenderableType:
    lines = [
        f"{each['case']}: {each['what']} is {each['is']}, expected {each['expected']}"
        for each in found["failed"]
    ]
    lines += [f"never reached: {each['kind']}: {each['name']}" for each in found["unreached"]]
    lines.append(
        f"{found['answers']} answers, {found['wrong']} wrong;"
        f" {found['reached']} of {found['rules']} rules reached"
    )
    return Group(*map(cell, lines))


def _differences(found: Document) -> Iterator[Sequence[str]]:
    for sign, kind in (("+", "granted"), ("-", "revoked")):
        for each in found[kind]:
            what = (each["action"], each["type"], each["id"])
            yield sign, each["name"], *what, each["before"], each["after"]
    for each in found["moved"]:
        for part in ("band", "roles", "mode"):
            before, after = (_joined(value) for value in each[part])
            if before != after:
                yield "~", each["name"], part, before, after
    for each in found["broken"]:
        yield "!", each["name"], each["wall"], each["value"], each["held"]


def _joined(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _compared(found: Document) -> RenderableType:
    rows = [tuple(row) for row in _differences(found)]
    if not rows:
        return Text(f"nothing changes, in {found['questions']} questions")
    width = max(map(len, rows))
    padded = (row + ("",) * (width - len(row)) for row in rows)
    return table(("", "GUEST", *("" for _ in range(width - 2))), padded)
