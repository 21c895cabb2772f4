"""Outputs that are being written: files of no meaning, which take their final names complete or not at all."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .formats import split_name

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\.upsample-[0-9a-f]{12}\.tmp(\..*)?")
_writing: list[Unfinished] = []
_OLD_ENOUGH = 10.0  # seconds, in which whoever makes a file has locked it


class Unfinished:
    """Temporary files beside their targets, each locked by this process for as long as it is written.

    Attributes:
        paths: of the files, in the order of the targets.
    """

    def __init__(self, targets: Sequence[Path]) -> None:
        """Choose names that nobody has, for `targets`."""
        token = _mark_of(os.getpid()) + os.urandom(3).hex()
        self._targets = targets
        self._published: list[Path] = []
        self._locks: list[int] = []
        self.paths = [target.with_name(f".upsample-{token}.tmp{split_name(target)[1]}") for target in targets]

    def __enter__(self) -> Self:
        """Make the files.

        Raises:
            OSError: a file cannot be made.
        """
        _writing.append(self)
        try:
            for path in self.paths:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
                self._locks.append(descriptor)
                _lock(descriptor)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def publish(self, overwrite: bool) -> None:
        """Give the complete files their final names, in the order of the targets.

        Raises:
            FileExistsError: a target has come into being, and is not to be replaced.
            OSError: a file cannot be renamed.
        """
        for path, target in zip(self.paths, self._targets, strict=True):
            if overwrite and target.exists():
                shutil.copymode(target, path)
        for path, target in zip(self.paths, self._targets, strict=True):
            _publish(path, target, overwrite)
            if not overwrite:
                self._published.append(target)
        self._published = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove what has not been published, and what has been of targets that belong together."""
        for path in (*self.paths, *self._published):
            with suppress(OSError):
                path.unlink()
        while self._locks:
            os.close(self._locks.pop())
        _writing.remove(self)


def remove_all() -> None:
    """Remove what this process has not published, when it ends: a signal may have come while that was being done."""
    for unfinished in tuple(_writing):
        unfinished.__exit__(None, None, None)


def sweep(folder: Path) -> None:
    """Remove what killed processes have left in `folder`: unfinished files that no process holds."""
    for path in _unfinished(folder):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime >= _OLD_ENOUGH:
                _remove_if_abandoned(path)


def sweep_after(process: int, folder: Path) -> None:
    """Remove at once what `process`, which has been killed, has left in `folder`."""
    for path in _unfinished(folder):
        with suppress(OSError):
            if path.name.startswith(f".upsample-{_mark_of(process)}"):
                _remove_if_abandoned(path)


def _unfinished(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name) and not entry.is_symlink()]
    return []


def _mark_of(process: int) -> str:
    """What the names of a process's files have in common."""
    return f"{process & 0xFFFFFF:06x}"


def _remove_if_abandoned(path: Path) -> None:
    if fcntl is None:
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        if _lock(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Hold a file until its descriptor is closed, by this process's end at the latest; False where another does."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another holds it, or the file system knows no locks
        return False
    return True


def _publish(path: Path, target: Path, overwrite: bool) -> None:
    """Give a complete file its final name, in one step that nobody can come between."""
    if not overwrite:
        try:
            target.hardlink_to(path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if target.exists():
                raise FileExistsError(target) from None
        else:
            return
    path.replace(target)


def beyond_links(path: Path) -> Path:
    """The file that a symbolic link stands for, so that the link survives."""
    return path.resolve() if path.is_symlink() else path
