"""The memory and disk space of this machine, and the refusal of work that needs more."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

from ..errors import OutputError, RequestError
from ..text import format_bytes
from .urls import is_url

_DEFAULT_MEMORY_BYTES = 2**30
_TYPICAL_BASELINE_BYTES = 60 << 20  # Python, NumPy and one format library
_LARGEST_BASELINE_BYTES = 200 << 20  # with all format libraries
_CONTAINER_LIMIT_FILES = (  # of control groups, version 2 and version 1
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
_LARGEST_OUTPUT_BYTES = 2**44  # 16 TiB
_LARGEST_COMPRESSION_RATIO = 20  # assumed when free disk space is checked


def check_output_size(
    output_bytes: int, weight_bytes: int, memory_limit: float, path: Path, sparse: bool = False
) -> None:
    """Refuse an output that no machine could hold, or axes whose weights alone exceed the memory limit.

    Args:
        output_bytes: size of the output's samples.
        weight_bytes: memory that the weights of all resized axes take.
        memory_limit: bytes of working memory.
        path: the file, for the message.
        sparse: whether most of the samples may be absent, so that their number says nothing.

    Raises:
        RequestError: with the number of bytes.
    """
    if (output_bytes > _LARGEST_OUTPUT_BYTES and not sparse) or weight_bytes > memory_limit:
        needed, weights = format_bytes(output_bytes), format_bytes(weight_bytes)
        raise RequestError(
            f"the output would need {needed}, and {weights} of weights in memory; choose a smaller output", path
        )


def check_memory(needed: int, limit: float, path: Path) -> None:
    """Refuse work that needs more working memory than it may use.

    Raises:
        RequestError: with the number of bytes.
    """
    if needed > limit:
        enough = math.ceil(needed / 1e9 * 10) / 10
        raise RequestError(
            f"this needs {format_bytes(needed)} of memory, but only {format_bytes(limit)} may be used; raise the limit "
            f"with --max-memory {enough:.1f}G, choose a smaller output, or write .tif, .nii or .npy, which need less",
            path,
        )


def check_disk_space(output_bytes: int, compresses: bool, path: Path) -> None:
    """Refuse an output at `path` that cannot fit on the disk, even if it compresses very well.

    Raises:
        OutputError: with the number of bytes.
    """
    if is_url(str(path)):
        return
    try:
        folder = next((folder for folder in path.parents if folder.is_dir()), Path())  # others are made later
        free = _free_bytes(folder)
    except OSError:  # writing will report it
        return
    if output_bytes > free * (_LARGEST_COMPRESSION_RATIO if compresses else 1):
        needed, available = format_bytes(output_bytes), format_bytes(free)
        raise OutputError(f"the output needs {needed}, but the disk has only {available} free; free some space", path)


def _free_bytes(folder: Path) -> int:
    if hasattr(os, "statvfs"):
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize
    import shutil  # slow to import, and needed on Windows only

    return shutil.disk_usage(folder).free


def default_memory_limit() -> float:
    """Bytes of working memory for one file unless the user sets a limit: a quarter of the memory, at most 1 GiB."""
    return min(_DEFAULT_MEMORY_BYTES, total_memory() / 4)


@cache
def total_memory() -> float:
    """Bytes of memory of this machine, or of the container in which the process runs; infinity if unknown."""
    try:
        installed: float = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # unknown on this operating system
        installed = math.inf
    return min([installed, *(limit for path in _CONTAINER_LIMIT_FILES if (limit := _read_number(path)))])


@cache
def baseline_bytes() -> int:
    """Memory of the program and its libraries: the resident memory of the process when this is first called.

    The value is kept, so that the plan for a file does not depend on the files that were processed before it. What a
    process holds beyond the size of the libraries is its own data, as in a notebook that calls us, and is not counted.
    """
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return min(resident, _LARGEST_BASELINE_BYTES)
    except (OSError, ValueError, IndexError, AttributeError):  # not Linux
        return _TYPICAL_BASELINE_BYTES


def _read_number(path: str) -> float | None:
    try:
        return float(Path(path).read_text())
    except (OSError, ValueError):  # no such file, or it says "max"
        return None
