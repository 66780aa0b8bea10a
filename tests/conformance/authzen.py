"""AuthZEN Authorization API 1.0 as a client sees it: one check a rule.

    python -m tests.conformance.authzen http://127.0.0.1:9747 --token TOKEN
    python -m tests.conformance.authzen unix:/run/trustd/trustd.sock

The service must run the policy ``authzen.yaml`` beside this file, and the caller must be
registered for the dialect, for properties of users and for properties of records.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from tests.conformance import batches, evaluations, searches
from tests.conformance.client import Client

Check = Callable[[Client], None]
CHECKS: Mapping[str, Check] = {
    name.removeprefix("check_"): check
    for name, check in sorted((vars(evaluations) | vars(batches) | vars(searches)).items())
    if name.startswith("check_")
}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Run every check, and say which the service does not pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="http://HOST:PORT or unix:PATH")
    parser.add_argument("--token", default="", help="shown as a bearer token")
    options = parser.parse_args()
    client = Client(options.url, options.token)
    failed = 0
    for name, check in CHECKS.items():
        try:
            check(client)
        except (AssertionError, KeyError, OSError, ValueError) as error:
            failed += 1
            say(f"FAILED  {name}: {check.__doc__}\n        {error!r:.500}")
        else:
            say(f"passed  {name}")
    say(f"{len(CHECKS) - failed} of {len(CHECKS)} passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
