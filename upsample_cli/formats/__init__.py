"""The families of files, in the order in which they are tried. Each is imported when the first file needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ..errors import InputError, RequestError

if TYPE_CHECKING:  # so that names can be told apart without NumPy
    from .base import Header, ReadOptions, Sink, Source, WriteOptions

_MAGIC_BYTES = 8


class Family(NamedTuple):
    """A family of files.

    Attributes:
        module: the module of this package that handles it, with the functions ``open_source`` and ``make_sink``.
        suffixes: how names of such files end, in lower case; the empty one stands for any.
        magic: how such files begin, where that tells.
        several: whether one file may hold several images.
    """

    module: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()
    several: bool = False


FAMILIES = (
    Family("volume", (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz", ".mgh", ".mgz")),
    Family(
        "tiff",
        (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.btf", ".btf"),
        (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        several=True,
    ),
    Family("npy", (".npy",), (b"\x93NUMPY",)),
    Family("picture", ("",), (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")),
)
_PAIRS = ((".img", ".hdr"), (".img.gz", ".hdr.gz"))
_OF_PAIRS = tuple(suffix for pair in _PAIRS for suffix in pair)
SUFFIXES = tuple(suffix for family in FAMILIES for suffix in family.suffixes if suffix)  # that tell the family


def open_source(path: Path, options: ReadOptions) -> Source:
    """Open the file at `path` for reading.

    Raises:
        InputError: it does not exist, or is not a file that any family can read.
    """
    try:
        if path.is_dir():
            raise InputError("is a directory; -r takes the files in it", path)
        if path.exists() and not path.is_file():
            raise InputError("is not a regular file; of streams only the standard input can be read, as -", path)
        with path.open("rb") as file:
            magic = file.read(_MAGIC_BYTES)
    except FileNotFoundError:
        raise InputError("does not exist", path) from None
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror}", path) from error
    if not magic:
        raise InputError("is empty", path)
    family = next((f for f in FAMILIES if magic.startswith(f.magic) and f.magic), None) or _by_suffix(path)
    if options.series and not family.several:
        raise RequestError(f"--series {options.series}: the file holds a single image, number 0", path)
    open_file = cast("Callable[[Path, ReadOptions], Source]", _module(family, "open_source"))
    return open_file(path, options)


def make_sink(path: Path, headers: Sequence[Header], options: WriteOptions) -> Sink:
    """Prepare to write a file with an array for each of `headers` to `path`, whose suffix tells the family.

    Raises:
        OutputError: such a file cannot hold them.
    """
    make = cast("Callable[[Path, Sequence[Header], WriteOptions], Sink]", _module(_by_suffix(path), "make_sink"))
    return make(path, headers, options)


def family_of(path: Path) -> str:
    """The name of the module that writes files whose names end like that of `path`."""
    return _by_suffix(path).module


def parts(path: Path) -> tuple[Path, ...]:
    """The files that make up the one called `path`, which is one but for a pair: its header comes last."""
    if not path.name.lower().endswith(_OF_PAIRS):
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


def _by_suffix(path: Path) -> Family:
    return next(family for family in FAMILIES if path.name.lower().endswith(family.suffixes))


def _module(family: Family, function: str) -> object:
    return getattr(import_module(f".{family.module}", __name__), function)
