"""Documents: strict YAML, every mistake at its place, and no text that does harm."""

import time
from enum import StrEnum

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from trustd.documents import (
    Bytes,
    Document,
    Instant,
    Level,
    Percent,
    PerHour,
    PerSecond,
    Ratio,
    Seconds,
    Strict,
    load,
    validate,
)
from trustd.documents.document import MOST_PROBLEMS
from trustd.documents.tree import MOST_DEPTH, MOST_NODES, parse, resolve
from trustd.errors import ConfigError, DocumentError, PolicyError


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Part(Strict):
    size: Bytes
    colour: Colour = Colour.RED
    uses: tuple[str, ...] = ()


class Whole(Strict):
    every: Seconds = 5.0
    on: bool = True
    parts: dict[str, Part] = Field(default_factory=dict)
    listed: tuple[Part, ...] = ()


def whole(text, refer=None):
    return load(text, "whole.yaml", Whole, ConfigError, refer)


def problems(text, refer=None):
    with pytest.raises(ConfigError) as caught:
        whole(text, refer)
    return caught.value.problems


def places(found):
    return [(p.line, p.column, p.key) for p in found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("2026-01-01", "2026-01-01"),
        ("12:30:45", "12:30:45"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("True", True),
        ("~", None),
        ("", None),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("'null'", "null"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    """A plain scalar is what YAML 1.2 says, not what 1.1 did."""
    found = parse(f"key: {text}").root.data()["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_the_text_that_was_written():
    """``on``, ``no`` and ``1`` as keys stay strings."""
    assert parse("{on: 1, no: 2, 1: 3, true: 4}").root.data() == {
        "on": 1,
        "no": 2,
        "1": 3,
        "true": 4,
    }


def test_a_duplicate_key_is_refused_at_its_second_place():
    """No value silently wins over another; the rest of the mistakes is shown too."""
    found = problems("every: 5s\nparts:\n  a: {size: 1}\n  a: {size: 2}\nevry: 6s\n")
    assert places(found) == [(4, 3, "parts.a"), (5, 1, "evry")]
    assert "given twice" in found[0].message
    assert "line 3" in found[0].hint


def test_duplicates_inside_lists_name_their_item():
    """The key path of a duplicate counts list items from 0."""
    found = problems("listed:\n  - {size: 1}\n  - {size: 1, size: 2}\n")
    assert places(found) == [(3, 15, "listed[1].size")]


def test_a_problem_shows_three_lines_and_a_caret():
    """The excerpt puts a caret under the mistake, with a line before and after."""
    [found] = problems("every: 5s\nparts:\n  a:\n    size: 1\n    color: red\n    uses: []\n")
    assert found.excerpt.splitlines() == [
        "    4 |     size: 1",
        "    5 |     color: red",
        "      |     ^",
        "    6 |     uses: []",
    ]
    assert str(found).startswith('whole.yaml:5:5: parts.a.color: unknown key "color"')
    assert found.hint == 'did you mean "colour"?'


def test_all_mistakes_are_shown_at_once_each_at_its_place():
    """Fields, keys, units and cross references are reported together."""

    def refer(model, rest, written):
        for name, part in model.parts.items():
            for index, use in enumerate(part.uses):
                if use not in written.names("parts"):
                    yield rest.problem(("parts", name, "uses", index), f"no {use}")
        for at, part in enumerate(model.listed):
            for index, use in enumerate(part.uses):
                if use not in written.names("parts"):
                    yield rest.problem(("listed", at, "uses", index), f"no {use}")

    text = """\
every: 5 apples
on: perhaps
parts:
  a: {size: 4MiB, uses: [b, nothing]}
  b: {sise: 4MiB, uses: [nowhere, a]}
  c: {size: big}
  d: [1]
listed:
  - {size: 1, colour: gren}
  - {colour: red}
  - {size: 1, uses: [c, gone], more: 1}
  - {size: 1, uses: [5]}
"""
    found = problems(text, refer)
    assert places(found) == [
        (1, 8, "every"),
        (2, 5, "on"),
        (4, 29, "parts.a.uses[1]"),
        (5, 7, "parts.b.sise"),
        (5, 26, "parts.b.uses[0]"),
        (6, 13, "parts.c.size"),
        (7, 6, "parts.d"),
        (9, 23, "listed[0].colour"),
        (10, 5, "listed[1].size"),
        (11, 25, "listed[2].uses[1]"),
        (11, 32, "listed[2].more"),
        (12, 22, "listed[3].uses[0]"),
    ]
    assert [p.hint for p in found if p.key == "listed[0].colour"] == ['did you mean "green"?']
    assert [p.hint for p in found if p.key == "listed[3].uses[0]"] == ['put it in quotes: "5"']


def test_a_misspelt_required_key_is_one_mistake():
    """``sise`` for ``size`` is not also a missing ``size``."""
    [found] = problems("parts: {a: {sise: 1}}")
    assert found.hint == 'did you mean "size"?'


def test_a_syntax_error_stands_alone_with_its_place():
    """Text that is not YAML gives one problem, of the kind that was asked for."""
    with pytest.raises(PolicyError) as caught:
        load("a: [1, 2\nb: 3\n", "p.yaml", Whole, PolicyError)
    [found] = caught.value.problems
    assert (found.line, found.path) == (2, "p.yaml")
    assert "^" in found.excerpt


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "5", "[a]", "just text"],
    ids=["empty", "comment", "number", "list", "text"],
)
def test_a_document_that_is_no_mapping_says_so(text):
    """Neither an empty file nor a list passes for settings."""
    [found] = problems(text)
    assert "mapping" in found.message


@pytest.mark.parametrize(
    "text",
    [
        "a: *nowhere",
        "a: &a [*a]",
        "--- {}\n--- {}",
        "a: !!python/object/apply:os.system [id]",
        "a: !secret x",
        "? [1]\n: 2",
        "a: \x01",
        "a: \ud800",
        "a: " + "9" * 5000,
        "[" * 100_000,
        "{a: " * 100_000,
        "x" * 3_000_000,
    ],
    ids=[
        "alias", "loop", "two", "object", "tag", "key", "control", "surrogate", "digits",
        "brackets", "braces", "large",
    ],
)  # fmt: skip
def test_harmful_text_is_refused_quickly(text):
    """Nothing is constructed, recursed into or counted without bound."""
    began = time.thread_time()
    assert len(problems(text)) == 1
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"k{n}: 1" for n in range(20_000)),
        "\n".join("every: 1" for n in range(20_000)),
        "listed:\n" + "\n".join("- {sise: 1}" for n in range(5_000)),
        "listed:\n" + "\n".join("- {size: x}" for n in range(5_000)),
        "listed:\n" + "\n".join("- {size: 1, uses: [u]}" for n in range(5_000)),
    ],
    ids=["unknown", "twice", "misspelt", "wrong", "references"],
)
def test_thousands_of_mistakes_are_no_flood(text):
    """Problems are shown up to a number, in a time that does not explode."""

    def refer(model, rest, _written):
        for at, part in enumerate(model.listed):
            if part.uses:
                yield rest.problem(("listed", at, "uses", 0), "no")

    began = time.thread_time()
    assert 100 <= len(problems(text, refer)) <= 2 * MOST_PROBLEMS
    assert time.thread_time() - began < 10


