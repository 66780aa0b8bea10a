"""A hypervisor whose first process is systemd, so that units run as on a real host."""

import subprocess
from pathlib import Path
from typing import Any, Self

from tests.lab.errors import LabError
from tests.lab.hypervisor import Hypervisor
from tests.lab.namespaces import CLEAN
from tests.lab.waiting import wait_until

SECONDS_TO_BOOT = 180.0
PACKAGES = {"systemd": "/lib/systemd/systemd", "dbus": "/lib/systemd/system/dbus.service"}
"""The file that shows that a Debian package is there, beyond what every hypervisor needs."""


class Booted(Hypervisor):
    """A context manager; inside it systemd has started libvirtd, a system bus and polkit.

    Inside, ``/usr`` can be written to as well, and dpkg knows what is installed: both are gone
    with it.
    """

    environment = CLEAN | {"LAB_INIT": "systemd"}

    def __enter__(self) -> Self:
        for package, file in PACKAGES.items():
            if not Path(file).exists():
                raise LabError(f"no {file}: apt-get install --no-install-recommends {package}")
        return super().__enter__()

    def started(self) -> None:
        """Wait until systemd has started everything."""
        super().started()
        wait_until(
            lambda: self.is_system_running() in {"running", "degraded"},
            "systemd has booted",
            seconds=SECONDS_TO_BOOT,
        )
        if failed := self.failed():
            raise LabError(f"{self.name} booted without {failed}\n{self.journal()}")

    def systemctl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run systemctl to its end; it must succeed unless ``check=False``."""
        return self.run("systemctl", "--no-pager", *arguments, **options)

    def is_system_running(self) -> str:
        """Return systemd's word for how far it is."""
        return self.systemctl("is-system-running", check=False).stdout.strip()

    def failed(self) -> list[str]:
        """Return the units that failed."""
        listed = self.systemctl("list-units", "--failed", "--plain", "--no-legend").stdout
        return [line.split()[0] for line in listed.splitlines()]

    def property(self, unit: str, name: str) -> str:
        """Return a property of a unit, as ``systemctl show`` has it."""
        return self.systemctl("show", "--value", "-p", name, unit).stdout.strip()

    def journal(self, *arguments: str) -> str:
        """Return lines of the journal; by default the last of all units.

        What was said before is in it: journald is waited for.
        """
        asked = arguments or ("-n", "60")
        self.run("journalctl", "--sync", check=False)
        return self.run("journalctl", "--no-pager", "--quiet", *asked, check=False).stdout

    def logs(self) -> list[tuple[str, str]]:
        """Return what the journal says, beside what every hypervisor has."""
        return [*super().logs(), (f"journal of {self.name}", self.journal())]
