"""The description of the API agrees with what is served."""

from __future__ import annotations

import re
from typing import Any

import orjson
from pydantic import TypeAdapter

from tests.api.conftest import APART, Served
from tests.api.fleets import assessed, fleet, narrowed
from trustd.api.routes import ROUTES


async def description(served: Served) -> dict[str, Any]:
    async with served.unix.get("/openapi.json") as answer:
        assert answer.status == 200
        document: dict[str, Any] = orjson.loads(await answer.read())
    return document


async def test_every_route_is_described(served: Served) -> None:
    """Each path with its parameters and its answers, as OpenAPI 3.1."""
    document = await description(served)
    assert document["openapi"].startswith("3.1.")
    assert set(document["paths"]) == {route.path for route in ROUTES}
    methods = {(path, how) for path, known in document["paths"].items() for how in known}
    assert methods == {(route.path, route.method.lower()) for route in ROUTES}
    for path, how in methods:
        operation = document["paths"][path][how]
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert "200" in operation["responses"]
        assert ("requestBody" in operation) == (how == "post")


async def test_every_reference_leads_somewhere(served: Served) -> None:
    """No schema refers to one that is not there."""
    document = await description(served)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if "$ref" in node else set()
            return own.union(*map(references, node.values()))
        if isinstance(node, list):
            return set().union(*map(references, node))
        return set()

    assert references(document) <= known


async def test_answers_have_the_described_shape(served: Served) -> None:
    """What is served validates strictly against the shapes that the schema is made of."""
    served.publish(fleet(assessed(), narrowed()))
    for route in ROUTES:
        if not isinstance(route.answer, type) or route in APART:
            continue
        async with served.unix.get(route.path.replace("{guest}", "bad-1")) as answer:
            body = await answer.read()
        read: object = TypeAdapter(route.answer).validate_json(body)
        assert orjson.loads(orjson.dumps(read)) == orjson.loads(body), route.path
