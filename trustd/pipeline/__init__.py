"""The line: what the hypervisor says becomes assessments and actions."""

from trustd.pipeline.acknowledging import Heard, Word
from trustd.pipeline.chronicle import GONE, Chronicle
from trustd.pipeline.entering import Entering, Upkeep
from trustd.pipeline.gated import Gated
from trustd.pipeline.hearing import Hearing
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.line import Line, Stages
from trustd.pipeline.measuring import Measuring
from trustd.pipeline.narrowing import Narrowing, objects_of
from trustd.pipeline.news import given_back
from trustd.pipeline.overriding import Effect, Overriding
from trustd.pipeline.probing import Probing
from trustd.pipeline.registry import Registry
from trustd.pipeline.remembering import Remembering
from trustd.pipeline.returning import Account, Step
from trustd.pipeline.verdict import Seen

__all__ = [
    "GONE",
    "Account",
    "Chronicle",
    "Effect",
    "Entering",
    "Gated",
    "Heard",
    "Hearing",
    "Keeping",
    "Line",
    "Measuring",
    "Narrowing",
    "Overriding",
    "Probing",
    "Registry",
    "Remembering",
    "Seen",
    "Stages",
    "Step",
    "Upkeep",
    "Word",
    "given_back",
    "objects_of",
]
