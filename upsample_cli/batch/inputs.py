"""Find the input files: named, listed, matched by patterns, or found in directories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from .. import formats
from ..errors import InputError, RequestError
from ..runtime.urls import as_path, is_url

SUFFIXES = (  # of files that are found in directories: those of our own formats, and those that Pillow reads
    *formats.SUFFIXES,
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".avif", ".avifs", ".bmp", ".dib", ".qoi"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".tga", ".icb", ".vda"),
    *(".vst", ".pcx", ".dcx", ".sgi", ".rgb", ".rgba", ".bw", ".ras", ".psd", ".ico", ".cur", ".icns", ".dds", ".im"),
    *(".msp", ".xbm", ".xpm", ".blp", ".ftc", ".ftu", ".fits", ".fit", ".fli", ".flc", ".pcd", ".pxr"),
)


BASE_MARK = f"{os.sep}.{os.sep}"  # in listed names, after the directory that was searched, as in rsync's lists


class Selection(NamedTuple):
    """The inputs as the user gives them.

    Attributes:
        names: files, directories if `recursive`, and patterns that the shell has not expanded.
        listed: file names that are never taken as patterns. In ``photos/./a/b.png``, as from ``--failed-to``, ``a`` is
            the directory relative to the one that was searched.
        base: the directory below which the listed files lie; None for the deepest that contains all of them.
        recursive: whether directories are searched, at any depth.
        include: patterns; if there are any, an input's name must match one.
        exclude: patterns; inputs and directories whose name matches one are skipped.
    """

    names: Sequence[str]
    listed: Sequence[str] = ()
    base: str | None = None
    recursive: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    @property
    def several(self) -> bool:
        """Whether this may be more than one file, whatever is found."""
        patterns = any(is_pattern(name) for name in self.names)
        return self.recursive or patterns or bool(self.listed) or len(set(self.names)) > 1


class Input(NamedTuple):
    """One input file.

    Attributes:
        path: the file.
        subdir: its directory, relative to the searched directory.
        found: whether it was found by a pattern or in a directory, rather than named.
        error: why the directory cannot be searched, or the pattern matches nothing; None if there is no error.
    """

    path: Path
    subdir: str = ""
    found: bool = False
    error: InputError | None = None


class Inputs(NamedTuple):
    """All input files.

    Attributes:
        files: each once; those found by one pattern or in one directory are sorted.
        ignored: files in searched directories whose type is unknown, including links to directories.
        not_included: the first input that none of the patterns of `Selection.include` matches, or None.
    """

    files: list[Input]
    ignored: list[str]
    not_included: str | None = None


def find_inputs(selection: Selection, without: str | None = None) -> Inputs:
    """Find the files that `selection` describes, without opening them.

    Named files are included even if they do not exist; their jobs fail later. In searched directories, hidden files are
    skipped and links to directories are not followed (as by ``find`` and ``grep -r``), so that loops do no harm.

    Args:
        selection: the inputs as the user gives them.
        without: the directory of the outputs, which is not searched.

    Raises:
        RequestError: a pattern is empty.
    """
    finder = _Finder(selection, None if without is None else os.path.realpath(without))
    names = CanonicalNames()
    files: dict[tuple[str, str], Input] = {}
    found = [file for name, is_match in _expanded(selection.names) for file in finder.find(name, is_match)]
    for name, subdir in zip(selection.listed, _listed_subdirs(selection), strict=True):
        found += [file if file.found else file._replace(subdir=subdir) for file in finder.find(name, False)]
    for file in found:
        files.setdefault(names.of(formats.parts(file.path)[-1]), file)
    return Inputs(list(files.values()), finder.ignored, finder.not_included)


def _listed_subdirs(selection: Selection) -> list[str]:
    """The directory of each listed file relative to the one that was searched, to `base` or to their common one.

    Raises:
        RequestError: a file does not lie below `base`.
    """
    folders = [os.path.abspath(os.path.dirname(name)) for name in selection.listed]  # noqa: PTH100, PTH120 faster
    marked = ["" if selection.base is not None else name.partition(BASE_MARK)[2] for name in selection.listed]
    unmarked = [folder for folder, rest in zip(folders, marked, strict=True) if not rest]
    base = os.path.abspath(selection.base) if selection.base is not None else _common(unmarked)  # noqa: PTH100
    subdirs = []
    for name, folder, rest in zip(selection.listed, folders, marked, strict=True):
        subdir = os.path.dirname(rest) if rest else os.path.relpath(folder, base)  # noqa: PTH120
        if subdir.startswith(".."):
            raise RequestError(f"--base {selection.base}: is not a directory above {name}")
        subdirs.append("" if subdir == "." else subdir)
    return subdirs


def _common(folders: Sequence[str]) -> str:
    return os.path.commonpath(folders) if folders else ""


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern rather than an existing file."""
    return any(magic in name for magic in "*?[") and not is_url(name) and not os.path.lexists(name)


