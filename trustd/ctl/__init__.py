"""``trustctl``: what the operator types. It talks to the daemon's unix socket."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from trustd import __version__
from trustd.ctl.session import BAD_DOCUMENT, socket_option
from trustd.errors import ConfigError, PolicyError, TrustdError

COMMANDS = {
    "ack": "trustd.ctl.ack",
    "audit": "trustd.ctl.audit",
    "backup": "trustd.ctl.backup",
    "can-i": "trustd.ctl.can_i",
    "config": "trustd.ctl.config",
    "evidence": "trustd.ctl.evidence",
    "exceptions": "trustd.ctl.exceptions",
    "explain": "trustd.ctl.explain",
    "gate": "trustd.ctl.gate",
    "guest": "trustd.ctl.guest",
    "guests": "trustd.ctl.guests",
    "hold": "trustd.ctl.hold",
    "incident": "trustd.ctl.incident",
    "incidents": "trustd.ctl.incidents",
    "label": "trustd.ctl.label",
    "notify": "trustd.ctl.notify",
    "override": "trustd.ctl.override",
    "pause": "trustd.ctl.pause",
    "objects": "trustd.ctl.known",
    "policy": "trustd.ctl.policy",
    "protect": "trustd.ctl.protect",
    "release": "trustd.ctl.release",
    "replay": "trustd.ctl.replay",
    "restore": "trustd.ctl.restore",
    "resume": "trustd.ctl.resume",
    "status": "trustd.ctl.status",
    "storage": "trustd.ctl.storage",
    "support-dump": "trustd.ctl.support_dump",
    "timeline": "trustd.ctl.timeline",
    "top": "trustd.ctl.top",
    "why": "trustd.ctl.why",
}
"""Where each command is; a module is read when its command is asked for."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TrustdError as error:
            click.echo(f"trustctl: {error}", err=True)
            ctx.exit(BAD_DOCUMENT if isinstance(error, ConfigError | PolicyError) else 1)


_EXIT_CODES = (
    "Exit codes: 0 well, 1 failed, 2 wrong usage, 3 the answer is bad, 69 the daemon cannot be"
    " reached, 78 a configuration or policy is invalid."
)


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXIT_CODES,
)
@click.version_option(__version__, prog_name="trustctl")
@socket_option(envvar="TRUSTD_SOCKET")
def main(*, socket: Path | None) -> None:
    """See how far the guests of this hypervisor are trusted, and why."""
