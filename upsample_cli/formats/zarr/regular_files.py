"""A local store for zarr-python that reads regular files only: a link may lead to a device or a pipe without an end."""

from __future__ import annotations

from typing import Any

from zarr.storage import LocalStore


class RegularFiles(LocalStore):  # type: ignore[misc]  # mypy does not follow zarr's imports
    """The files in a directory. What is no regular file counts as missing."""

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """The bytes stored under `key`, or some of them; None if there are none."""
        path = self.root / key
        if path.exists() and not path.is_file():
            return None
        return await super().get(key, prototype, byte_range)
