"""Writes the man pages and the completion scripts from the commands themselves.

``python tools/man.py`` writes into contrib/; with ``--check`` it writes nothing, names
what is out of date, and exits with 1 where something is.
"""

# ruff: noqa: INP001
from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from trustd.ctl import main as trustctl
from trustd.daemon import main as trustd

CONTRIB = Path(__file__).parents[1] / "contrib"
HEAD = "Made by tools/man.py from the commands; change those."
FILES = (
    ("/etc/trustd/trustd.yaml", "The daemon's settings."),
    ("/etc/trustd/policies/", "Policies, and tests of them."),
    ("/run/trustd/trustd.sock", "The daemon's socket."),
    ("/var/lib/trustd/", "What the daemon keeps."),
)
DAEMON = """trustd watches how every guest of a libvirt hypervisor behaves, keeps a trust value for
each, and while a guest's trust is low it narrows what its role permits: on the guest's own disks,
network interfaces and processors, and in the answers that it gives to the services that ask. The
default policy only observes: it says what it would do and touches nothing."""
TOOL = """trustctl asks the daemon over its unix socket. On a terminal it shows tables; elsewhere a
line a thing, its fields separated by tabs; with -o json the daemon's own documents."""
SIGNALS = (
    ("SIGTERM, SIGINT", "End. Whether narrowed guests stay so is the setting on_stop."),
    ("SIGHUP", "Read the policy and the labels again; a bad one leaves all as it is."),
)


def main() -> int:
    """Write, or with ``--check`` compare."""
    stale = []
    for path, text in files():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(path)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    for path in stale:
        sys.stderr.write(f"{path.relative_to(CONTRIB.parent)}\n")
    return int(bool(stale) and "--check" in sys.argv[1:])


def files() -> Iterator[tuple[Path, str]]:
    """Each file with what belongs into it."""
    exits = [("0", "Well."), ("1", "Failed, such as an unknown guest."), ("2", "Wrong usage.")]
    bad = [("3", "It worked, and the answer is bad."), ("69", "The daemon cannot be reached.")]
    wrong = [("78", "A configuration or policy is invalid.")]
    yield (
        CONTRIB / "man/trustctl.1",
        page(trustctl, "trustctl", 1, TOOL, "see how far guests are trusted, and why")
        + f".SH OPTIONS OF EVERY COMMAND\n{everywhere(trustctl)}"
        + listed("EXIT STATUS", [*exits, *bad, *wrong])
        + listed(
            "ENVIRONMENT",
            [
                ("TRUSTD_SOCKET", "The daemon's socket."),
                ("TRUSTD_STATE", "The daemon's state directory, for backup and restore."),
                ("NO_COLOR", "Show no colours."),
            ],
        )
        + listed("FILES", FILES)
        + section("SEE ALSO", ".BR trustd (8)"),
    )
    yield (
        CONTRIB / "man/trustd.8",
        page(trustd, "trustd", 8, DAEMON, "trust daemon for virtualised hosts")
        + listed("SIGNALS", SIGNALS)
        + listed("EXIT STATUS", [exits[0], exits[1], exits[2], *wrong])
        + listed(
            "ENVIRONMENT",
            [
                ("TRUSTD_CONFIG", "The settings file."),
                ("TRUSTD_*", "Settings over those of the file, such as TRUSTD_LOG__LEVEL."),
            ],
        )
        + listed("FILES", FILES)
        + section("SEE ALSO", ".BR trustctl (1),\n.BR libvirtd (8)"),
    )
    for command, name in ((trustctl, "trustctl"), (trustd, "trustd")):
        for kind, shell in (("bash", BashComplete), ("zsh", ZshComplete), ("fish", FishComplete)):
            script = shell(command, {}, name, f"_{name.upper()}_COMPLETE").source().strip()
            lines = script.split("\n")
            # zsh has to find its own line first
            place = 1 if lines[0].startswith("#compdef") else 0
            lines.insert(place, f"# {HEAD}")
            yield CONTRIB / "completions" / f"{name}.{kind}", "\n".join(lines) + "\n"


def page(command: click.Command, name: str, number: int, text: str, purpose: str) -> str:
    """The part of a page that comes from the commands."""
    parts = [
        f'.\\" {HEAD}\n.TH {name.upper()} {number} "" trustd trustd\n',
        section("NAME", f"{name} \\- {escaped(purpose)}"),
        section("SYNOPSIS", f".B {name}\n[OPTIONS] COMMAND [ARGS]..."),
        section("DESCRIPTION", escaped(text)),
        ".SH OPTIONS\n",
        *options(command, click.Context(command, info_name=name)),
        ".SH COMMANDS\n",
        *subcommands(command, name),
    ]
    return "".join(parts)


def subcommands(command: click.Command, name: str) -> Iterator[str]:
    """Every command below one, each with its usage, its text and its options."""
    if not isinstance(command, click.Group):
        return
    above = click.Context(command, info_name=name)
    for below in command.list_commands(above):
        found = command.get_command(above, below)
        assert found is not None  # noqa: S101 - it was listed
        ctx = click.Context(found, info_name=below, parent=above)
        usage = " ".join(found.collect_usage_pieces(ctx))
        path = ctx.command_path.removeprefix("trustctl ").removeprefix("trustd ")
        yield f'.SS "{escaped(path)}"\n.B {escaped(path)}\n{escaped(usage)}\n.PP\n'
        yield prose(found.help or "")
        yield from options(found, ctx)
        if isinstance(found, click.Group):
            yield from subcommands(found, below)


def options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """The options of a command; those that every command has only where they are its own."""
    for parameter in command.get_params(ctx):
        if not isinstance(parameter, click.Option):
            continue
        if ctx.parent is None or not _EVERYWHERE & {*parameter.opts}:
            yield option(parameter, ctx)


def option(parameter: click.Option, ctx: click.Context) -> str:
    """One option, and what it means; nothing for a hidden one."""
    names, text = parameter.get_help_record(ctx) or ("", "")
    return f".TP\n.B {escaped(names)}\n{escaped(' '.join(text.split()))}\n" if names else ""


def everywhere(group: click.Group) -> str:
    """The options that every command of trustctl has."""
    above = click.Context(group, info_name="trustctl")
    found = group.get_command(above, "guests")
    assert found is not None  # noqa: S101 - it is there
    ctx = click.Context(found, info_name="guests", parent=above)
    known = [each for each in found.get_params(ctx) if isinstance(each, click.Option)]
    return "".join(option(each, ctx) for each in known if _SHARED & {*each.opts})


_SHARED = frozenset({"--output", "--color"})
_EVERYWHERE = _SHARED | {"--help", "--socket"}


def prose(text: str) -> str:
    """A docstring's paragraphs."""
    paragraphs = [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n")]
    return "".join(f"{escaped(each)}\n.PP\n" for each in paragraphs if each)


def listed(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """A section of words and what they mean."""
    body = "".join(f".TP\n.B {escaped(word)}\n{escaped(text)}\n" for word, text in rows)
    return f".SH {title}\n{body}"


def section(title: str, body: str) -> str:
    """A section of text."""
    return f".SH {title}\n{body}\n"


def escaped(text: str) -> str:
    """Text of which roff makes nothing else."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", shown, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
