"""A private tree of mounts, also for a process that lives in a chroot."""

import ctypes
import errno
import os
from pathlib import Path

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000


def isolate() -> None:
    """Make the mounts of this process's new mount namespace private.

    A plain chroot's root is not a mount, so nothing can be said about its propagation there, and
    libvirt, which wants to, could start no guest. In that case the chroot's directory is made a
    mount, from where the namespace's own root can be seen.
    """
    try:
        _mount(None, "/", MS_REC | MS_PRIVATE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        inner = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        _leave_chroot(inner)
        _mount(None, "/", MS_REC | MS_PRIVATE)
        os.fchdir(inner)
        path = os.getcwd()  # noqa: PTH109 - the chroot's directory, by its name outside of it
        os.close(inner)
        _mount(path, path, MS_BIND | MS_REC)
        os.chroot(path)
        os.chdir("/")


def _leave_chroot(inner: int) -> None:
    """Go to the namespace's own root: one can always climb from a directory outside of "/"."""
    os.chroot("/usr")
    os.fchdir(inner)
    while not Path().samefile(".."):
        os.chdir("..")
    os.chroot(".")


def _mount(source: str | None, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    encoded = source.encode() if source else None
    if libc.mount(encoded, target.encode(), None, ctypes.c_ulong(flags), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
