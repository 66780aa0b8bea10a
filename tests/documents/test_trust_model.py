"""The equations of the trust model's page have the numbers of the code."""

import re
from pathlib import Path

import pytest

from trustd.model import Severity, Unit
from trustd.model.behaviour import DAY, HOUR, Behaviour
from trustd.trust import baseline, common, fastlane, ledger, opinion, rarity, standing, units
from trustd.trust.settings import FAST, SLOW, Settings

PAGE = Path(__file__).parents[2] / "docs/trust-model.md"
SETTINGS = Settings()
SAYINGS = (
    f"windows of {SETTINGS.window:.0f} s",
    (
        f"$c$ = {units.SCALES[Unit.BYTES_PER_SECOND] / 1e3:.0f} KB/s"
        f" or {units.SCALES[Unit.EVENTS_PER_SECOND]:.0f} events/s"
    ),
    f"slow level $m$ ({SETTINGS.adapt / DAY:.0f} days)",
    f"profile of {baseline.HOURS} hours ({SETTINGS.visits:.0f} visits)",
    rf"\max(1.25\,s, {SETTINGS.floor})",
    rf"\min(|r|, {baseline.CLIP_SCALE:.0f}\sigma)",
    f"at least {common.FEWEST} guests are watched and more than {common.MANY:.0%}".replace(
        "%", " %"
    ),
    "Sixteen counts" if rarity.RUNGS == 16 else f"{rarity.RUNGS} counts",
    f"({SETTINGS.remember / DAY:.0f} days), shrunk",
    rf"$\kappa$ = {SETTINGS.prior / HOUR:.0f} hours",
    f"from {FAST.bytes.low / 1e3:.0f} KB/s to {FAST.bytes.high / 1e6:.0f} MB/s",
    f"from {FAST.percent.low:.0f} to {FAST.percent.high:.0f} percentage points",
    f"less {SETTINGS.slack} that is nobody's concern",
    f"half-life {FAST.fade / 60:.0f} min, at most {FAST.step:.0f} per 300 s",
    (
        f"half-life {SLOW.fade / HOUR:.0f} h, materiality from {SLOW.bytes.low / 1e3:.0f} KB/s"
        f" to {SLOW.bytes.high / 1e3:.0f} KB/s"
    ),
    f"beyond {FAST.excess} times (fast)",
    f"blocks of {SETTINGS.block / HOUR:.0f} h",
    f"not for {SETTINGS.hold / HOUR:.0f} h after a crossing",
    f"$h$ = {FAST.crossing:.0f} (fast) and {SLOW.crossing:.0f} (slow)",
    rf"$1 + {SETTINGS.young:.0f}\cdot 2^{{-age/{SETTINGS.youth / DAY:.0f}d}}$",
    f"teach at most {baseline.CLIP:.0f} \N{GREEK SMALL LETTER SIGMA}",
    f"Good evidence $r$ grows towards {SETTINGS.good:.0f}",
    rf"$\varphi \le {standing.ALONE}$",
    f"${standing.ALONE} + {standing.TOGETHER:.0f}g$",
    f"latched (at most {standing.LATCH_MOST})",
    f"({Behaviour().bad_half_life / standing.FIRST_FORGETS / HOUR:.0f} h by default)",
    (
        f"(minor {ledger.WEIGHTS[Severity.MINOR]}, major {ledger.WEIGHTS[Severity.MAJOR]:.0f},"
        f" critical {ledger.WEIGHTS[Severity.CRITICAL]:.0f};"
    ),
    f"short of critical at most {fastlane.MOST_BAD:.0f} in a family",
    f"$W = {opinion.PRIOR:.0f}$",
)


@pytest.mark.parametrize("saying", SAYINGS)
def test_a_number_of_the_page_is_that_of_the_code(saying: str) -> None:
    """Whoever changes a constant of the engine changes the page that explains it."""
    text = re.sub(r"\s+", " ", PAGE.read_text("utf-8"))
    assert saying in text
