"""The line: what the hypervisor says becomes assessments and actions."""

from trustd.pipeline.keeping import Keeping
from trustd.pipeline.line import Line, Stages
from trustd.pipeline.measuring import Measuring
from trustd.pipeline.narrowing import Narrowing
from trustd.pipeline.probing import Probing

__all__ = ["Keeping", "Line", "Measuring", "Narrowing", "Probing", "Stages"]
