"""The documented example of the offline engine does what its page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "offline-engine.md"


@pytest.mark.slow
def test_the_example_runs_and_names_the_flood(capsys: pytest.CaptureFixture[str]) -> None:
    """The code of the page, as it stands, ends with web-1 below one half."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    printed = capsys.readouterr().out.splitlines()
    trust = dict(re.findall(r"'([\w-]+)': ([\d.]+)", printed[0]))
    assert float(trust["web-1"]) < 0.5
    assert min(float(trust["web-2"]), float(trust["db-1"])) > 0.85
    assert printed[1].startswith("net.tx.bytes at 11 MB/s")
