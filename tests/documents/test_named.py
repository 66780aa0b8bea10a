"""What the documents name exists: tests, files, and each other's headings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.test_examples import PAGES

PROJECT = Path(__file__).parents[2]
EXPECTATIONS = PROJECT / "docs/expectations.md"
TEST = re.compile(r"tests/[\w/]+\.py::\w+(?:::\w+)?")
FILE = re.compile(
    r"`((?:collectors|contrib|docs|policies|requirements|tests|tools|trustd)/[\w.*/-]+)`"
)
NO_METRICS = {"trustd_severity"}
"""An annotation of what Alertmanager is told."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.slow
def test_every_test_that_a_page_names_is_collected() -> None:
    """pytest finds each test that any page gives as a proof."""
    named = sorted({each for page in PAGES for each in TEST.findall(page.read_text("utf-8"))})
    assert len(named) > 40
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr


def test_every_expectation_has_its_proof() -> None:
    """Twenty rows, each with its state and at least one test."""
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", EXPECTATIONS.read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 21))
    for _number, row in rows:
        _expected, state, proof = row.split(" | ")
        assert state.startswith(("holds", "in part: "))
        assert TEST.search(proof)


def test_every_file_that_a_page_names_is_there() -> None:
    """Paths of this project that pages give in code, and targets of links, exist."""
    missing = []
    for page in PAGES:
        text = page.read_text("utf-8")
        paths = [PROJECT / path for path in FILE.findall(text.replace("NAME", "*"))]
        for target in LINK.findall(text):
            base = PROJECT / "docs" if target.startswith("/") else page.parent
            paths.append(base / target.lstrip("/"))
        missing += [f"{page.name}: {path}" for path in paths if not there(path)]
    assert not missing


def there(path: Path) -> bool:
    """Whether a file or directory is there; a star stands for any name."""
    return any(path.parent.glob(path.name)) if "*" in path.name else path.exists()


def test_every_metric_that_a_page_names_is_one() -> None:
    """A name in the form of trustd's metrics stands on their page."""
    headings = (PROJECT / "docs/metrics.md").read_text("utf-8")
    known = {*re.findall(r"^### (trustd_\w+)$", headings, re.MULTILINE), *NO_METRICS}
    unknown = []
    for page in PAGES:
        for name in re.findall(r"`(trustd_\w+)[`{]", page.read_text("utf-8")):
            feature = re.fullmatch(r"trustd_guest_\w+_(ratio|per_second)", name)
            if name not in known and not feature:
                unknown.append(f"{page.name}: {name}")
    assert not unknown


def test_every_page_is_linked_from_the_index() -> None:
    """A reader of the plain Markdown, too, comes to each page from the index."""
    linked = set(LINK.findall((PROJECT / "docs/index.md").read_text("utf-8")))
    pages = {*PROJECT.glob("docs/*.md"), *PROJECT.glob("docs/howto/*.md")}
    names = {str(page.relative_to(PROJECT / "docs")) for page in pages}
    assert names - {"index.md"} == linked - {each for each in linked if each.endswith("/index.md")}


def test_every_make_target_that_a_page_names_is_there() -> None:
    """``make NAME``, in a sentence or in a block, is a target of the Makefile."""
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = set()
    for page in PAGES:
        named |= set(
            re.findall(r"(?:^(?:[#$] )?|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
        )
    assert "demo" in named
    assert named <= set(targets)
