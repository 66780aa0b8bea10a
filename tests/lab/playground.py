"""``make playground``: a throw-away hypervisor with two guests, and a root shell in it.

Inside, everything looks like a hypervisor on which trustd was just installed: its programs are on
the path, and ``/etc``, ``/run`` and ``/var/lib`` are the playground's own. The end of the shell is
the end of all of it.
"""

import shlex
import signal
import subprocess
import sys
from typing import Any

from tests.lab.errors import LabError
from tests.lab.hypervisor import Hypervisor
from tests.lab.namespaces import CLEAN, PROJECT
from tests.lab.requirements import explain, missing
from tests.lab.spec import GuestSpec

PROGRAMS = "/run/lab/bin"
GUESTS = (GuestSpec("web-1", labels={"app": "web"}), GuestSpec("db-1", labels={"app": "db"}))
WELCOME = """\
A throw-away hypervisor with the guests web-1 and db-1. You are root in it, in {project}.
  virsh list                 its guests
  guest web-1 write 8000000  have a guest behave in a way; "guest" alone says which
The end of this shell ends all of it.
"""


class Playground(Hypervisor):
    """A context manager: a hypervisor with the guests in ``GUESTS``, ready for a shell."""

    def __init__(self) -> None:
        super().__init__("playground")

    def started(self) -> None:
        """Wait until libvirt answers; install what the shell finds on its path."""
        super().started()
        self.path(PROGRAMS).mkdir()
        for name, module in (
            ("trustd", "trustd"),
            ("trustctl", "trustd.ctl"),
            ("guest", "tests.lab.behave"),
        ):
            self._install(name, f'exec {shlex.quote(sys.executable)} -P -m {module} "$@"')

    def _install(self, name: str, line: str) -> None:
        program = self.path(f"{PROGRAMS}/{name}")
        project = shlex.quote(str(PROJECT))
        program.write_text(f"#!/bin/sh\nPYTHONPATH={project} {line}\n", "utf-8")
        program.chmod(0o755)

    def boot(self) -> None:
        """Start the guests; return when they obey, and leave them to whoever commands them."""
        for guest in self.start(*GUESTS):
            guest.close()

    def shell(self, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a shell inside, in the project's directory; ``options`` go to Popen."""
        environment = CLEAN | {
            "PATH": f"{PROGRAMS}:{CLEAN['PATH']}",
            "HOME": "/run/lab",  # so that no history is left behind
            "PS1": r"playground \$ ",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return self.popen(
            "bash", "--norc", *arguments, cwd=PROJECT, **{"env": environment} | options
        )


def main() -> int:
    if lacking := missing():
        sys.stderr.write(explain(lacking) + "\n")
        return 1
    with Playground() as playground:
        sys.stderr.write("A hypervisor is up; its guests boot (emulated: a moment)\n")
        playground.boot()
        sys.stderr.write(WELCOME.format(project=PROJECT))
        # Ctrl-C is for what runs in the shell. What were ignored here would be ignored there, too.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        playground.shell().wait()
    return 0  # whatever the shell's last command was


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(130)
