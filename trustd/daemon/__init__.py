"""The daemon: where everything is built, wired and run."""

from trustd.daemon.cli import main

__all__ = ["main"]
