"""URLs as paths, so that code that only takes names apart treats ``s3://bucket/image.zarr`` like a local file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

_SCHEME = re.compile(r"(s3|gs|gcs|https?|memory|file):/+", re.IGNORECASE)

if TYPE_CHECKING:
    _Base = Path
else:
    _Base = type(Path())  # the class for this operating system


class UrlPath(_Base):
    """The name of an object in a store that fsspec opens; methods that access the local file system find nothing."""

    def __str__(self) -> str:
        """The URL, with the two slashes that `Path` merges."""
        scheme, *rest = self.parts
        return f"{scheme}//{'/'.join(rest)}"

    def __fspath__(self) -> str:
        return str(self)


def is_url(name: str) -> bool:
    """Whether `name` is the URL of an object, and not the name of a local file."""
    return _SCHEME.match(name) is not None


def as_path(name: str) -> Path:
    """The local path or the URL that `name` stands for; ``file://`` URLs are local paths."""
    match = _SCHEME.match(name)
    if match is None:
        return Path(name)
    if match[1].lower() == "file":
        from urllib.request import url2pathname  # rarely needed

        return Path(url2pathname("/" + name[match.end() :]))
    return UrlPath(name)
