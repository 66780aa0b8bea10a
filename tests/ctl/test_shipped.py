"""Completion scripts and man pages are what the commands are, and a shell can use them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.api.fleets import assessed, fleet, guest_id, narrowed
from tests.ctl.conftest import Served, environment
from trustd.ctl import COMMANDS

PROJECT = Path(__file__).parents[2]
COMPLETIONS = PROJECT / "contrib/completions"
HOSTILE = "$(touch pwned) `id`; *\n\x1b[2J"
RUN = f"#!{sys.executable}\nfrom trustd.ctl import main\nmain(prog_name='trustctl')\n"
# a daemon that answers may be given longer where it shares a busy machine
PATIENT = RUN.replace("main(", "from trustd.ctl import completing\ncompleting.PATIENCE = 60\nmain(")
BASH = """
source {script}
COMP_WORDS=({words})
COMP_CWORD={place}
_trustctl_completion trustctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def path(tmp_path):
    """A PATH on which there is trustctl."""
    program = tmp_path / "bin/trustctl"
    program.parent.mkdir()
    program.write_text(PATIENT, "utf-8")
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


async def completed(served: Served, path: str, directory: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = BASH.format(
        script=COMPLETIONS / "trustctl.bash", words=f"trustctl {quoted}", place=len(words)
    )
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment(served), "PATH": path, "PYTHONPATH": str(PROJECT)},
        cwd=directory,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert (process.returncode, err) == (0, b""), err
    return out.decode().split()


def installed(program: str) -> str:
    found = shutil.which(program)
    assert found is not None, f"{program} is not here: tools/setup.sh test installs it"
    return found


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_shipped_files_are_current() -> None:
    """What ships is what the commands are: `python tools/man.py` writes it."""
    ran = subprocess.run(
        [sys.executable, PROJECT / "tools/man.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert ran.returncode == 0, f"run python tools/man.py:\n{ran.stderr}"


@pytest.mark.parametrize("page", ["trustctl.1", "trustd.8"])
def test_man_pages_are_well_formed(page: str) -> None:
    """groff finds nothing wrong with a page, and man shows its parts."""
    groff = installed("groff")
    path = PROJECT / "contrib/man" / page
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", path], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    shown = re.sub(r".\x08", "", done.stdout)
    for heading in ("NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "FILES"):
        assert heading in shown
    if page == "trustctl.1":
        text = path.read_text("utf-8")
        assert not {name for name in COMMANDS if f'.SS "{name}' not in text.replace("\\-", "-")}


async def test_bash_completes_commands_options_guests_and_bands(
    served: Served, path: str, tmp_path: Path
) -> None:
    """What is typed is completed from the commands and from the guests that there are now."""
    served.publish(fleet(assessed("web-1"), narrowed("web-2")))
    assert await completed(served, path, tmp_path, "expl") == ["explain"]
    options = await completed(served, path, tmp_path, "guests", "--so")
    assert sorted(options) == ["--socket", "--sort"]
    assert await completed(served, path, tmp_path, "explain", "we") == ["web-1", "web-2"]
    assert await completed(served, path, tmp_path, "guests", "--band", "re") == ["restricted"]


async def test_hostile_name_is_never_put_into_a_command(
    served: Served, path: str, tmp_path: Path
) -> None:
    """A guest whose name a shell would obey is offered by its UUID, and nothing is run."""
    served.publish(fleet(assessed(HOSTILE, 1), assessed("-rf", 3), assessed("web-1", 4)))
    offered = await completed(served, path, tmp_path, "explain", "")
    assert sorted(offered) == sorted([guest_id(1), guest_id(3), "web-1"])
    assert "pwned" not in names_in(tmp_path)


async def test_no_daemon_is_no_error_and_no_wait(served: Served, path: str, tmp_path: Path) -> None:
    """Without a daemon, and with one that does not answer, nothing is offered, soon, and
    nothing is written where somebody types."""
    (tmp_path / "bin/trustctl").write_text(RUN, "utf-8")
    silent = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    served.publish(fleet(assessed()))
    gone = str(tmp_path / "nothing.sock")
    assert await completed(served, path, tmp_path, "--socket", gone, "explain", "") == []
    hanging = tmp_path / "hanging.sock"
    server = await asyncio.start_unix_server(hang, hanging)
    began = time.monotonic()
    assert await completed(served, path, tmp_path, "--socket", str(hanging), "explain", "") == []
    assert time.monotonic() - began < 60
    silent.set()
    server.close()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_their_script(shell: str) -> None:
    """zsh and fish find nothing wrong with theirs."""
    program = installed(shell)
    script = COMPLETIONS / f"trustctl.{shell}"
    done = subprocess.run([program, "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
