"""trustd in an environment of its own, installed as pipx does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
CLEAN = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def run(*words, **options):
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, check=False, env=CLEAN, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A new environment with the wheel in it, and the dependencies of this one, with no network."""
    here = tmp_path_factory.mktemp("pip")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    build = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", here)
    run(*pip, "wheel", "--quiet", *build, PROJECT)
    (wheel,) = here.glob("trustd-*.whl")
    made = here / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", made)
    python = made / "bin/python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    run(*pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    # after its own: this one's trustd, which is the source tree, stays hidden
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return made


def test_commands_are_there(environment, tmp_path):
    """Both commands run from the new environment, and check settings with every collector."""
    assert run(environment / "bin/trustd", "--version").startswith("trustd, version ")
    assert "Usage: trustctl" in run(environment / "bin/trustctl", "--help")
    settings = tmp_path / "trustd.yaml"
    settings.write_text(f"policy: {PROJECT / 'policies/default.yaml'}\n", "utf-8")
    told = json.loads(run(environment / "bin/trustd", "check-config", "--config", settings))
    assert {"cpu", "memory", "disk", "network", "lifecycle", "emulator", "host"} <= set(
        told["in_effect"]["collectors"]
    )


def test_it_is_what_was_installed(environment, tmp_path):
    """The code that runs is the wheel's: all of it is there, and nothing comes from the source."""
    python = environment / "bin/python"
    code = "import trustd, collectors; print(trustd.__file__, collectors.__file__, sep='\\n')"
    for line in run(python, "-I", "-c", code, cwd=tmp_path).splitlines():
        assert Path(line).is_relative_to(environment)
    source = {path.relative_to(PROJECT) for path in (PROJECT / "trustd").rglob("*.py")}
    site = next(environment.glob("lib/python*/site-packages"))
    installed = {path.relative_to(site) for path in (site / "trustd").rglob("*.py")}
    assert installed == source
