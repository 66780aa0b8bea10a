"""The settings in effect, as they may be shown: nothing secret is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from trustd import __version__
from trustd.api.configuration import CONFIGURED, ConfigDoc
from trustd.config import NOT_SETTINGS, PREFIX, Settings

HIDDEN = "(hidden)"


class Configuration:
    """Shows the settings of one run of the daemon.

    Args:
        environment: that the daemon was started with; only names are taken from it.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        shown = shareable(settings)
        canonical = orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)
        names = {name for name in environment if name.startswith(PREFIX)}
        self._document = ConfigDoc(
            hash=sha256(canonical).hexdigest(),
            settings=shown,
            environment=sorted(names - NOT_SETTINGS),
            version=__version__,
        )

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[CONFIGURED] = self

    def shown(self) -> ConfigDoc:
        """The settings in effect."""
        return self._document


def shareable(settings: Settings) -> dict[str, Any]:
    """Every setting; of what may hold a secret only that it is set.

    Tokens are hashes already and are left out all the same. The address of a receiver
    may carry a key in its path, and a command one in its arguments.
    """
    shown: dict[str, Any] = settings.model_dump(mode="json")
    shown["hypervisor"]["uri"] = without_credentials(shown["hypervisor"]["uri"])
    for caller in shown["decisions"]["callers"]:
        caller["token"] = _whether(caller["token"])
        for name in ("dialects", "subjects", "objects"):
            caller[name] = sorted(caller[name])
    shown["decisions"]["open"] = sorted(shown["decisions"]["open"])
    shown["notify"]["bands"] = sorted(shown["notify"]["bands"])
    for receiver in shown["notify"]["receivers"]:
        receiver["url"] = _place(receiver["url"])
        receiver["command"] = _program(receiver["command"])
    shown["hooks"] = {name: _program(words) for name, words in shown["hooks"].items()}
    return shown


def without_credentials(uri: str) -> str:
    """A URI without whom it is opened as, and without its parameters.

    >>> without_credentials("qemu+ssh://root:pw@host/system?keyfile=/k&known=1")
    'qemu+ssh://host/system'
    >>> without_credentials("qemu:///system")
    'qemu:///system'
    """
    bare, _, _ = uri.partition("?")
    scheme, slashes, rest = bare.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}"


def _place(url: str) -> str:
    """Where a URL leads, without what may be a key to it."""
    if not url:
        return ""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}/{HIDDEN if parts.path.strip('/') or parts.query else ''}"


def _program(words: list[str]) -> list[str]:
    """A command's program; that there are arguments, and not which."""
    return [*words[:1], *([HIDDEN] if len(words) > 1 else [])]


def _whether(secret: str | None) -> str | None:
    return None if secret is None else HIDDEN
