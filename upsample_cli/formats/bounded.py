"""Reads no more than a file holds: `read` of Python allocates what it is asked for, and damaged files ask for much."""

from __future__ import annotations

import io
from typing import BinaryIO


def read(file: BinaryIO, size: int) -> bytes:
    """At most `size` bytes from the position of `file`; fewer where the file ends before."""
    position = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(position)
    return file.read(max(0, min(size, end - position)))
