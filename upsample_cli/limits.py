"""How much is too much: for any machine, and for this one."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from .errors import OutputError, RequestError

TABLE_BYTES = 64  # of weights and indices for each sample along an axis, at least
_ABSURD_BYTES = 2**44  # of output: 16 TiB
_COMPRESSION = 20  # the largest ratio by which compression is trusted to make room


def refuse_absurd(output_bytes: int, samples_along_axes: int, path: Path) -> None:
    """Refuse what no machine could hold, and axes whose very tables of weights would not fit into this one.

    Raises:
        RequestError: with the number of bytes.
    """
    tables = TABLE_BYTES * samples_along_axes
    if output_bytes > _ABSURD_BYTES or tables > machine_memory():
        needed, weights = in_words(output_bytes), in_words(tables)
        raise RequestError(f"the output would need {needed}, and {weights} of weights; ask for less", path)


def refuse_more_than_memory(needed: int, path: Path) -> None:
    """Refuse what needs more memory than the machine has.

    Raises:
        RequestError: with the number of bytes.
    """
    if needed > machine_memory():
        raise RequestError(
            f"this needs {in_words(needed)} of memory, and the machine has {in_words(machine_memory())}; "
            "ask for less, or write a format that is written piece by piece: .tif, .nii or .npy",
            path,
        )


def refuse_more_than_disk(output_bytes: int, compresses: bool, path: Path) -> None:
    """Refuse an output at `path` for which there is no room, however well it may be compressed.

    Raises:
        OutputError: with the number of bytes.
    """
    if not path.parent.is_dir():
        return
    free = shutil.disk_usage(path.parent).free
    if output_bytes > free * (_COMPRESSION if compresses else 1):
        raise OutputError(f"the output needs {in_words(output_bytes)}, and {in_words(free)} are free; make room", path)


def machine_memory() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told on this system
        return math.inf


def in_words(size: float) -> str:
    """A number of bytes for people, such as ``2.1 GB``."""
    if size >= 10**18:
        return f"10^{len(str(int(size))) - 1} bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} PB"
