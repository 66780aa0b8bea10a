"""The command ``trustd``."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click
import orjson

from trustd import __version__
from trustd.config import Settings, load_settings
from trustd.daemon.build import build, source_of
from trustd.daemon.logs import configure
from trustd.daemon.recording import record as record_guests
from trustd.daemon.service import run_until_stopped
from trustd.errors import DocumentError, TrustdError
from trustd.plugins import discover

EX_CONFIG = 78
"""sysexits.h: the settings or the policy are wrong; systemd does not try again."""

P = ParamSpec("P")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="trustd")
def main() -> None:
    """A behaviour-monitoring trust daemon for virtualised hosts."""


def _told(command: Callable[P, None]) -> Callable[P, None]:
    """Foreseen errors as text and an exit code, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except DocumentError as error:
            click.echo(error, err=True)
            sys.exit(EX_CONFIG)
        except TrustdError as error:
            click.echo(f"trustd: {error}", err=True)
            sys.exit(1)

    return run


_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="TRUSTD_CONFIG",
    help="The settings file.  [default: /etc/trustd/trustd.yaml]",
)


def _settings(path: Path | None) -> Settings:
    settings = load_settings(path, os.environ)
    configure(settings.log)
    return settings


@main.command()
@_config
@_told
def run(path: Path | None) -> None:
    """Watch the guests of this host until told to stop."""
    asyncio.run(run_until_stopped(build(_settings(path))))


@main.command("check-config")
@_config
@_told
def check_config(path: Path | None) -> None:
    """Check settings and policy, and print the settings in effect.

    Exits with 78 and names every mistake, each with its place.
    """
    settings = _settings(path)
    plugins = discover(settings.collectors.disabled)
    policy = source_of(settings, plugins).read(at=time.time()).policy
    shown = settings.model_dump(mode="json") | {
        "in_effect": {
            "policy": {"name": policy.name, "id": policy.id, "mode": policy.mode},
            "collectors": plugins.names,
        }
    }
    click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))


@main.command()
@_config
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_told
def record(path: Path | None, file: Path) -> None:
    """Record the guests' telemetry to FILE until told to stop.

    The file can be played by `trustctl replay`.
    """
    record_guests(_settings(path), file)
