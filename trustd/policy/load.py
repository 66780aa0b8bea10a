"""From a policy's text to a compiled policy, or to every mistake in it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator

import orjson

from trustd.documents import Document, load, validate
from trustd.errors import PolicyError, Problem
from trustd.policy.compile import Policy
from trustd.policy.never import breaches
from trustd.policy.references import References
from trustd.policy.schema import PolicyDocument, RegistryDocument
from trustd.policy.soundness import soundness

_ORDERED = frozenset(("bands", "enforce"))
"""Lists whose order means something; all others are sets."""


def load_policy(text: str, path: str, *, features: Collection[str] | None = None) -> Policy:
    """Load and compile a policy.

    Args:
        text: the YAML text.
        path: the name that problems carry.
        features: names that ``behaviour`` may speak of; None: any.

    Raises:
        PolicyError: with every problem.
    """
    return compiled(Document.read(text, path, PolicyError), features=features)


def compiled(document: Document, *, features: Collection[str] | None = None) -> Policy:
    """Compile a policy document that was read; see :func:`load_policy`."""

    def refer(policy: PolicyDocument, places: Document, written: Document) -> Iterator[Problem]:
        yield from References(policy, places, written, features)
        yield from soundness(policy, places)

    content = validate(document, PolicyDocument, PolicyError, refer)
    policy = Policy(content, identity(content))
    broken = tuple(
        document.problem(("never", breach.index), f"this is not so: {breach.text}")
        for breach in breaches(policy)
    )
    if broken:
        raise PolicyError(broken)
    return policy


def load_registry(text: str, path: str) -> RegistryDocument:
    """Load a document of labels that stands beside the policy.

    Raises:
        PolicyError: with every problem.
    """
    return load(text, path, RegistryDocument, PolicyError)


def identity(document: PolicyDocument) -> str:
    """Sha256 of the canonical form: the same for any order of keys and of sets."""
    canonical = _canonical(document.model_dump(mode="json", by_alias=True), ordered=False)
    return hashlib.sha256(orjson.dumps(canonical)).hexdigest()


def _canonical(value: object, *, ordered: bool) -> object:
    if isinstance(value, dict):
        return {
            key: _canonical(value[key], ordered=ordered or key in _ORDERED) for key in sorted(value)
        }
    if isinstance(value, list):
        items = [_canonical(item, ordered=False) for item in value]
        return items if ordered else sorted(items, key=orjson.dumps)
    return value
