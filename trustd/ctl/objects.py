"""Objects as the operator names them: ``TYPE:ID``."""

from __future__ import annotations

import click


def split_object(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[str, str] | None:
    """Type and identity of what was given, as click's callback; an identity may have colons.

    >>> split_object(None, None, "device:pci:0000:03:00.0")
    ('device', 'pci:0000:03:00.0')
    """
    if value is None:
        return None
    kind, colon, identity = value.partition(":")
    if not (kind and colon and identity):
        raise click.BadParameter(f"{value} is not TYPE:ID, such as volume:/pool/db.qcow2")
    return kind, identity
