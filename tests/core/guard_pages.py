"""Arrays at the edge of what may be read: the page before or behind them belongs to nobody."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from collections.abc import Sequence

import numpy as np

_NOBODYS = 0  # PROT_NONE


def guarded(shape: Sequence[int], dtype: np.dtype, at_end: bool) -> np.ndarray:
    """An array whose first byte follows, or whose last byte precedes, a page that may not be touched.

    On Windows, which has another call for it, the page may be touched.

    Args:
        shape: of the array.
        dtype: of the array.
        at_end: whether it lies before such a page rather than behind it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if sys.platform != "win32":
        for page in (0, pages + 1):
            _forbid(address + page * mmap.PAGESIZE)
    offset = (pages + 1) * mmap.PAGESIZE - size if at_end else mmap.PAGESIZE
    return np.ndarray(shape, dtype, memory, offset)


def _forbid(page: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), _NOBODYS):
        raise OSError(ctypes.get_errno(), "mprotect")
