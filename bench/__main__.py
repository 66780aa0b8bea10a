"""``make bench``: every measurement, one after the other, and the table of all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench import gather

HERE = Path(__file__).parent
NOT_RUN = {"__init__", "__main__", "gather", "scrape"}
"""What measures nothing by itself."""


def main() -> int:
    """Run each module of this folder that can be run, in a process of its own."""
    names = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_RUN)
    failed = []
    for name in names:
        if "__main__" not in (HERE / f"{name}.py").read_text("utf-8"):
            continue
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    gather.main()
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
