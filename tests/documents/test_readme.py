"""What the README shows works, and what it says of the tests is so."""

import itertools
import re
from pathlib import Path

import pytest

from tests.documents.blocks import blocks, commands
from tests.documents.running import run
from tests.documents.test_named import TEST
from tests.documents.typing_in import Shell

PROJECT = Path(__file__).parents[2]
README = PROJECT / "README.md"
HOWTO = PROJECT / "docs/howto/protect-and-override.md"
INSTALL = PROJECT / "docs/install.md"


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_every_command_runs_on_a_real_hypervisor(shell: Shell) -> None:
    """The README's commands, and those of a how-to, all succeed beside a daemon that was begun
    with the settings and the policy of a fresh installation."""
    assert shell.run(
        "install -D -m 644 -t /etc/trustd/policies policies/*.yaml policies/*.json"
    ) == (
        0,
        "",
    )
    shell.run("trustd run >/var/log/trustd.log 2>&1 &")
    shell.run("until trustctl status >/dev/null 2>&1; do sleep 0.2; done")
    assert run(README, shell) >= 10
    assert run(HOWTO, shell) >= 10
    assert shell.run("kill %1; wait %1")[0] == 0


def test_the_installation_from_source_is_the_one_that_tests_use() -> None:
    """The lines that need a network are those of ``tools/setup.sh``, which CI runs from nothing:
    the same Debian packages, the same locks, the same options."""
    setup = (PROJECT / "tools/setup.sh").read_text("utf-8").replace("\\\n", " ")
    packages = re.search(r'build_packages="([^"]*)"', setup)
    assert packages is not None
    typed = [command.typed for block in blocks(INSTALL) for command in commands(block)]
    (apt,) = [line for line in typed if line.startswith("apt-get install git ")]
    assert set(apt.split()[3:]) <= set(packages[1].split())
    pip = [line.partition(" install ")[2].split() for line in typed if "trustd/bin/pip" in line]
    hashed = [words for words in pip if "--no-build-isolation" in words]
    assert len(hashed) == 3
    for word in itertools.chain(*hashed):
        lock = re.fullmatch(r"requirements/(build|run)\.txt", word)
        assert lock or word in setup.split()
    assert "for lock in build $locks" in setup
    assert 'locks="run"' in setup


def test_whoever_else_runs_a_block_is_there() -> None:
    """A block that the tests of documents leave out names a test, or a file, that runs it."""
    for page in (README, PROJECT / "docs/tutorial.md"):
        for block in blocks(page):
            if block.elsewhere:
                known = TEST.fullmatch(block.elsewhere) or (PROJECT / block.elsewhere).is_file()
                assert known, f"{block.place}: {block.elsewhere}"
