"""Policy: labels, roles, object sets, bands, walls, and the decision. All of it pure.

No clock, no input or output: file text, time and history are passed in.
"""

from trustd.policy.bands import Relays, Saved, Standing
from trustd.policy.behaviour import Newcomer
from trustd.policy.compile import Policy
from trustd.policy.decide import decide
from trustd.policy.effective import effective
from trustd.policy.entities import Ruling, Subject, Target
from trustd.policy.explain import Explanation, Gate, explain
from trustd.policy.load import compiled, load_policy, load_registry
from trustd.policy.measures import Measure
from trustd.policy.reasons import REASONS
from trustd.policy.selectors import Labels

__all__ = [
    "REASONS",
    "Explanation",
    "Gate",
    "Labels",
    "Measure",
    "Newcomer",
    "Policy",
    "Relays",
    "Ruling",
    "Saved",
    "Standing",
    "Subject",
    "Target",
    "compiled",
    "decide",
    "effective",
    "explain",
    "load_policy",
    "load_registry",
]
