"""Atomic outputs: written under a temporary name beside the target, and renamed when they are complete.

A lock tells the files of running processes from those that killed ones have left, which later runs remove.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import OutputError

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

_TEMPORARY_NAME = re.compile(r"\.upsample-[0-9a-f]{12}\.tmp(\..*)?")
_ATTEMPTS = 3  # to create a file in a directory that another process may be removing
_STALE_AFTER_SECONDS = 10.0  # a living process has locked its new file long before
_unpublished: list[AtomicOutput] = []
_folders: list[str] = []
if hasattr(os, "register_at_fork"):  # a child process removes nothing that belongs to its parent
    os.register_at_fork(after_in_child=_unpublished.clear)
    os.register_at_fork(after_in_child=_folders.clear)


class AtomicOutput:
    """Temporary files beside their targets, each locked by this process while it is being written.

    Directories created for the targets are removed again if nothing is published.

    Attributes:
        paths: the temporary files, in the order of the targets.
    """

    def __init__(
        self, targets: Sequence[Path], suffixes: Sequence[str] | None = None, create_folders: bool = False
    ) -> None:
        """Choose unused temporary names.

        Args:
            targets: the final names; several if the files belong together, such as an .hdr/.img pair.
            suffixes: the end of each temporary name, because libraries infer formats from it; None for the last suffix
                of each target.
            create_folders: whether to create directories that the targets need.
        """
        token = _process_token(os.getpid()) + os.urandom(3).hex()
        self._targets = targets
        self._published: list[Path] = []
        self._locks: list[int] = []
        self._create_folders = create_folders
        self._folders: list[Path] = []  # that were created, the deepest last
        suffixes = [target.suffix for target in targets] if suffixes is None else suffixes
        self.paths = [
            target.with_name(f".upsample-{token}.tmp{suffix}") for target, suffix in zip(targets, suffixes, strict=True)
        ]

    def __enter__(self) -> Self:
        """Create the temporary files, empty.

        Raises:
            OSError: a file cannot be created.
            OutputError: a directory cannot be created.
        """
        _unpublished.append(self)
        try:
            for path in self.paths:
                descriptor = self._create(path)
                self._locks.append(descriptor)
                try_lock(descriptor)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _create(self, path: Path) -> int:
        for _ in range(_ATTEMPTS):
            try:
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            except FileNotFoundError:
                if not self._create_folders:
                    raise
                self._create_folder(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)

    def _create_folder(self, folder: Path) -> None:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"its directory {folder} cannot be created: {error.strerror}"
            raise OutputError(what, self._targets[0]) from error
        self._folders += reversed(missing)

    def publish(self, overwrite: bool) -> None:
        """Rename the complete files to their targets, in order. A replaced file's mode and owner are kept.

        Raises:
            FileExistsError: a target exists, and `overwrite` is false.
            OSError: a file cannot be renamed, or is not the one that was created.
        """
        for path, target, descriptor in zip(self.paths, self._targets, self._locks, strict=True):
            if not os.path.samestat(os.fstat(descriptor), path.lstat()):
                raise OSError(errno.EBUSY, "another process has replaced its temporary file")
            if overwrite and os.path.lexists(target):
                before = target.lstat()
                if not stat.S_ISREG(before.st_mode):  # a pipe or a device, which appeared meanwhile
                    raise OSError(errno.EINVAL, "it is not a regular file, so it is not replaced")
                keep_owner(before, descriptor if os.chmod in os.supports_fd else path)
        for path, target in zip(self.paths, self._targets, strict=True):
            _rename(path, target, overwrite)
            if not overwrite:
                self._published.append(target)
        self._published, self._folders = [], []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove temporary files, renamed members of an incomplete set of targets, and directories made for them."""
        for path, descriptor in zip_longest(self.paths, self._locks):  # None if a signal came before the lock
            with suppress(OSError):
                if descriptor is None or os.path.samestat(os.fstat(descriptor), path.lstat()):
                    path.unlink()
        for path in self._published:
            with suppress(OSError):
                path.unlink()
        for folder in reversed(self._folders):
            with suppress(OSError):
                folder.rmdir()
        while self._locks:
            os.close(self._locks.pop())
        _unpublished.remove(self)


def keep_owner(before: os.stat_result, new: int | Path) -> None:
    """Give a new file the mode of the file that it replaces and, as far as permitted, its owner and group."""
    with suppress(OSError, AttributeError):  # AttributeError: Windows has no chown
        os.chown(new, before.st_uid, before.st_gid)
    after = os.stat(new)  # noqa: PTH116 it may be a descriptor
    is_kept = (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    os.chmod(new, stat.S_IMODE(before.st_mode) & (~0 if is_kept else 0o777))  # noqa: PTH101 as above


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A directory among the system's temporary files that is removed at the end of the block."""
    from tempfile import TemporaryDirectory  # rarely needed

    with TemporaryDirectory(prefix="upsample-") as name:
        _folders.append(name)
        try:
            yield Path(name)
        finally:
            _folders.remove(name)


def remove_unpublished() -> None:
    """Remove all temporary files of this process, at its end: a signal may have interrupted their removal."""
    from shutil import rmtree  # slow import; rarely needed

    for output in tuple(_unpublished):
        output.__exit__(None, None, None)
    for name in _folders:
        rmtree(name, ignore_errors=True)


def remove_stale(folder: Path) -> None:
    """Remove temporary files in `folder` that no process holds any more, because their process was killed."""
    for path in _temporary_files(folder):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime >= _STALE_AFTER_SECONDS:
                _remove_if_unlocked(path)


def remove_stale_of(process: int, folder: Path) -> None:
    """Remove the temporary files in `folder` of a process, given by its number, that has just been killed."""
    for path in _temporary_files(folder):
        with suppress(OSError):
            if path.name.startswith(f".upsample-{_process_token(process)}"):
                _remove_if_unlocked(path)


def resolve_link(path: Path) -> Path:
    """The target of a symbolic link, so that writing replaces the target and keeps the link; else the path itself."""
    return path.resolve() if path.is_symlink() else path


def _temporary_files(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(e.path) for e in entries if _TEMPORARY_NAME.fullmatch(e.name) and not e.is_symlink()]
    return []


def _process_token(process: int) -> str:
    """The part that the temporary names of one process share."""
    return f"{process & 0xFFFFFF:06x}"


def _remove_if_unlocked(path: Path) -> None:
    if fcntl is None:
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        if try_lock(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock a file until its descriptor is closed or the process ends; False if another process holds the lock."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or a file system without locks
        return False
    return True


def _rename(path: Path, target: Path, overwrite: bool) -> None:
    """Give a complete file its final name in one step, so that no other process can interfere."""
    if not overwrite:
        try:
            target.hardlink_to(path)  # unlike a rename, this fails if the target exists
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if target.exists():
                raise FileExistsError(target) from None
        else:
            return
    path.replace(target)
