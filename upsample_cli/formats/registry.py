"""Registry of file families: the only table of signatures and suffixes. It needs no NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

GZIP_MAGIC = b"\x1f\x8b"
NPY_MAGIC = b"\x93NUMPY"


class Signature(NamedTuple):
    """Bytes that identify a format.

    Attributes:
        magic: the bytes.
        suffix: the usual suffix of such files; empty where the bytes alone do not determine it.
        offset: position of the first byte.
    """

    magic: bytes
    suffix: str
    offset: int = 0

    def matches(self, start: bytes) -> bool:
        """Whether a file that begins with `start` has this signature."""
        return start.startswith(self.magic, self.offset)


class Family(NamedTuple):
    """A group of file formats handled by one module.

    Attributes:
        module: the module of this package with the functions ``open_source`` and ``make_sink``.
        suffixes: file name suffixes, in lower case; the empty one matches any name.
        signatures: how such files are recognised by content.
        by_name: whether files are opened by suffix alone, because they may be compressed or in two parts.
        several: whether one file may hold several images.
        in_directories: whether a "file" is a directory, or several objects behind a URL.
    """

    module: str
    suffixes: tuple[str, ...]
    signatures: tuple[Signature, ...]
    by_name: bool = False
    several: bool = False
    in_directories: bool = False


FAMILIES = (  # in the order in which they are tried
    Family("zarr", (".ome.zarr", ".zarr"), (), by_name=True, several=True, in_directories=True),
    Family(
        "volume",
        (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz", ".mgh", ".mgz"),
        (Signature(b"n+1\0", ".nii", 344), Signature(b"n+2\0", ".nii", 4), Signature(b"\0\0\0\1", ".mgh")),
        by_name=True,
    ),
    Family(
        "tiff",
        (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.btf", ".btf"),
        tuple(Signature(magic, ".tif") for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
        several=True,
    ),
    Family("npy", (".npy",), (Signature(NPY_MAGIC, ".npy"),)),
    Family(
        "picture",
        ("",),
        (
            Signature(b"\x89PNG", ".png"),
            Signature(b"\xff\xd8\xff", ".jpg"),
            Signature(b"GIF8", ".gif"),
            Signature(b"RIFF", ""),
            Signature(b"#?RADIANCE", ".rgbe"),
            Signature(b"#?RGBE", ".rgbe"),
        ),
    ),
)
DIRECTORY_FAMILY = next(family for family in FAMILIES if family.in_directories)
COMPRESSED_SUFFIXES = {".nii": ".nii.gz", ".mgh": ".mgz"}  # by the suffix of the content
SCALED_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")  # of formats with slope and intercept
SUFFIXES = tuple(suffix for family in FAMILIES for suffix in family.suffixes if suffix)
HEADER_BYTES = 540  # of the longest header, NIfTI-2's
SIGNATURE_BYTES = max(s.offset + len(s.magic) for f in FAMILIES if not f.by_name for s in f.signatures)


def family_by_suffix(path: Path) -> Family:
    """The family whose suffix the name of `path` has."""
    return next(family for family in FAMILIES if path.name.lower().endswith(family.suffixes))


def family_by_content(start: bytes) -> Family | None:
    """The family whose signature `start` has, among those opened by content."""
    return next((f for f in FAMILIES if not f.by_name and any(s.matches(start) for s in f.signatures)), None)


def suffix_by_content(start: bytes) -> str:
    """The usual suffix of a file that begins with `start`, or an empty string if the signature does not tell.

    Files opened by name come last: their signatures are short or far from the beginning.
    """
    families = sorted(FAMILIES, key=lambda family: family.by_name)
    return next((s.suffix for family in families for s in family.signatures if s.matches(start)), "")
