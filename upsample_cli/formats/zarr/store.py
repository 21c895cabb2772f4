"""Where the keys of a Zarr hierarchy lie: a directory, or an object store behind a URL."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ...errors import InputError
from ...runtime.retry import with_retries
from ...runtime.urls import is_url

Data: TypeAlias = Any  # bytes, or an array of them

_MARKERS = ("zarr.json", ".zgroup", ".zarray")


class Key(NamedTuple):
    """A stored object.

    Attributes:
        name: relative to the store.
        size: in bytes; 0 if the store does not say.
        version: changes whenever the object is written: its time, or what an object store calls its ETag.
    """

    name: str
    size: int
    version: str


class Directory:
    """A hierarchy in a local directory."""

    is_remote = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, key: str) -> bytes | None:
        """The bytes stored under `key`, or None."""
        return self.read_range(key, 0, None)

    def read_range(self, key: str, start: int, stop: int | None) -> bytes | None:
        """Some of the bytes stored under `key`, or None; a negative `start` counts from the end."""
        path = self.path / key
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe or a device may have no end
                return None
            first, last, _ = slice(start, stop).indices(status.st_size)
            with path.open("rb") as file:
                file.seek(first)
                return file.read(last - first)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, key: str, data: Data) -> None:
        """Store `data` under `key` in one step."""
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.urandom(16).hex()}.partial")
        temporary.write_bytes(data)
        temporary.replace(path)

    def delete(self, key: str) -> None:
        """Remove `key` if it exists."""
        (self.path / key).unlink(missing_ok=True)

    def children(self, prefix: str = "") -> list[str] | None:
        """The names directly below `prefix`."""
        try:
            return sorted(path.name for path in (self.path / prefix).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def keys(self, prefix: str = "") -> Iterator[Key] | None:
        """All keys below `prefix`."""
        return self._walk(os.path.join(self.path, prefix), prefix, ())  # noqa: PTH118 pathlib is slow for many files

    def _walk(self, folder: str, name: str, above: tuple[os.stat_result, ...]) -> Iterator[Key]:
        """The keys in a folder; links that are broken, or lead back to a folder `above`, are left out."""
        try:
            here = os.stat(folder)  # noqa: PTH116 as above
            entries = os.scandir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        if any(os.path.samestat(here, other) for other in above):
            entries.close()
            return
        with entries:
            for entry in entries:
                below = f"{name}/{entry.name}" if name else entry.name
                try:
                    is_folder, status = entry.is_dir(), entry.stat()
                except OSError:
                    continue
                if is_folder:
                    yield from self._walk(entry.path, below, (*above, here))
                else:
                    yield Key(below, status.st_size, str(status.st_mtime_ns))

    def for_zarr(self, read_only: bool) -> Any:
        """The store as zarr-python takes it."""
        from .regular_files import RegularFiles

        return RegularFiles(self.path, read_only=read_only)


class ObjectStore:
    """A hierarchy behind a URL, opened by fsspec with the user's own configuration and credentials."""

    is_remote = True

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def __str__(self) -> str:
        return self.url

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        file_system, path = fsspec.url_to_fs(self.url)
        return file_system, path.rstrip("/")

    def read(self, key: str) -> bytes | None:
        """The bytes stored under `key`, or None."""
        file_system, root = self._opened
        try:
            return bytes(with_retries(file_system.cat_file, f"{root}/{key}"))
        except (FileNotFoundError, IsADirectoryError):
            return None

    def read_range(self, key: str, start: int, stop: int | None) -> bytes | None:
        """Some of the bytes stored under `key`, or None; a negative `start` counts from the end."""
        file_system, root = self._opened
        try:
            data = bytes(with_retries(file_system.cat_file, f"{root}/{key}", start=start, end=stop))
        except (FileNotFoundError, IsADirectoryError):
            return None
        if start < 0:
            return data[start:]
        return data if stop is None or len(data) <= stop - start else data[start:stop]  # a server may send all

    def write(self, key: str, data: Data) -> None:
        """Store `data` under `key`."""
        file_system, root = self._opened
        with_retries(file_system.pipe_file, f"{root}/{key}", bytes(data))

    def delete(self, key: str) -> None:
        """Remove `key` if it exists."""
        file_system, root = self._opened
        try:
            with_retries(file_system.rm_file, f"{root}/{key}")
        except FileNotFoundError:
            return

    def children(self, prefix: str = "") -> list[str] | None:
        """The names directly below `prefix`; None if the store cannot list them."""
        file_system, root = self._opened
        try:
            names = file_system.ls(f"{root}/{prefix}".rstrip("/"), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        except Exception:  # a web server may answer anything
            return None
        return sorted(name.rstrip("/").rpartition("/")[2] for name in names)

    def keys(self, prefix: str = "") -> Iterator[Key] | None:
        """All keys below `prefix`; None if the store cannot list them."""
        if self.url.startswith("http"):
            return None
        file_system, root = self._opened
        file_system.invalidate_cache()
        found = with_retries(file_system.find, f"{root}/{prefix}".rstrip("/"), detail=True)
        start = len(root) + 1
        return (
            Key(name[start:], info.get("size") or 0, str(info.get("ETag") or info.get("created") or info.get("mtime")))
            for name, info in found.items()
        )

    def remove_all(self) -> None:
        """Remove everything below the URL."""
        file_system, root = self._opened
        if file_system.exists(root):
            file_system.rm(root, recursive=True)

    def for_zarr(self, read_only: bool) -> Any:
        """The store as zarr-python takes it."""
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(self.url, read_only=read_only)


def open_store(path: Path | str) -> Directory | ObjectStore:
    """The store at a local path or a URL."""
    name = str(path)
    return ObjectStore(name) if is_url(name) else Directory(Path(name))


def require_libraries(path: Path) -> None:
    """Refuse `path` if the libraries that open it are not installed.

    Raises:
        InputError: with the command that installs them.
    """
    needed = {"zarr": "zarr", **({"fsspec": "cloud"} if is_url(str(path)) else {})}
    for library, extra in needed.items():
        if not _is_installed(library):
            raise InputError(f"needs {library}: pip install 'upsample[{extra}]'", path)


def is_hierarchy(path: Path) -> bool:
    """Whether a local directory holds the metadata of a Zarr group or array."""
    return any(os.path.exists(os.path.join(path, marker)) for marker in _MARKERS)  # noqa: PTH110, PTH118 as above


@cache
def _is_installed(library: str) -> bool:
    from importlib.util import find_spec

    return find_spec(library) is not None
