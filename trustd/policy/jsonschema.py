"""The JSON Schema of policies, for completion and checks in an editor."""

from __future__ import annotations

from trustd.policy.schema import PolicyDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, object]:
    """The schema of a policy document."""
    schema = PolicyDocument.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": DIALECT, **schema, "title": "trustd policy"}
