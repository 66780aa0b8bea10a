"""What the host's kernel was built with."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path


def lacking(parts: Mapping[str, str], root: Path = Path("/")) -> list[str]:
    """The parts that the kernel has neither built in nor as a module.

    Where nothing on the host says what the kernel has, nothing is said to be lacking.

    Args:
        parts: the name of the module by its configuration option, such as
            ``NET_SCH_SFQ``: ``sch_sfq``.
        root: of the file system of the kernel's host.
    """
    release = os.uname().release
    built = root / "lib/modules" / release
    options = _options((root / "proc/config.gz", root / f"boot/config-{release}", built / "config"))
    if options is not None:
        return [name for option, name in parts.items() if option not in options]
    lists = [built / each for each in ("modules.builtin", "modules.dep")]
    texts = [text for each in lists if (text := _read(each))]
    if not texts:
        return []
    modules = set(re.findall(r"([\w-]+)\.ko", "\n".join(texts)))
    there = {name.replace("-", "_") for name in modules}
    return [name for name in parts.values() if name not in there]


def _options(files: Iterable[Path]) -> set[str] | None:
    """The options that are built in or modules, from the first file that tells."""
    for each in files:
        if text := _read(each):
            return set(re.findall(r"^CONFIG_(\w+)=[ym]$", text, re.MULTILINE))
    return None


def _read(file: Path) -> str:
    """A file's text; empty where there is none to read."""
    try:
        content = file.read_bytes()
        return (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8")
    except (OSError, ValueError):
        return ""
