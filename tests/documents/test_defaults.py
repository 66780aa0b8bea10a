"""The page of settings tells the defaults that the code has."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from trustd.config import Settings

PAGE = Path(__file__).parents[2] / "docs/settings.md"
SECTIONS = dict(
    re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
)
QUANTITY = re.compile(
    r"(\d[\d,]*(?:\.\d+)?) ?(KiB|MiB|GiB|ms|seconds?|s|minutes?|hours?|days?)?(?![\w.])"
)
FACTOR = {
    "": 1, "s": 1, "second": 1, "minute": 60, "hour": 3600, "day": 86400, "ms": 0.001,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
NOTHING = re.compile(r"\bby default|\bThere are none")


def defaults(model: type[BaseModel], prefix: str = "") -> Iterator[Any]:
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            yield from defaults(type(value), f"{prefix}{name}.")
        else:
            yield pytest.param(prefix + name, value, id=prefix + name)


def quantities(text: str) -> set[float]:
    """The numbers of a text, in seconds or bytes where a unit stands behind them.

    >>> sorted(quantities("5 s by default, 10GiB at most, or 1,000"))
    [5.0, 1000.0, 10737418240.0]
    """
    return {
        float(number.replace(",", "")) * FACTOR[unit if unit in FACTOR else unit.rstrip("s")]
        for number, unit in QUANTITY.findall(text)
    }


@pytest.mark.parametrize(("name", "value"), list(defaults(Settings)))
def test_a_default_is_told(name: str, value: object) -> None:
    """The section of a setting names its default: a number with its unit, a word, or that
    there is none."""
    text = re.sub(r"\s+", " ", SECTIONS[name])
    match value:
        case bool():
            assert re.search(rf"\b(?:{'yes|on' if value else 'no|off'}) by default", text)
        case int() | float():
            assert float(value) in quantities(text)
        case StrEnum() | str() | Path():
            assert f"`{value}`" in text
        case None:  # it follows from something else, or there is none
            assert "by default" in text
        case _:
            assert not value
            assert NOTHING.search(text)
