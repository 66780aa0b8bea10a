"""Fixtures of the lab, for a ``conftest.py``: ``pytest_plugins = ["tests.lab.fixtures"]``.

- ``hypervisor``: one for the whole session.
- ``shared``: a directory which is the same inside every hypervisor and outside.
- ``guests``: a function that starts guests for one test; they are removed after it.
- ``guest``: a guest of the module; quiet at the start of each test. A test that changes more
  than its behaviour (devices, limits, power) puts it back, or takes its own from ``guests``.
- ``another_hypervisor``: a function that starts further hypervisors for one test.

When a test fails, the consoles of its guests and libvirt's log are part of the report. Without
what the lab needs its tests fail and say what to install; TRUSTD_LAB=skip skips them instead.
"""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec

StartGuests = Callable[..., list[Guest]]
StartHypervisor = Callable[[str], Hypervisor]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("TRUSTD_LAB") == "skip":
        pytest.skip("the lab is switched off (TRUSTD_LAB=skip)")
    directory = tmp_path_factory.mktemp("shared")
    directory.chmod(0o711)  # QEMU, which is not root, opens disks in it
    return directory


@pytest.fixture(scope="session")
def hypervisor(shared: Path) -> Iterator[Hypervisor]:
    with Hypervisor("lab", shared=[shared]) as started:
        yield started


@pytest.fixture
def another_hypervisor(shared: Path) -> Iterator[StartHypervisor]:
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(Hypervisor(name, shared=[shared]))


@pytest.fixture
def guests(hypervisor: Hypervisor) -> Iterator[StartGuests]:
    with contextlib.ExitStack() as stack:  # each is removed, whatever becomes of another

        def start(*specs: GuestSpec) -> list[Guest]:
            before = len(hypervisor.guests)
            try:
                return hypervisor.start(*specs)
            finally:
                for guest in hypervisor.guests[before:]:
                    stack.callback(guest.remove)

        yield start


@pytest.fixture(scope="module")
def _module_guest(hypervisor: Hypervisor, request: pytest.FixtureRequest) -> Iterator[Guest]:
    name = request.module.__name__.rpartition(".")[2]
    with hypervisor.guest(GuestSpec(name, labels={"app": "web"})) as started:
        yield started


@pytest.fixture
def guest(_module_guest: Guest) -> Guest:
    _module_guest.quiet()
    return _module_guest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        arguments: dict[str, Any] = getattr(item, "funcargs", {})
        used = {}
        for value in arguments.values():
            hypervisor = value.hypervisor if isinstance(value, Guest) else value
            if isinstance(hypervisor, Hypervisor) and hypervisor.running:
                used[hypervisor.uuid] = hypervisor
        for hypervisor in used.values():
            report.sections += hypervisor.logs()
    return report
