"""One YAML file, and the environment over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from trustd.config.check import referring
from trustd.config.settings import Settings
from trustd.documents import Document, did_you_mean, validate
from trustd.errors import ConfigError, Problem

DEFAULT_PATH = Path("/etc/trustd/trustd.yaml")


PREFIX = "TRUSTD_"


NOT_SETTINGS = frozenset({"TRUSTD_CONFIG"})
"""Words of the environment that are not settings but say where to find them."""


def load_settings(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings file and what the environment says over it.

    ``TRUSTD_HYPERVISOR__URI`` sets ``uri`` in ``hypervisor``, and so on.

    Args:
        path: the file; None is the default place, where its absence is no error.

    Raises:
        ConfigError: with every mistake, each at its place.
    """
    where = path or DEFAULT_PATH
    try:
        text = where.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if path is not None:
            raise _unreadable(where, error) from error
        text = "{}"
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(where, error) from error
    document = Document.read(text, str(where), ConfigError)
    unknown: list[Problem] = []
    for name, value in sorted(environment.items()):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        keys = name.removeprefix(PREFIX).lower().split("__")
        if keys[0] in Settings.model_fields:
            document.override(keys, value, f"environment variable {name}")
        else:
            known = (PREFIX + field.upper() for field in Settings.model_fields)
            message = "is no setting"
            unknown.append(Problem("environment", 0, 0, name, message, did_you_mean(name, known)))

    def refer(settings: Settings, rest: Document, _written: Document) -> Iterable[Problem]:
        return (*unknown, *referring(settings, rest))

    return validate(document, Settings, ConfigError, refer)


def _unreadable(path: Path, error: Exception) -> ConfigError:
    hint = "give another with --config"
    return ConfigError((Problem(str(path), 0, 0, "", f"cannot be read: {error}", hint),))
