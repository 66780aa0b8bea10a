"""Who is at the other end of the unix socket."""

from __future__ import annotations

import asyncio
import pwd

from trustd.api.peer import Peer
from trustd.model import Author


async def author_of(peer: Peer) -> Author:
    """Whoever is at the other end; a directory of users may be slow to say their name."""
    name = await asyncio.to_thread(_name, peer.uid)
    return Author(peer.uid, peer.pid, name)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return str(uid)
