"""The line: what the hypervisor says becomes assessments and actions."""

from trustd.pipeline.acknowledging import Heard, Word
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.line import Line, Stages
from trustd.pipeline.measuring import Measuring
from trustd.pipeline.narrowing import Narrowing, Seen, objects_of
from trustd.pipeline.probing import Probing
from trustd.pipeline.registry import Registry

__all__ = [
    "Heard",
    "Keeping",
    "Line",
    "Measuring",
    "Narrowing",
    "Probing",
    "Registry",
    "Seen",
    "Stages",
    "Word",
    "objects_of",
]
