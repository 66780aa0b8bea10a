"""What the host has to know of an image before it serves it: room to grow, and a backing file.

A network disk has the size that its server says once: an image that grows with what is
written to it needs its room before. The room is a hole, which takes no space.

The layout is that of QEMU's ``docs/interop/qcow2.txt``: numbers are big-endian, with the
offset of the backing file's name at 8, the cluster bits at 20, the virtual size at 24 and,
from version 3 on, the order of the reference counts at 96.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Self

_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQ")
_ORDER_AT = 96
_READ = 104
_CLUSTER_BITS = range(9, 22)
_COUNT_ORDER = range(7)
_USUAL_ORDER = 4
_GENERATIONS = 2
"""How often every cluster has room: once for the disk, once for what a snapshot keeps."""


@dataclass(frozen=True, slots=True)
class Qcow2:
    """The head of a qcow2 image.

    Args:
        size: of the disk in it, in bytes.
        cluster: bytes of a cluster.
        count: bits of a reference count.
        backed: whether it stands on another file.
    """

    size: int
    cluster: int
    count: int
    backed: bool

    @classmethod
    def of(cls, head: bytes) -> Self:
        """Read it from an image's first bytes.

        Raises:
            ValueError: this is no such image.
        """
        if len(head) < _READ or not head.startswith(_MAGIC):
            raise ValueError("not a qcow2 image")
        _, version, backing, _, bits, size = _HEADER.unpack_from(head)
        order = struct.unpack_from(">I", head, _ORDER_AT)[0] if version > 2 else _USUAL_ORDER  # noqa: PLR2004 - the file's version
        if bits not in _CLUSTER_BITS or order not in _COUNT_ORDER:
            raise ValueError("not a sound qcow2 image")
        return cls(size, 1 << bits, 1 << order, backing != 0)

    @property
    def room(self) -> int:
        """Bytes that the file may come to need.

        >>> Qcow2(2**30, 65536, 16, backed=False).room / 2**30
        2.00146484375
        """
        data = _GENERATIONS * -(-self.size // self.cluster)
        tables = _GENERATIONS * (-(-data * 8 // self.cluster) + 1)
        heads = _GENERATIONS * (-(-tables * 8 // self.cluster) + 1)
        counted = data + tables + heads
        counts = -(-counted * self.count // (8 * self.cluster)) + 1
        # the counts count themselves, and their table grows by doubling
        counts += -(-counts * self.count // (8 * self.cluster)) + 1
        index = 2 * (-(-counts * 8 // self.cluster) + 1)
        return (counted + counts + index + 1) * self.cluster


def prepare(descriptor: int, kind: str) -> None:
    """Give an image its room; a raw one and a block device have it.

    Args:
        descriptor: of the image, for reading and writing.
        kind: its format.

    Raises:
        ValueError: it cannot be served alone.
        OSError: it cannot be read, or there is no room.
    """
    if kind != "qcow2":
        return
    image = Qcow2.of(os.pread(descriptor, _READ, 0))
    if image.backed:
        raise ValueError("it stands on a backing file, which would not be served with it")
    there = os.lseek(descriptor, 0, os.SEEK_END)
    if there < image.room and os.fstat(descriptor).st_rdev == 0:
        os.ftruncate(descriptor, image.room)
