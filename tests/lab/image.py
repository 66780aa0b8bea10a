"""What guests boot: the machine's own cloud kernel and an initramfs built from its packages.

The initramfs holds busybox, bash with its libraries, the few kernel modules a guest needs, and
the two scripts in ``guest/``. It is built once a machine, in a cache directory that is named by
the content of everything that went in, so a changed script or kernel makes a new one.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.errors import LabError

MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_balloon",
    "pvpanic-mmio",
)
SCRIPTS = Path(__file__).with_name("guest")


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel and its initramfs, as paths of the machine; never boot these, boot copies."""

    kernel: Path
    initramfs: Path


def image() -> Image:
    """Return the image for this machine, built now if need be. Safe for concurrent use."""
    kernel = newest_kernel()
    release = kernel.name.removeprefix("vmlinuz-")
    files = _files(Path("/lib/modules") / release)
    key = hashlib.sha256()
    for place, source in sorted(files.items()):
        key.update(f"{place}\0".encode() + hashlib.sha256(source.read_bytes()).digest())
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(caches) / "trustd-lab"
    built = cache / f"{key.hexdigest()[:32]}.cpio"
    if not built.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            # The rename makes it appear whole; whoever builds the same at the same time builds
            # the same bytes, so the last one may win.
            _build(files, Path(scratch)).rename(built)
    return Image(kernel, built)


def newest_kernel(boot: Path = Path("/boot")) -> Path:
    """Return the newest cloud kernel whose modules are installed too."""
    found = [
        kernel
        for kernel in boot.glob("vmlinuz-*cloud-amd64")
        if (Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-")).is_dir()
    ]
    if not found:
        raise LabError("no /boot/vmlinuz-*cloud-amd64: install linux-image-cloud-amd64")
    return max(found, key=lambda kernel: version(kernel.name))


def version(name: str) -> tuple[int, ...]:
    """Return the numbers in a kernel's name, in the order in which they count.

    >>> version("vmlinuz-6.1.0-9-cloud-amd64") < version("vmlinuz-6.1.0-56-cloud-amd64")
    True
    """
    return tuple(int(number) for number in re.findall(r"\d+", name))


def load_order(wanted: tuple[str, ...], dependencies: str) -> list[str]:
    """Return the modules to load, in order, from the text of ``modules.dep``.

    A module that is built into the kernel is not in that text and needs no loading.

    >>> load_order(("net", "blk"), "a/blk.ko:\\na/net.ko: b/fail.ko b/core.ko\\nb/core.ko:\\n")
    ['b/core.ko', 'b/fail.ko', 'a/net.ko', 'a/blk.ko']
    """
    needs = {}
    for line in dependencies.splitlines():
        module, _, below = line.partition(":")
        needs[Path(module).name.split(".")[0]] = [*reversed(below.split()), module]
    return list(dict.fromkeys(path for name in wanted for path in needs.get(name, ())))


def _files(modules: Path) -> dict[str, Path]:
    """Return what goes into the initramfs: its place there, and the file of the machine."""
    files = {script.name: script for script in SCRIPTS.iterdir()}
    for program in (Path("/bin/bash"), Path("/bin/busybox")):
        files[f"bin/{program.name}"] = program
        # ldd fails for a static program, which needs no library.
        libraries = subprocess.run(["ldd", program], check=False, capture_output=True, text=True)
        for library in re.findall(r"(/\S+) \(0x", libraries.stdout):
            files[library.lstrip("/")] = Path(library).resolve()
    for module in load_order(MODULES, (modules / "modules.dep").read_text("utf-8")):
        files[f"modules/{module}"] = modules / module
    return files


def _build(files: dict[str, Path], scratch: Path) -> Path:
    root = scratch / "root"
    for directory in ("bin", "dev", "proc", "sys"):
        (root / directory).mkdir(parents=True)
    for place, source in files.items():
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755)
    (root / "bin" / "sh").symlink_to("busybox")
    order = [place.removeprefix("modules/") for place in files if place.startswith("modules/")]
    (root / "modules" / "order").write_text("".join(f"{module}\n" for module in order), "utf-8")
    names = "".join(f"{path.relative_to(root)}\0" for path in sorted(root.rglob("*")))
    archive = scratch / "initramfs"
    with archive.open("wb") as output:
        # Uncompressed: unpacking is what costs time on an emulated processor.
        subprocess.run(
            ["cpio", "--null", "--create", "--format=newc", "--reproducible", "--quiet"],
            cwd=root,
            input=names.encode(),
            stdout=output,
            check=True,
        )
    return archive
