"""Kinds of value that settings have."""

from __future__ import annotations

import grp
import pwd
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _loopback(address: str) -> str:
    try:
        if ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise ValueError("must be a loopback address such as 127.0.0.1 or ::1")


def _user(value: object) -> object:
    """A user's number; a name is looked up on this host."""
    try:
        return pwd.getpwnam(value).pw_uid if isinstance(value, str) else value
    except KeyError:
        raise ValueError(f'there is no user "{value}" on this host') from None


def _group(value: object) -> object:
    """A group's number; a name is looked up on this host."""
    try:
        return grp.getgrnam(value).gr_gid if isinstance(value, str) else value
    except KeyError:
        raise ValueError(f'there is no group "{value}" on this host') from None


def _https(url: str) -> str:
    if not url.startswith("https://") or url.endswith("/"):
        raise ValueError("must be an https URL without a slash at its end")
    return url


def _program(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command or not Path(command[0]).is_absolute():
        raise ValueError("must begin with the absolute path of a program")
    return command


def _reachable(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme not in {"https", "http"} or not host or port == 0 or not url.isascii():
        raise ValueError("must be an https URL, or an http URL of this host")
    if parts.username is not None or parts.fragment:
        raise ValueError("must hold no user and no fragment; a secret is put into a file")
    if parts.scheme == "http" and host != "localhost":
        try:
            _loopback(host)
        except ValueError:
            raise ValueError("plain http is for loopback only: use https") from None
    return url


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Loopback = Annotated[str, AfterValidator(_loopback)]
HttpsUrl = Annotated[str, AfterValidator(_https)]
ReachableUrl = Annotated[str, AfterValidator(_reachable)]
User = Annotated[
    Annotated[int, Field(ge=0)], BeforeValidator(_user, json_schema_input_type=int | str)
]
Group = Annotated[
    Annotated[int, Field(ge=0)], BeforeValidator(_group, json_schema_input_type=int | str)
]
HookName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Command = Annotated[tuple[str, ...], AfterValidator(_program)]
