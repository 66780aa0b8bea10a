"""Tests of a policy as data: labels, a trace of trust, history -> reason codes.

A case names a subject and an object of its file, what trust did before, and what each
action must answer. ``permit`` is an answer like the other reason codes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from trustd.documents import Document, Instant, Keys, Ratio, Seconds, Strict, load, nearest_or_all
from trustd.errors import PolicyError, Problem
from trustd.policy.reasons import REASONS
from trustd.policy.terms import GUEST, Name, Texts


class CaseSubject(Strict):
    """A subject of the cases. Without ``id``, its name here."""

    type: Name = GUEST
    id: str | None = None
    labels: dict[Name, Texts] = Field(default_factory=dict)


class CaseObject(Strict):
    """An object of the cases. Without ``id``, its name here."""

    type: Name
    id: str | None = None
    labels: dict[Name, str] = Field(default_factory=dict)


class Span(Strict):
    """Trust for some time; null is silence: no measurement at all."""

    trust: Ratio | None = Field(alias="is")
    seconds: Seconds = Field(alias="for")


def _spans(value: object) -> object:
    """A lone number: trust as it is for a day."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [{"is": value, "for": "1d"}]
    return value


Trace = Annotated[
    tuple[Span, ...], BeforeValidator(_spans, json_schema_input_type=Ratio | list[Span])
]


class Case(Strict):
    """One case.

    Without ``trust`` the subject was never measured.
    """

    name: Annotated[str, Field(min_length=1)]
    subject: Name
    object: Name
    trust: Trace = ()
    history: dict[Name, Texts] = Field(default_factory=dict)
    running: tuple[Name, ...] = ()
    active: tuple[Name, ...] = ()
    at: Instant = 0.0
    band: Name | None = None
    expect: Annotated[dict[Name, str], Field(min_length=1)]


class CaseFile(Strict):
    """A file of cases."""

    api_version: Literal["trustd/v1"] = Field(alias="apiVersion")
    policy: str = Field(description="the policy's file, seen from this one")
    subjects: dict[Name, CaseSubject]
    objects: dict[Name, CaseObject]
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


def load_cases(text: str, path: str) -> CaseFile:
    """Load a file of cases.

    Raises:
        PolicyError: with every problem.
    """
    return load(text, path, CaseFile, PolicyError, _refer)


def _refer(cases: CaseFile, places: Document, written: Document) -> Iterator[Problem]:
    subjects, objects = written.names("subjects"), written.names("objects")
    for index, case in enumerate(cases.cases):
        keys: Keys = ("cases", index)
        yield from _known(places, (*keys, "subject"), case.subject, subjects)
        yield from _known(places, (*keys, "object"), case.object, objects)
        for at, name in enumerate(case.running):
            yield from _known(places, (*keys, "running", at), name, subjects)
        for action, reason in case.expect.items():
            yield from _known(places, (*keys, "expect", action), reason, REASONS)


def _known(places: Document, keys: Keys, name: str, known: Collection[str]) -> Iterator[Problem]:
    if name not in known:
        yield places.problem(keys, f'there is no "{name}"', nearest_or_all(name, known))
