"""Opens and creates files of every family. The module of a family is imported when the first file needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ..errors import InputError, OutputError, RequestError
from ..runtime.urls import is_url
from .registry import (
    DIRECTORY_FAMILY,
    SCALED_SUFFIXES,
    SIGNATURE_BYTES,
    Family,
    family_by_content,
    family_by_suffix,
    suffix_by_content,
)
from .registry import FAMILIES as FAMILIES
from .registry import SUFFIXES as SUFFIXES

if TYPE_CHECKING:  # names can be classified without importing NumPy
    from .base import Header, ReadOptions, Sink, Source, WriteOptions


class _FamilyModule(Protocol):
    """The interface of the module of a family."""

    def open_source(self, path: Path, options: ReadOptions) -> Source: ...

    def make_sink(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> Sink: ...


_PAIRS = ((".img", ".hdr"), (".img.gz", ".hdr.gz"))
_PAIR_SUFFIXES = tuple(suffix for pair in _PAIRS for suffix in pair)


def open_source(path: Path, options: ReadOptions) -> Source:
    """Open the file at `path` for reading.

    Raises:
        InputError: the file does not exist, or no family can read it.
    """
    if is_url(str(path)) or is_directory_file(path):
        return _module(DIRECTORY_FAMILY).open_source(path, options)
    try:
        if path.is_dir():
            raise InputError("is a directory; -r takes the files in it", path)
        if path.exists() and not path.is_file():
            raise InputError("is not a regular file; of streams only the standard input can be read, as -", path)
        with path.open("rb") as file:
            start = file.read(SIGNATURE_BYTES)
    except FileNotFoundError:
        raise InputError("does not exist", path) from None
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror}", path) from error
    if not start:
        raise InputError("is empty", path)
    family = family_by_content(start) or family_by_suffix(path)
    if options.series and not family.several:
        raise RequestError(f"--series {options.series}: the file holds a single image, number 0", path)
    return _module(family).open_source(path, options)


def make_sink(path: Path, headers: Sequence[Header], options: WriteOptions) -> Sink:
    """Prepare to write a file with an array for each of `headers` to `path`, whose suffix selects the family.

    Raises:
        OutputError: the format cannot hold them.
    """
    family = family_by_suffix(path)
    if is_url(str(path)) and not family.in_directories:
        raise OutputError("only Zarr is written to a URL; end the name with .ome.zarr or .zarr", path)
    return _module(family).make_sink(path, headers, options)


def is_directory_file(path: Path) -> bool:
    """Whether `path` is an existing local directory that counts as one file."""
    if not path.is_dir():
        return False
    from .zarr.store import is_hierarchy  # needed for directories only

    return is_hierarchy(path)


def writes_directory(path: Path) -> bool:
    """Whether outputs with the suffix of `path` are directories."""
    return family_by_suffix(path).in_directories


def exists(path: Path) -> bool:
    """Whether there is a file, or a hierarchy behind a URL, at `path`."""
    if not is_url(str(path)):
        return os.path.exists(path)  # noqa: PTH110 pathlib raises for odd names
    from .zarr.output import exists as hierarchy_exists  # needed for URLs only

    return hierarchy_exists(path)


def identity(path: Path) -> Iterator[str]:
    """Strings that change when the contents of the input at `path` change."""
    if is_url(str(path)) or is_directory_file(path):
        from .zarr.store import open_store

        for key in sorted(open_store(path).keys() or ()):
            yield repr(key)
        return
    for part in parts(path):
        status = part.stat()
        yield f"{part} {status.st_size} {status.st_mtime_ns}"


def last_change(path: Path) -> int:
    """The time at which the file, or any part of the directory, at `path` was last written, in nanoseconds."""
    if not is_directory_file(path):
        return path.stat().st_mtime_ns
    from .zarr.store import open_store

    return max((int(key.version) for key in open_store(path).keys() or ()), default=0)


def family_of(path: Path) -> str:
    """The name of the family that writes files with the suffix of `path`."""
    return family_by_suffix(path).module


def keeps_scaling(path: Path) -> bool:
    """Whether files with the suffix of `path` can state a slope and an intercept."""
    return path.name.lower().endswith(SCALED_SUFFIXES)


def parts(path: Path) -> tuple[Path, ...]:
    """The files that make up `path`: itself, or both files of a pair with the header last."""
    if not path.name.lower().endswith(_PAIR_SUFFIXES):
        return (path,)
    stem, suffix = split_name(path)
    pair = next((pair for pair in _PAIRS if suffix.lower() in pair), None)
    if pair is None:
        return (path,)
    return tuple(path.with_name(stem + (part.upper() if suffix.isupper() else part)) for part in pair)


def split_name(path: Path) -> tuple[str, str]:
    """The stem and the suffix of a file's name, where ``.nii.gz`` and ``.ome.tif`` are one suffix."""
    name = path.name
    end = name.lower()
    known = [s for s in SUFFIXES if end.endswith(s) and len(name) > len(s)] if end.endswith(SUFFIXES) else []
    length = max(map(len, known), default=len(path.suffix))
    return (name[:-length], name[-length:]) if length else (name, "")


def output_suffix(path: Path, suffix: str) -> str:
    """The suffix of an output in the format of the file at `path`, whose own is `suffix`.

    A Radiance picture named ``.hdr`` becomes ``.rgbe``, since ``.hdr`` means the header of a NIfTI volume.
    """
    if suffix.lower() != ".hdr" or not path.is_file():
        return suffix
    with path.open("rb") as file:
        return suffix_by_content(file.read(SIGNATURE_BYTES)) or suffix


def _module(family: Family) -> _FamilyModule:
    return cast(_FamilyModule, import_module(f".{family.module}", __name__))