def test_aliases_work_but_count_as_what_they_stand_for():
    """A billion laughs ends at the limit; an honest alias is a copy."""
    assert whole("listed: [&p {size: 1}, *p]").listed == (Part(size=1), Part(size=1))
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    began = time.thread_time()
    [found] = problems(laughs)
    assert time.thread_time() - began < 1
    assert f"{MOST_NODES:,}" in found.message


def test_depth_counts_through_aliases():
    """Nesting by aliases is nesting."""
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, MOST_DEPTH))
    [found] = problems(text)
    assert "deeper" in found.message


def test_merge_keys_say_that_they_are_none():
    """``<<`` is a key like any other in YAML 1.2, and unknown."""
    [found] = problems("parts: {a: {<<: {size: 1}, size: 2}}")
    assert "YAML 1.2" in found.hint


def test_values_from_outside_override_and_are_named():
    """An override is parsed as a scalar; a problem with it names its source."""
    document = Document.read("every: 5s\n", "w.yaml", ConfigError)
    document.override(("every",), "1m", "TRUSTD_EVERY")
    document.override(("parts", "a", "size"), "2KiB", "TRUSTD_PARTS__A__SIZE")
    made = validate(document, Whole)
    assert (made.every, made.parts["a"].size) == (60.0, 2048.0)
    document.override(("every",), "soon", "TRUSTD_EVERY")
    with pytest.raises(ConfigError) as caught:
        validate(document, Whole)
    [found] = caught.value.problems
    assert (found.path, found.line, found.key) == ("TRUSTD_EVERY", 0, "every")
    assert str(found).startswith("TRUSTD_EVERY: every:")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Seconds, "30s", 30.0),
        (Seconds, "5m", 300.0),
        (Seconds, "7d", 604800.0),
        (Seconds, "1h30m", 5400.0),
        (Seconds, 12, 12.0),
        (Bytes, "50MiB", 52428800.0),
        (Bytes, "10k", 10000.0),
        (PerSecond, "50k/s", 50000.0),
        (PerSecond, "50MiB/s", 52428800.0),
        (PerSecond, "6/m", 0.1),
        (PerHour, "0.05/h", 0.05),
        (PerHour, "1.2/d", 0.05),
        (Percent, "90%", 90.0),
        (Level, "90%", 90.0),
        (Level, "2k/s", 2000.0),
        (Level, 7.5, 7.5),
        (Instant, "2026-12-01T00:00:00Z", 1796083200.0),
        (Instant, "2026-12-01T01:00:00+01:00", 1796083200.0),
    ],
)
def test_quantities(kind, text, value):
    """Units are read as they are written."""
    assert TypeAdapter(kind).validate_python(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Seconds, "5"),
        (Seconds, "5 minutes"),
        (Seconds, "-5s"),
        (Seconds, -1),
        (Seconds, True),
        (Seconds, float("nan")),
        (Seconds, "1" * 4000 + "s"),
        (Bytes, "5s"),
        (PerSecond, "50k"),
        (Percent, "5"),
        (Level, "fast"),
        (Instant, "2026-12-01"),
        (Instant, "2026-12-01T00:00:00"),
        (Instant, "tomorrow"),
        (Ratio, 1.5),
        (Ratio, float("nan")),
        (Seconds, None),
        (Seconds, [1]),
    ],
)
def test_quantities_that_are_refused(kind, text):
    """Without its unit, zone or range a quantity is refused, not guessed."""
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["every", "parts", "size", "x", "on"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_any_value_is_accepted_or_explained(value):
    """Whatever a document says: a model, or problems that each have a place."""
    found = ()
    try:
        whole(yaml.safe_dump(value, allow_unicode=True))
    except DocumentError as error:
        found = error.problems
    assert all(problem.message and problem.line >= 1 <= problem.column for problem in found)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
@example("a: &b *b")
@example("? ? ?")
@example("%YAML 9.9\n---\n")
def test_any_text_is_accepted_or_explained(text):
    """No text raises anything but an error with places."""
    found = ()
    try:
        whole(text)
    except ConfigError as error:
        found = error.problems
    assert all(problem.line >= 1 for problem in found)


@given(st.text(max_size=30))
def test_a_plain_scalar_that_is_a_string_is_itself(text):
    """What resolves to a string is that very string."""
    found = resolve(text)
    assert found == text or not isinstance(found, str)
