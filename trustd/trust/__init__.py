"""Behaviour becomes trust: arithmetic over columns, without clock or input and output."""

from trustd.model import FeatureSpec
from trustd.trust.engine import Engine
from trustd.trust.explain import Explanation, Term
from trustd.trust.ledger import OpenFinding
from trustd.trust.scores import Scores
from trustd.trust.settings import Settings

__all__ = [
    "Engine",
    "Explanation",
    "FeatureSpec",
    "OpenFinding",
    "Scores",
    "Settings",
    "Term",
]
