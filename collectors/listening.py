"""The sockets on which a network namespace waits for what comes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

_TABLES = (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"))
_LISTENS = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """An address on which a process accepts what comes from the network.

    Args:
        protocol: ``tcp`` or ``udp``.
    """

    protocol: str
    address: str
    port: int


class Listening:
    """Every listening socket by inode, read once for all processes of a namespace.

    A host has thousands of sockets, and every QEMU would be asked for all of them.
    An inode is not used again, so a table that is a second old can miss a new
    socket until the next look, and never mistakes one for another.

    Args:
        keep: seconds for which a table is good.
    """

    def __init__(self, *, keep: float = 1.0) -> None:
        self._keep = keep
        self._tables: dict[int, tuple[float, Mapping[int, Listener]]] = {}
        self._lock = threading.Lock()

    def seen_from(self, root: Path, *, at: float) -> Mapping[int, Listener]:
        """The sockets of the network namespace of a process.

        Args:
            root: the process's directory in procfs.
            at: epoch seconds.

        Raises:
            OSError: the process ended, or this user may not see it.
        """
        namespace = (root / "ns" / "net").stat().st_ino
        with self._lock:
            since, table = self._tables.get(namespace, (float("-inf"), {}))
            if abs(at - since) >= self._keep:
                table = {
                    inode: listener
                    for name, protocol in _TABLES
                    if (file := root / "net" / name).exists()  # no tcp6 without IPv6
                    for inode, listener in listeners(file.read_text(), protocol)
                }
                self._tables = {
                    known: kept for known, kept in self._tables.items() if at - kept[0] < self._keep
                }
                self._tables[namespace] = at, table
        return table


def listeners(text: str, protocol: str) -> Iterator[tuple[int, Listener]]:
    r"""Inode and address of each socket of a /proc/net table that has no other end.

    >>> row = "0: 0100007F:170C 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77"
    >>> list(listeners("sl local_address rem_address st ...\n" + row, "tcp"))
    [(77, Listener(protocol='tcp', address='127.0.0.1', port=5900))]
    """
    for row in text.splitlines()[1:]:
        _, local, remote, state, _, _, _, _, _, inode, *_ = row.split()
        waits = state == _LISTENS if protocol == "tcp" else not int(remote.replace(":", ""), 16)
        address, _, port = local.partition(":")
        if waits and int(port, 16):
            yield int(inode), Listener(protocol, _address(address), int(port, 16))


def _address(text: str) -> str:
    """An address as the kernel prints it: words of four bytes in the host's order."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return str(ip_address(raw))
