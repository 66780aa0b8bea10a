"""What is done once, when a guest enters a band: evidence, commands, alerts."""

from trustd.enforce.errands.alert import Alert, Teller
from trustd.enforce.errands.capture import Capture
from trustd.enforce.errands.evidence import Evidence
from trustd.enforce.errands.hook import Hook
from trustd.enforce.errands.runner import Runner, Trade

__all__ = ["Alert", "Capture", "Evidence", "Hook", "Runner", "Teller", "Trade"]
