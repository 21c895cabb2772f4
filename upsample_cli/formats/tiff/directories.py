"""Reads and extends the directories (IFDs) of a TIFF file, without tifffile.

tifffile assumes that the pages of a file are alike if some of them are, and cannot write EXIF directories.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple, Self

TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SUB_IFDS = 330
_SIZE = (256, 257)  # tags: width and height
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MAX_ENTRIES = 4096  # more are a sign of damage
_LONG, _LONG8 = 4, 16
_MAX_VALUE_BYTES = 256 << 20  # of one entry
_LAYERS = 37724  # tag of Photoshop's layers, which are not read
_SINGLE = frozenset((256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323, 32997, 32998))  # have one value
_SIZES_AND_OFFSETS = _SINGLE | {258, 273, 279, 324, 325, 330}
_NOT_INTEGER = (2, 5, 10, 11, 12)  # types: text, fractions and floating-point numbers
_SIGNED = {6: "b", 8: "h", 9: "i", 17: "q"}  # struct formats by type


class UnusableTagError(ValueError):
    """An entry whose values are too large to be read into memory, or cannot be sizes or offsets."""


class Layout(NamedTuple):
    """Byte order and sizes of the fields of a file.

    Attributes:
        byteorder: ``<`` or ``>``.
        big: whether the file is a BigTIFF, with offsets of 64 bits.
    """

    byteorder: str
    big: bool

    @classmethod
    def of(cls, file: BinaryIO) -> Self:
        """The layout of an open file, from its first bytes.

        Raises:
            ValueError: it is no TIFF file.
        """
        file.seek(0)
        start = file.read(4)
        byteorder = {b"II": "<", b"MM": ">"}.get(start[:2], "")
        if len(start) < 4 or not byteorder:
            raise ValueError("it has no TIFF header")
        return cls(byteorder, struct.unpack(f"{byteorder}H", start[2:])[0] == 43)

    @property
    def first_link(self) -> int:
        """Where the offset of the first directory is stored."""
        return 8 if self.big else 4

    @property
    def offset(self) -> struct.Struct:
        """An offset in the file."""
        return struct.Struct(self.byteorder + ("Q" if self.big else "I"))

    @property
    def entry_count(self) -> struct.Struct:
        """The number of entries of a directory."""
        return struct.Struct(self.byteorder + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """An entry: code, type, number of values, and the values or their offset."""
        return struct.Struct(self.byteorder + ("HHQ8s" if self.big else "HHI4s"))


class Entry(NamedTuple):
    """An entry of a directory.

    Attributes:
        code: number of the tag.
        dtype: number of the TIFF data type.
        length: number of values.
        field: the values if they fit, otherwise their offset.
    """

    code: int
    dtype: int
    length: int
    field: bytes


class Directory(NamedTuple):
    """A directory of a file.

    Attributes:
        offset: where it begins.
        link: where the offset of this directory is stored.
        entries: by the number of their tags, in the order of the file.
    """

    offset: int
    link: int
    entries: Mapping[int, Entry]


class Chain(NamedTuple):
    """The pages of a file.

    Attributes:
        directories: in order, as far as they can be reached.
        loops: whether the last one leads back to an earlier one.
        truncated: whether the next one lies beyond the end of the file.
    """

    directories: list[Directory]
    loops: bool
    truncated: bool


def read_chain(file: BinaryIO) -> Chain:
    """The directories of the pages."""
    layout = Layout.of(file)
    link = layout.first_link
    found: list[Directory] = []
    seen: set[int] = set()
    while True:
        offset = _offset_at(file, link, layout)
        if offset in seen:
            return Chain(found, loops=True, truncated=False)
        directory = read_directory(file, offset, link, layout) if offset else None
        if directory is None:
            return Chain(found, loops=False, truncated=bool(offset))
        seen.add(offset)
        found.append(directory)
        link = _next_link(file, offset, layout)


def check_first(file: BinaryIO) -> None:
    """Check that the values of the first directory are small enough to be read.

    Raises:
        UnusableTagError: the values of an entry are too large, or cannot be sizes or offsets.
    """
    layout = Layout.of(file)
    read_directory(file, _offset_at(file, layout.first_link, layout), layout.first_link, layout)


def read_directory(file: BinaryIO, offset: int, link: int, layout: Layout) -> Directory | None:
    """The directory at `offset`; None if there is none.

    Raises:
        UnusableTagError: the values of an entry are too large to be read, or cannot be sizes or offsets.
    """
    count = _entry_count(file, offset, layout)
    data = file.read(count * layout.entry.size) if 0 < count <= _MAX_ENTRIES else b""
    if not data or len(data) < count * layout.entry.size:
        return None
    entries: dict[int, Entry] = {}
    for fields in layout.entry.iter_unpack(data):
        entry = entries.setdefault(fields[0], Entry(*fields))
        size = entry.length * TYPE_BYTES.get(entry.dtype, 0)
        if size > _MAX_VALUE_BYTES and entry.code != _LAYERS:
            raise UnusableTagError(f"its tag {entry.code} claims {size:,} bytes")
        if entry.code in _SIZES_AND_OFFSETS and entry.dtype in _NOT_INTEGER:
            raise UnusableTagError(f"its tag {entry.code} is not an integer")
        if entry.code in _SIZES_AND_OFFSETS and entry.dtype in _SIGNED and _has_negative(file, entry, layout):
            raise UnusableTagError(f"its tag {entry.code} is negative")
        if entry.code in _SINGLE and not entry.length:
            raise UnusableTagError(f"its tag {entry.code} has no value")
    return Directory(offset, link, entries)


def _entry_count(file: BinaryIO, offset: int, layout: Layout) -> int:
    """The number of entries of the directory at `offset`; moves `file` to the first of them."""
    if offset >= file.seek(0, os.SEEK_END):
        return 0
    file.seek(offset)
    start = file.read(layout.entry_count.size)
    return int(layout.entry_count.unpack(start)[0]) if len(start) == layout.entry_count.size else 0


def _next_link(file: BinaryIO, offset: int, layout: Layout) -> int:
    """Where the directory at `offset` stores the offset of the next one."""
    return offset + layout.entry_count.size + layout.entry.size * _entry_count(file, offset, layout)


def raw_values(file: BinaryIO, entry: Entry, layout: Layout) -> bytes:
    """The values of an entry as stored; fewer bytes where the file ends before."""
    size = entry.length * TYPE_BYTES.get(entry.dtype, 0)
    if size <= len(entry.field):
        return entry.field[:size]
    return _read_up_to(file, layout.offset.unpack(entry.field)[0], size)


def integers(file: BinaryIO, entry: Entry | None, layout: Layout) -> tuple[int, ...]:
    """The values of an entry that holds integers; none for other entries."""
    number_format = (_INTEGERS | _SIGNED).get(entry.dtype) if entry is not None else None
    return () if entry is None or number_format is None else _unpacked(file, entry, layout, number_format)


def _has_negative(file: BinaryIO, entry: Entry, layout: Layout) -> bool:
    return min(_unpacked(file, entry, layout, _SIGNED[entry.dtype]), default=0) < 0


def _unpacked(file: BinaryIO, entry: Entry, layout: Layout, number_format: str) -> tuple[int, ...]:
    data = raw_values(file, entry, layout)
    size = TYPE_BYTES[entry.dtype]
    return struct.unpack(f"{layout.byteorder}{len(data) // size}{number_format}", data[: len(data) // size * size])


def largest_page(file: BinaryIO, chain: Chain) -> int:
    """The number of pixels of the largest page; 0 if no page has tags of its size."""
    layout = Layout.of(file)
    sizes = [[integers(file, page.entries.get(code), layout)[:1] for code in _SIZE] for page in chain.directories]
    return max((width[0] * height[0] for width, height in sizes if width and height), default=0)


class Tree(NamedTuple):
    """A directory with the values of its entries, to be written to another file of the same byte order.

    Attributes:
        entries: code, type, number of values, and values of each entry, in order.
        children: by the code of the entry that leads to them.
        little_endian: whether the byte order of the values is ``<``, and not ``>``.
    """

    entries: tuple[tuple[int, int, int, bytes], ...]
    children: Mapping[int, Tree]
    little_endian: bool


def read_tree(file: BinaryIO, offset: int, layout: Layout, pointers: Sequence[int], depth: int = 3) -> Tree | None:
    """The directory at `offset`, and those to which its entries `pointers` lead; None if it is damaged.

    Entries of an unknown type, and those whose values lie beyond the end of the file, are left out.
    """
    directory = read_directory(file, offset, 0, layout)
    if directory is None:
        return None
    entries, children = [], {}
    for entry in directory.entries.values():
        if entry.code in pointers:
            child = None
            if depth and (places := integers(file, entry, layout)):
                child = read_tree(file, places[0], layout, pointers, depth - 1)
            if child is not None:
                children[entry.code] = child
            continue
        data = raw_values(file, entry, layout)
        if entry.dtype in TYPE_BYTES and len(data) == entry.length * TYPE_BYTES[entry.dtype]:
            entries.append((entry.code, entry.dtype, entry.length, data))
    return Tree(tuple(entries), children, layout.byteorder == "<")


def append_trees(file: BinaryIO, trees: Iterable[tuple[int, Mapping[int, Tree]]]) -> None:
    """Add directories to pages of a file that is open for reading and writing.

    A page with a new entry gets a new directory at the end of the file, to which the chain then leads.

    Args:
        file: the file.
        trees: the number of a page, and its new directories by the codes of the entries that lead to them.
    """
    layout = Layout.of(file)
    pages = read_chain(file).directories
    for number, children in sorted(trees, key=lambda item: -item[0]):  # the links of earlier pages stay where they are
        page = pages[number]
        with_pointers = dict(page.entries)
        for code, child in children.items():
            with_pointers[code] = _pointer(code, _append_tree(file, child, layout), layout)
        following = _read_at(file, _next_link(file, page.offset, layout), layout)
        offset = _append(file, _packed_directory(with_pointers, following, layout))
        file.seek(page.link)
        file.write(layout.offset.pack(offset))


def packed(tree: Tree) -> bytes:
    """A TIFF structure with 32-bit offsets whose only directory is `tree`."""
    file, layout = io.BytesIO(), Layout("<" if tree.little_endian else ">", big=False)
    file.write((b"II*\0" if tree.little_endian else b"MM\0*") + bytes(layout.offset.size))
    offset = _append_tree(file, tree, layout)
    file.seek(4)
    file.write(layout.offset.pack(offset))
    return file.getvalue()


def _append_tree(file: BinaryIO, tree: Tree, layout: Layout) -> int:
    entries = {
        code: Entry(code, dtype, length, _stored(file, data, layout)) for code, dtype, length, data in tree.entries
    }
    for code, child in tree.children.items():
        entries[code] = _pointer(code, _append_tree(file, child, layout), layout)
    return _append(file, _packed_directory(entries, bytes(layout.offset.size), layout))


def _packed_directory(entries: Mapping[int, Entry], following: bytes, layout: Layout) -> bytes:
    """A directory as stored: the entries sorted by tag, and the offset of the directory that follows."""
    packed = [layout.entry.pack(*entry) for _, entry in sorted(entries.items())]
    return b"".join([layout.entry_count.pack(len(packed)), *packed, following])


def _pointer(code: int, offset: int, layout: Layout) -> Entry:
    return Entry(code, _LONG8 if layout.big else _LONG, 1, layout.offset.pack(offset))


def _stored(file: BinaryIO, data: bytes, layout: Layout) -> bytes:
    """The values as the field of an entry holds them: themselves, or the offset at which they are appended."""
    if len(data) <= layout.offset.size:
        return data.ljust(layout.offset.size, b"\0")
    return layout.offset.pack(_append(file, data))


def _append(file: BinaryIO, data: bytes) -> int:
    end = file.seek(0, os.SEEK_END)
    file.write(bytes(end % 2))
    file.write(data)
    return end + end % 2


def _read_at(file: BinaryIO, position: int, layout: Layout) -> bytes:
    file.seek(position)
    return file.read(layout.offset.size).ljust(layout.offset.size, b"\0")


def _read_up_to(file: BinaryIO, position: int, size: int) -> bytes:
    """At most `size` bytes; a damaged size must not become an allocation."""
    available = max(0, file.seek(0, os.SEEK_END) - position)
    if not available:
        return b""
    file.seek(position)
    return file.read(min(size, available))


def _offset_at(file: BinaryIO, position: int, layout: Layout) -> int:
    return int(layout.offset.unpack(_read_at(file, position, layout))[0])


def sub_directories(file: BinaryIO, directory: Directory, layout: Layout) -> Iterator[Directory | None]:
    """The directories to which the entry SubIFDs of a directory leads; None for each that cannot be read."""
    for offset in integers(file, directory.entries.get(SUB_IFDS), layout):
        if offset:
            yield read_directory(file, offset, 0, layout)
