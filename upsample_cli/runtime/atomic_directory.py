"""Atomic directories: filled beside the target, renamed when complete, and kept for the next run if that is killed."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .atomic import keep_owner, try_lock

_NAME = re.compile(r"\.upsample-[0-9a-f]{12}-[0-9a-f]{16}\.partial")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


class AtomicDirectory:
    """A directory that takes the place of its target when it is complete.

    Its name depends on the target and on `fingerprint`, so that the same work finds what an earlier run has finished.
    It is locked while a process fills it.

    Attributes:
        path: the directory to fill.
    """

    def __init__(self, target: Path, fingerprint: str) -> None:
        """Choose the name.

        Args:
            target: the final name.
            fingerprint: hexadecimal digits that are equal if and only if the work is the same.
        """
        of_target = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
        self._target = target
        self._prefix = f".upsample-{of_target}-"
        self.path = target.with_name(f"{self._prefix}{fingerprint[:16]}.partial")
        self._lock: int | None = None
        self._replaces: os.stat_result | None = None

    def __enter__(self) -> Self:
        """Create and lock the directory, and remove those that other work on the same target has left.

        Raises:
            BlockingIOError: another process is filling it.
            OSError: it cannot be created.
        """
        self._replaces = self._target.lstat() if os.path.lexists(self._target) else None
        self.path.mkdir(parents=True, exist_ok=True)
        if hasattr(os, "O_DIRECTORY"):
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            if not try_lock(self._lock):
                self._unlock()
                raise BlockingIOError
        for other in self.path.parent.glob(f"{self._prefix}*.partial"):
            if other != self.path and _NAME.fullmatch(other.name):
                _remove_if_unlocked(other)
        return self

    def publish(self, overwrite: bool) -> None:
        """Rename the complete directory to its target.

        Raises:
            FileExistsError: the target exists, and `overwrite` is false.
            OSError: the directory cannot be renamed, or is not the one that was opened.
        """
        if self._lock is not None and not os.path.samestat(os.fstat(self._lock), self.path.lstat()):
            raise OSError(errno.EBUSY, "another process has replaced its temporary directory")
        if overwrite and os.path.lexists(self._target):
            before = self._target.lstat()
            if not stat.S_ISDIR(before.st_mode) or not _is_same(before, self._replaces):
                raise OSError(errno.EBUSY, "another process has created or replaced it meanwhile, so it is kept")
            _keep_owner(before, self.path)
        if not os.path.lexists(self._target):
            self.path.rename(self._target)
        elif not overwrite:
            raise FileExistsError(self._target)
        elif _exchange(self.path, self._target):
            _remove(self.path)
        else:
            aside = self.path.with_suffix(".replaced")
            self._target.rename(aside)
            self.path.rename(self._target)
            _remove(aside)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unlock the directory. An unfinished one stays for the next run."""
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _is_same(status: os.stat_result, other: os.stat_result | None) -> bool:
    return other is not None and os.path.samestat(status, other)


def _keep_owner(before: os.stat_result, path: Path) -> None:
    """Give a new directory the mode and owner of the one that it replaces, and its contents the owner."""
    keep_owner(before, path)
    if not hasattr(os, "geteuid") or before.st_uid == os.geteuid():
        return
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            with suppress(OSError):
                os.chown(os.path.join(folder, name), before.st_uid, before.st_gid, follow_symlinks=False)  # noqa: PTH118


def _exchange(one: Path, other: Path) -> bool:
    """Swap two directories in one step, which only Linux can; False if it cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _remove_if_unlocked(path: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if try_lock(descriptor):
                _remove(path)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
