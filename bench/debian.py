"""Programs out of Debian's packages, unpacked and not installed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

PLACE = Path(__file__).parents[1] / "build/peers"


def unpacked(packages: Sequence[str]) -> Path:
    """The directory in which the packages' files are as they would be in ``/``.

    The machine's own package sources are asked; nothing of it is installed or started.
    """
    PLACE.mkdir(parents=True, exist_ok=True)
    root = PLACE / "root"
    for package in packages:
        done = PLACE / f"{package}.unpacked"
        if not done.exists():
            subprocess.run(
                ["apt-get", "-qo", "APT::Sandbox::User=root", "download", package],  # noqa: S607
                cwd=PLACE,
                check=True,
            )
            (archive,) = PLACE.glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "--extract", archive, root], check=True)  # noqa: S607
            done.write_text(archive.name + "\n", "utf-8")
            archive.unlink()
    return root


def version(package: str) -> str:
    """The version of an unpacked package."""
    return (PLACE / f"{package}.unpacked").read_text("utf-8").split("_")[1]
