"""Where the policy comes from: its file, its tests, and the last one that was good."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from trustd.documents import Document
from trustd.errors import PolicyError, Problem
from trustd.model import Guest, GuestId
from trustd.policy import Policy, compiled, load_policy, load_registry
from trustd.policy.cases import CaseFile, load_cases
from trustd.policy.lint import Warned, lint
from trustd.policy.schema import RegistryDocument
from trustd.policy.testing import run_cases
from trustd.policy.walls import violations
from trustd.repository import GoodPolicy, LastGood

log = structlog.get_logger()

TESTS = "tests"
"""The folder beside a policy, or beside its folder, in which its tests stand."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that may come into force.

    Args:
        registry: labels that stand beside it; None without such a file.
        text: as it was read.
        at: epoch seconds at which it came into force.
        error: why a newer one was not taken; empty where this is the newest.
        doubts: what it says that is allowed, but hardly meant.
        broken: what runs against its walls, where it was forced.
    """

    policy: Policy
    registry: RegistryDocument | None
    text: str
    at: float
    error: str = ""
    doubts: tuple[Warned, ...] = ()
    broken: tuple[Problem, ...] = ()


class Source:
    """Reads the policy file and the file of labels.

    Args:
        path: of the policy.
        objects: of the labels; None for none.
        features: names that a policy may speak of.
    """

    def __init__(self, path: Path, objects: Path | None, features: Collection[str]) -> None:
        self.path = path
        self._objects = objects
        self._features = features

    def read(self, *, at: float, running: Iterable[Guest] = (), force: bool = False) -> Loaded:
        """The policy of the file, if it passes every check.

        Args:
            at: epoch seconds, to tell exceptions that are over.
            running: the guests that run; a wall that they break refuses the policy.
                none at the start, when nobody knows what runs.
            force: whether such a wall is only told.

        Raises:
            PolicyError: with every mistake.
        """
        text = _text(self.path, "name another with the setting policy")
        document = Document.read(text, str(self.path), PolicyError)
        policy = compiled(document, features=self._features)
        broken = tuple(_broken(policy, document, running))
        problems = (*_failed(policy, self.path), *(() if force else broken))
        if problems:
            raise PolicyError(problems)
        doubts = lint(policy, document, at=at)
        return Loaded(policy, self.labels(), text, at, doubts=doubts, broken=broken)

    def parse(self, text: str, path: str) -> Policy:
        """A policy that does not come into force.

        Raises:
            PolicyError: with every mistake.
        """
        return load_policy(text, path, features=self._features)

    def labels(self) -> RegistryDocument | None:
        """The file of labels; None without one.

        Raises:
            PolicyError: with every mistake.
        """
        if self._objects is None:
            return None
        text = _text(self._objects, "name another with the setting objects")
        return load_registry(text, str(self._objects))

    def begin(self, kept: LastGood, *, at: float) -> Loaded:
        """The policy for a start: the file's, or else the last that was in force.

        Raises:
            PolicyError: the file is wrong, and there is no other.
            StoreError: what was kept cannot be read.
        """
        try:
            return self.read(at=at)
        except PolicyError as error:
            good = kept.get()
            if good is None:
                raise
            try:
                policy = self.parse(good.text, good.path)
            except PolicyError:
                raise error from None
            log.error(  # noqa: TRY400 - a mistake in a file
                "policy refused: the last good one is in force",
                error=str(error),
                name=policy.name,
                id=policy.id,
                since=good.at,
            )
            return Loaded(policy, self._labels_if_good(), good.text, good.at, str(error))

    def keep(self, loaded: Loaded, kept: LastGood, *, at: float) -> None:
        """Keep a policy that came into force, for a start at which the file is wrong."""
        for doubt in loaded.doubts:
            log.warning("doubt about the policy", code=doubt.code, problem=str(doubt.problem))
        if not loaded.error:
            kept.keep(GoodPolicy(at, str(self.path), loaded.text))

    def _labels_if_good(self) -> RegistryDocument | None:
        try:
            return self.labels()
        except PolicyError as error:
            log.error("labels refused", error=str(error))  # noqa: TRY400 - a mistake in a file
            return None


def _text(path: Path, hint: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(path), 0, 0, "", f"cannot be read: {error}", hint)
        raise PolicyError((problem,)) from error


def cases_of(path: Path) -> Iterator[tuple[Path, CaseFile]]:
    """The files of cases that stand beside a policy and are about it.

    Raises:
        PolicyError: one of them is wrong.
    """
    folders = (path.parent / TESTS, path.parent.parent / TESTS)
    for file in sorted(file for folder in folders for file in folder.glob("*.yaml")):
        cases = load_cases(_text(file, "mend it, or take it away"), str(file))
        if (file.parent / cases.policy).resolve() == path.resolve():
            yield file, cases


def _failed(policy: Policy, path: Path) -> Iterator[Problem]:
    """What the tests beside a policy say against it."""
    for file, cases in cases_of(path):
        for failed in run_cases(policy, [cases]).failed:
            what = f"{failed.action} is" if failed.action else "the band is"
            message = f"{what} {failed.got}, and should be {failed.expected}"
            yield Problem(str(file), 0, 0, failed.case, message)


def _broken(policy: Policy, document: Document, running: Iterable[Guest]) -> Iterator[Problem]:
    """The walls of a policy that what runs now breaks."""
    values = {guest.id: policy.values(guest.id, guest.labels) for guest in running}
    names = {guest.id: guest.name for guest in running}
    for identity, blocked in violations(
        policy.walls, {str(id_): found for id_, found in values.items()}
    ):
        held = f", {blocked.held} runs here too" if blocked.held else ""
        message = f"wall {blocked.wall} refuses {names[GuestId(identity)]} ({identity}){held}"
        yield document.problem(
            ("walls",), message, "stop or move it first, or force it", at_key=True
        )
