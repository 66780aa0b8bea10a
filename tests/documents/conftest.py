"""A playground for the tests of documents."""

from collections.abc import Iterator

import pytest

from tests.documents.typing_in import Shell
from tests.lab.playground import Playground
from tests.lab.waiting import wait_until


@pytest.fixture(scope="module")
def playground() -> Iterator[Playground]:
    """A hypervisor with two guests that obey; one for each module, for pages label guests."""
    with Playground() as started:
        started.boot()
        yield started


@pytest.fixture
def shell(playground: Playground) -> Iterator[Shell]:
    """A shell in it, where trustd was never installed; what it left behind is ended and gone."""
    with Shell(playground.shell) as started:
        yield started
    playground.run("pkill", "-KILL", "-f", "trustd run", check=False)
    wait_until(lambda: not daemons(playground), "no daemon is left", seconds=60)
    playground.run("rm", "-rf", "/etc/trustd", "/var/lib/trustd")


def daemons(playground: Playground) -> str:
    """The processes of daemons that run inside, by their numbers."""
    return playground.run("pgrep", "-f", "trustd run", check=False).stdout
