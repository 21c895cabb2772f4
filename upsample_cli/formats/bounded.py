"""Limits reads to the file size: Python's `read` allocates the requested size, which is huge in some damaged files."""

from __future__ import annotations

import io
from typing import BinaryIO


def read(file: BinaryIO, size: int) -> bytes:
    """Read at most `size` bytes from the current position of `file`; fewer if the file ends earlier."""
    position = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(position)
    return file.read(max(0, min(size, end - position)))
