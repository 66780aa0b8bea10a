"""The settings in effect are shown, and nothing that is secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trustd.config import Settings
from trustd.daemon.configuration import HIDDEN, Configuration, shareable

SECRETS = {
    "token": "a" * 64,
    "user": "hunter",
    "password": "s3cret-uri",
    "path": "T0KEN-in-path",
    "query": "k3y-in-query",
    "argument": "--password=0penSesame",
}


def secretive(**other: Any) -> Settings:
    """Settings with a secret wherever one can stand."""
    uri = f"qemu+ssh://{SECRETS['user']}:{SECRETS['password']}@host/system?x={SECRETS['query']}"
    caller = {"name": "nova", "token": SECRETS["token"], "dialects": ["oslo", "authzen"]}
    return Settings.model_validate(
        {
            "hypervisor": {"uri": uri},
            "decisions": {"callers": [caller]},
            "hooks": {"page": ["/usr/bin/page", SECRETS["argument"]]},
            "notify": {
                "receivers": [
                    {
                        "name": "chat",
                        "kind": "webhook",
                        "url": f"https://chat.example:8443/{SECRETS['path']}?{SECRETS['query']}",
                        "token": "/etc/trustd/chat.token",
                    },
                    {
                        "name": "pager",
                        "kind": "command",
                        "command": ["/usr/bin/notify", SECRETS["argument"]],
                    },
                ]
            },
            **other,
        }
    )


def test_nothing_secret_is_shown() -> None:
    """Tokens, credentials in URIs, keys in addresses and arguments of commands are left out; where
    things lead is not."""
    shown = Configuration(secretive(), {"TRUSTD_LOG__LEVEL": SECRETS["token"]}).shown()
    text = json.dumps(shown.settings) + json.dumps(shown.environment)
    assert not {name for name, secret in SECRETS.items() if secret in text}
    assert shown.settings["hypervisor"]["uri"] == "qemu+ssh://host/system"
    chat, pager = shown.settings["notify"]["receivers"]
    assert chat["url"] == f"https://chat.example:8443/{HIDDEN}"
    assert chat["token"] == "/etc/trustd/chat.token"  # noqa: S105 - a path
    assert pager["command"] == ["/usr/bin/notify", HIDDEN]
    assert shown.settings["hooks"] == {"page": ["/usr/bin/page", HIDDEN]}
    assert shown.environment == ["TRUSTD_LOG__LEVEL"]


def test_every_setting_is_there() -> None:
    """What is shown has each setting that there is, with its default where nobody set it."""
    assert shareable(Settings()).keys() == Settings.model_fields.keys()
    assert shareable(Settings())["interval"] == 5.0


@pytest.mark.parametrize("change", [{"interval": "7s"}, {"log": {"level": "debug"}}])
def test_hash_tells_one_configuration_from_another(change: dict[str, Any]) -> None:
    """The same settings have one hash, whatever order they were written in; others have another."""
    first, same = (Configuration(secretive(), {}).shown().hash for _ in range(2))
    assert first == same
    assert Configuration(secretive(**change), {}).shown().hash != first
    orders = [["oslo", "authzen"], ["authzen", "oslo"]]
    hashes = set()
    for order in orders:
        caller = {"name": "nova", "token": "a" * 64, "dialects": order}
        settings = Settings.model_validate({"decisions": {"callers": [caller]}})
        hashes.add(Configuration(settings, {}).shown().hash)
    assert len(hashes) == 1
