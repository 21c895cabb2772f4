"""How much is too much: for any machine, and for this one."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

from .core import threads
from .errors import OutputError, RequestError

TABLE_BYTES = 400  # measured: of weights and indices for each sample along an axis, while they are made
_MODEST_BYTES = 2**30
_PROGRAM_BYTES = 60 << 20  # of Python, NumPy and a library of formats
_CONTAINER_LIMITS = (  # of control groups, version 2 and 1
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
_ABSURD_BYTES = 2**44  # of output: 16 TiB
_allowed_cores: int | None = None
_COMPRESSION = 20  # the largest ratio by which compression is trusted to make room


def refuse_absurd(output_bytes: int, samples_along_axes: int, limit: float, path: Path) -> None:
    """Refuse what no machine could hold, and axes whose very tables of weights would not fit into the `limit`.

    Raises:
        RequestError: with the number of bytes.
    """
    tables = TABLE_BYTES * samples_along_axes
    if output_bytes > _ABSURD_BYTES or tables > limit:
        needed, weights = in_words(output_bytes), in_words(tables)
        raise RequestError(f"the output would need {needed}, and {weights} of weights; ask for less", path)


def refuse_more_than_memory(needed: int, limit: float, path: Path) -> None:
    """Refuse what needs more working memory than it may have.

    Raises:
        RequestError: with the number of bytes.
    """
    if needed > limit:
        enough = math.ceil(needed / 1e9 * 10) / 10
        raise RequestError(
            f"this needs {in_words(needed)} of memory, and {in_words(limit)} are allowed; --max-memory {enough:.1f}G "
            "allows it, a smaller output needs less, and .tif, .nii and .npy are written piece by piece",
            path,
        )


def refuse_more_than_disk(output_bytes: int, compresses: bool, path: Path) -> None:
    """Refuse an output at `path` for which there is no room, however well it may be compressed.

    Raises:
        OutputError: with the number of bytes.
    """
    if not path.parent.is_dir():
        return
    free = _free_bytes(path.parent)
    if output_bytes > free * (_COMPRESSION if compresses else 1):
        raise OutputError(f"the output needs {in_words(output_bytes)}, and {in_words(free)} are free; make room", path)


def _free_bytes(folder: Path) -> int:
    if hasattr(os, "statvfs"):
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize
    import shutil  # takes longer to load than a small file needs for the rest

    return shutil.disk_usage(folder).free


def allow_cores(count: int | None) -> None:
    """Let this process use no more than `count` cores, where others of a batch use the rest; None for all."""
    global _allowed_cores
    _allowed_cores = count


def cores() -> int:
    """How many cores this process may use, of those that the system lets it use."""
    return threads.cores() if _allowed_cores is None else _allowed_cores


def working_memory() -> float:
    """The bytes that may be used unless the user says otherwise: a quarter of what there is, and 1 GiB at most."""
    return min(_MODEST_BYTES, machine_memory() / 4)


@cache
def machine_memory() -> float:
    """The bytes of memory that this process can have, of the machine or of its container."""
    try:
        installed: float = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told on this system
        installed = math.inf
    return min([installed, *(limit for path in _CONTAINER_LIMITS if (limit := _number_in(path)))])


@cache
def program_bytes() -> int:
    """The memory that this process holds at first, which is its program and libraries.

    What it holds after a few files would let the next one's plan depend on them.
    """
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):  # not told on this system
        return _PROGRAM_BYTES


def _number_in(path: str) -> float | None:
    try:
        return float(Path(path).read_text())
    except (OSError, ValueError):  # not such a system, or "max"
        return None


def in_words(size: float) -> str:
    """A number of bytes for people, such as ``2.1 GB``."""
    if size >= 10**18:
        return f"10^{len(str(int(size))) - 1} bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} PB"