class CanonicalNames:
    """Maps all spellings of a path to the same pair: the real directory, and the name in it."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def of(self, path: Path) -> tuple[str, str]:
        """The same for ``a/b/../c`` and ``a/c``; but a link and its target are different files."""
        folder = str(path.parent)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder], path.name


def _expanded(names: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """The names, with patterns replaced by their sorted matches; each with whether it is a match of a pattern."""
    for name in names:
        matches: list[str] = []
        if is_pattern(name):
            from glob import glob  # rarely needed

            matches = sorted(glob(name, recursive=True))  # noqa: PTH207 patterns may be absolute
        yield from [(match, True) for match in matches] or [(name, False)]


class _Finder:
    """Finds files by name and in directories.

    Attributes:
        ignored: files in searched directories whose type is unknown.
        not_included: the first input that no pattern of `Selection.include` matches, or None.
    """

    def __init__(self, selection: Selection, without: str | None) -> None:
        self._selection, self._without = selection, without
        _matches("name", [*selection.include, *selection.exclude])  # raises if a pattern is empty
        self.ignored: list[str] = []
        self.not_included: str | None = None

    def find(self, name: str, found: bool) -> list[Input]:
        """The file `name`, or all files below the directory `name`, sorted by path."""
        if not (self._selection.recursive and _is_folder(name)):
            error = InputError("matches no file", Path(name)) if is_pattern(name) else None
            return [Input(as_path(name), found=found, error=error)] if self._is_selected(name) else []
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
        """The files in the directory `subdir` of `root`. Its subdirectories are appended to `subdirs`."""
        files = []
        with os.scandir(os.path.join(root, subdir)) as entries:  # noqa: PTH118 faster
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_directory_file(entry):
                    if self._is_selected(entry.path):
                        files.append(Input(Path(entry.path), subdir, found=True))
                elif entry.is_dir(follow_symlinks=False):
                    if not (self._is_excluded(entry.path) or self._holds_outputs(entry.path)):
                        subdirs.append(os.path.join(subdir, entry.name))  # noqa: PTH118
                elif not entry.name.lower().endswith(SUFFIXES):
                    self.ignored.append(entry.path)
                elif self._is_selected(entry.path):
                    files.append(Input(Path(entry.path), subdir, found=True))
        return files

    def _is_selected(self, name: str) -> bool:
        include = self._selection.include
        if include and not _matches(name, include):
            self.not_included = self.not_included or name
            return False
        return not self._is_excluded(name)

    def _is_excluded(self, name: str) -> bool:
        return _matches(name, self._selection.exclude)

    def _holds_outputs(self, folder: str) -> bool:
        return self._without is not None and os.path.realpath(folder) == self._without


def _is_folder(name: str) -> bool:
    """Whether `name` is a directory to search, and not one that is a single image."""
    return os.path.isdir(name) and not formats.is_directory_file(Path(name))  # noqa: PTH112 a name may be too long


def _is_directory_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and formats.is_directory_file(Path(entry.path))


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether the end of a path matches one of `patterns`."""
    try:
        return bool(patterns) and any(PurePath(name).match(pattern) for pattern in patterns)
    except ValueError:
        raise RequestError("--include, --exclude: a pattern is empty") from None
