"""The API described for machines: OpenAPI 3.1 from the routes and the shapes."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from trustd.api.incident_shapes import IncidentEvents
from trustd.api.route import Route
from trustd.api.shapes import ProblemDoc, TickEvent

_REF = "#/components/schemas/{model}"


def describe(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The description of these routes.

    Args:
        version: of the daemon.
    """
    shapes = {route.answer for route in routes if isinstance(route.answer, type)}
    events = {TickEvent, IncidentEvents}
    named = sorted({*shapes, ProblemDoc, *events}, key=lambda shape: shape.__name__)
    bodies = sorted({route.body for route in routes if route.body}, key=lambda s: s.__name__)
    _, definitions = TypeAdapter.json_schemas(
        [
            *((shape, "serialization", TypeAdapter(shape)) for shape in named),
            *((shape, "validation", TypeAdapter(shape)) for shape in bodies),
        ],
        ref_template=_REF,
    )
    for body in bodies:
        # a member that nobody knows is refused, not passed over
        definitions["$defs"][body.__name__]["additionalProperties"] = False
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "trustd",
            "version": version,
            "summary": "Trust and permissions of the guests of one hypervisor",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def _operation(route: Route) -> dict[str, Any]:
    answers = {"200": _answer(HTTPStatus.OK, route.answer)}
    if route.tagged:
        answers["304"] = {"description": "As the reader has it already (If-None-Match)."}
    for code in route.also:
        answers[str(code)] = _answer(HTTPStatus(code), route.answer)
    for code in sorted({*route.problems, HTTPStatus.TOO_MANY_REQUESTS}):
        answers[str(code)] = {
            "description": HTTPStatus(code).phrase,
            "content": {"application/problem+json": {"schema": _ref(ProblemDoc)}},
        }
    body = {"content": {"application/json": {"schema": _ref(route.body)}}} if route.body else {}
    return {
        "operationId": route.name,
        "summary": route.summary,
        **({"requestBody": {"required": True, **body}} if body else {}),
        "parameters": [
            {
                "name": parameter.name,
                "in": parameter.place,
                "description": parameter.text,
                "required": parameter.needed,
                "schema": parameter.schema,
            }
            for parameter in route.parameters
        ],
        "responses": answers,
    }


def _answer(status: HTTPStatus, answer: type | str) -> dict[str, Any]:
    if isinstance(answer, type):
        content = {"application/json": {"schema": _ref(answer)}}
    else:
        content = {answer: {"schema": {"type": "string"}}}
    return {"description": status.phrase, "content": content}


def _ref(shape: type) -> dict[str, str]:
    return {"$ref": _REF.format(model=shape.__name__)}
