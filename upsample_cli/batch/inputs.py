"""Which files are to be resized: named, listed, matched by patterns, or found in directories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from .. import formats
from ..errors import InputError, RequestError

SUFFIXES = (  # of files that are looked for in directories: of all families, and of what Pillow reads by itself
    *formats.SUFFIXES,
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".avif", ".avifs", ".bmp", ".dib", ".qoi"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".tga", ".icb", ".vda"),
    *(".vst", ".pcx", ".dcx", ".sgi", ".rgb", ".rgba", ".bw", ".ras", ".psd", ".ico", ".cur", ".icns", ".dds", ".im"),
    *(".msp", ".xbm", ".xpm", ".blp", ".ftc", ".ftu", ".fits", ".fit", ".fli", ".flc", ".pcd", ".pxr"),
)


class Selection(NamedTuple):
    """What the user says of the inputs.

    Attributes:
        names: of files, and of directories where `recursive`; patterns that no shell has expanded.
        listed: names that are never patterns.
        recursive: whether files are looked for in directories, and in those within.
        include: patterns, of which an input's name must match one, unless there are none.
        exclude: patterns, of which no input's name may match one, nor that of a directory that is searched.
    """

    names: Sequence[str]
    listed: Sequence[str] = ()
    recursive: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


class Input(NamedTuple):
    """One file that is to be resized.

    Attributes:
        path: the file.
        subdir: the directory in which it was found, below the one that was named.
        found: whether it was looked for, by a pattern or in a directory, and not named.
        error: why it is a failure already, or None.
    """

    path: Path
    subdir: str = ""
    found: bool = False
    error: InputError | None = None


class Inputs(NamedTuple):
    """All files that are to be resized.

    Attributes:
        files: each once, those that were found sorted.
        ignored: how many files in directories are of no known kind, links to directories among them.
    """

    files: list[Input]
    ignored: int


def find_inputs(selection: Selection, without: str | None = None) -> Inputs:
    """Find the files that `selection` speaks of. None of them is opened.

    Whatever is named is among them, even if it does not exist; what becomes of it shows later. Within directories links
    to directories are not followed, as by ``find`` and ``grep -r``, so that loops of them do no harm, and hidden files
    are left alone.

    Args:
        selection: what the user says.
        without: a directory in which no files are looked for, since outputs go there.

    Raises:
        RequestError: a pattern is none.
    """
    finder = _Finder(selection, None if without is None else os.path.realpath(without))
    spelling = CanonicalNames()
    files: dict[tuple[str, str], Input] = {}
    for name, found in [*_expanded(selection.names), *((name, False) for name in selection.listed)]:
        for file in finder.find(name, found):
            files.setdefault(spelling.of(formats.parts(file.path)[-1]), file)
    return Inputs(list(files.values()), finder.ignored)


class CanonicalNames:
    """What all spellings of a path have in common: the real directory, and the name in it."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def of(self, path: Path) -> tuple[str, str]:
        """The same for ``a/b/../c`` and ``a/c``; a link and what it stands for are two files."""
        folder = str(path.parent)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder], path.name


def _expanded(names: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """The names, and in place of patterns what they match, in the order of names; and whether they were matched."""
    for name in names:
        matches: list[str] = []
        if any(magic in name for magic in "*?[") and not os.path.lexists(name):
            from glob import glob  # for the few who quote patterns

            matches = sorted(glob(name, recursive=True))  # noqa: PTH207 patterns may be absolute
        yield from [(match, True) for match in matches] or [(name, False)]


class _Finder:
    """Looks for files under names.

    Attributes:
        ignored: how many files in directories were of no known kind.
    """

    def __init__(self, selection: Selection, without: str | None) -> None:
        self._selection, self._without = selection, without
        _matches("name", [*selection.include, *selection.exclude])
        self.ignored = 0

    def find(self, name: str, found: bool) -> list[Input]:
        """What is called `name`, or all that lies in a directory of this name, in the order of names."""
        if not (self._selection.recursive and os.path.isdir(name)):  # noqa: PTH112 a name may be too long
            return [Input(Path(name), found=found)] if self._wants(name) else []
        files: list[Input] = []
        subdirs = [""]
        while subdirs:
            subdir = subdirs.pop()
            try:
                files += self._list(name, subdir, subdirs)
            except OSError as error:
                path = Path(name, subdir)
                failure = InputError(f"cannot be searched: {error.strerror}", path)
                files.append(Input(path, subdir, error=failure))
        return sorted(files, key=lambda file: file.path.parts)

    def _list(self, root: str, subdir: str, subdirs: list[str]) -> list[Input]:
        """The files in the directory `subdir` of `root`; directories in it are added to `subdirs`."""
        files = []
        with os.scandir(os.path.join(root, subdir)) as entries:  # noqa: PTH118 paths are slow where they are many
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not (self._excludes(entry.path) or self._is_left_alone(entry.path)):
                        subdirs.append(os.path.join(subdir, entry.name))  # noqa: PTH118
                elif not entry.name.lower().endswith(SUFFIXES):
                    self.ignored += 1
                elif self._wants(entry.path):
                    files.append(Input(Path(entry.path), subdir, found=True))
        return files

    def _wants(self, name: str) -> bool:
        include = self._selection.include
        return (not include or _matches(name, include)) and not self._excludes(name)

    def _excludes(self, name: str) -> bool:
        return _matches(name, self._selection.exclude)

    def _is_left_alone(self, folder: str) -> bool:
        return self._without is not None and os.path.realpath(folder) == self._without


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether the last parts of a path match one of `patterns`."""
    try:
        return bool(patterns) and any(PurePath(name).match(pattern) for pattern in patterns)
    except ValueError:
        raise RequestError("--include, --exclude: a pattern is empty") from None
