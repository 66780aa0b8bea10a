"""Every address of the API, from its own description, and a request that fits it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

Document = dict[str, Any]
GUEST = "00000000-0000-4000-8000-000000000001"


class Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("trustd", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def requests(description: Document) -> Iterator[tuple[str, str, str, Document | None]]:
    """Method, address as described, address with values, and a body that fits its schema."""
    known = description["components"]["schemas"]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            filled, query = path, []
            for parameter in operation["parameters"]:
                value = str(example(parameter["schema"], known))
                if parameter["in"] == "path":
                    value = GUEST if parameter["name"] == "guest" else value
                    filled = filled.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
                elif parameter["in"] == "query" and parameter["required"]:
                    query.append(f"{parameter['name']}={quote(value)}")
            body = None
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                body = example(schema, known)
            yield method.upper(), path, "?".join([filled, "&".join(query)]).rstrip("?"), body


def example(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """A value that fits a schema; of an object only what it must have, and its reason."""
    while "$ref" in schema or "anyOf" in schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        schema = known[name] if name else schema["anyOf"][0]
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        needed = {*schema.get("required", []), "reason"} & properties.keys()
        return {name: example(properties[name], known) for name in sorted(needed)}
    if "enum" in schema or "const" in schema:
        return [*schema.get("enum", []), schema.get("const")][0]
    plain = {"array": [], "integer": 60, "number": 60, "boolean": False}
    return schema.get("minimum", plain.get(schema.get("type", ""), "x"))


def walk(path: str) -> None:
    """Ask everything that the description names, and print the statuses; as whoever runs it."""

    def ask(method: str, address: str, body: Document | None) -> tuple[int, bytes]:
        connection = Unix(path)
        try:
            sent = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, address, sent, headers)
            answer = connection.getresponse()
            return answer.status, b"" if address == "/v1/events" else answer.read()
        finally:
            connection.close()

    _, text = ask("GET", "/openapi.json", None)
    found = []
    for method, described, address, body in requests(json.loads(text)):
        status, _ = ask(method, address, body)
        found.append([method, described, status])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
    walk(sys.argv[1])
