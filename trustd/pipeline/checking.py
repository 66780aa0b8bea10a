"""What a plug-in gives, looked at before it goes on: a wrong answer is an error of its own."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from math import isfinite, isnan

import numpy as np

from trustd.model import Columns, Finding, Gap, GapReason, GuestId, HostLoad
from trustd.spi import Probe, Probed

_LAST_REASON = max(GapReason)


def checked_columns(columns: Columns, guests: int, features: int) -> Columns:
    """A collector's columns.

    Raises:
        ValueError: they have not one row a guest and one column a feature, or a cell
            is neither a number nor a gap with its reason.
    """
    values, gaps = columns.values, columns.gaps
    for part in (values, gaps):
        if part.shape != (guests, features):
            raise ValueError(f"gave the shape {part.shape}, not {(guests, features)}")
    if not np.array_equal(np.isfinite(values), gaps == GapReason.PRESENT):
        raise ValueError("gave numbers where it says there are gaps, or none elsewhere")
    if gaps.size and not (gaps.min() >= 0 and gaps.max() <= _LAST_REASON):
        raise ValueError("gave a gap for a reason that there is not")
    return columns


def checked_findings(
    findings: Sequence[Finding], kinds: Container[str], guest: GuestId | None = None
) -> list[Finding]:
    """A listener's or a probe's findings.

    Args:
        kinds: those that it may give.
        guest: whom it was asked about; None where it may speak of any.

    Raises:
        ValueError: one of them is none, is of another kind, or of another guest.
    """
    found = list(findings)
    for each in found:
        if not isinstance(each, Finding):
            raise ValueError(f"gave {type(each).__name__} for a finding")  # noqa: TRY004 - what it gave is wrong
        if each.kind not in kinds:
            raise ValueError(f"gave a finding of the kind {each.kind}, which it does not declare")
        if guest is not None and each.guest != guest:
            raise ValueError(f"gave a finding of another guest, {each.guest}")
        if not isfinite(each.at) or isnan(each.holds):
            raise ValueError("gave a finding without a time")
    return [_storable(each) for each in found]


def _storable(finding: Finding) -> Finding:
    r"""A finding whose texts every reader can encode.

    Names of processes and files are bytes that somebody chose; what is no text in
    them is shown as it was escaped.

    >>> from trustd.model import Severity
    >>> odd = Finding(GuestId("a"), "odd", Severity.INFO, "emulator", "x", 1.0, "runs \udcff")
    >>> _storable(odd).summary
    'runs \\udcff'
    """
    texts = (finding.summary, finding.key, *finding.facts, *finding.facts.values())
    try:
        "".join(each for each in texts if isinstance(each, str)).encode()
    except UnicodeEncodeError:
        return replace(
            finding,
            summary=_text(finding.summary),
            key=_text(finding.key),
            facts={
                _text(name): _text(value) if isinstance(value, str) else value
                for name, value in finding.facts.items()
            },
        )
    return finding


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def checked_probe(probe: Probe, probed: Probed, guest: GuestId) -> Probed:
    """What a probe says of one guest.

    Raises:
        ValueError: a value is no number and no gap, or a finding is wrong.
    """
    if not isinstance(probed, Probed):
        raise ValueError(f"gave {type(probed).__name__}, not what it saw")  # noqa: TRY004 - as above
    for name, value in probed.values.items():
        if not isinstance(value, Gap) and not isfinite(value):
            raise ValueError(f"gave no number for {name}")
    return Probed(dict(probed.values), checked_findings(probed.findings, probe.kinds, guest))


def checked_load(load: HostLoad) -> HostLoad:
    """A sensor's word on the host.

    Raises:
        ValueError: it is no load, or a share is no number.
    """
    if not isinstance(load, HostLoad):
        raise ValueError(f"gave {type(load).__name__} for the host's load")  # noqa: TRY004 - as above
    if not all(map(isfinite, (load.cpu, load.memory, load.io))):
        raise ValueError("gave no number for the host's load")
    return load
